"""What policies, rules and learners of one's own are made of; `import genedge` alone does not load it.

These are parts of compiled code: they may be traced, meet JAX as you have set it, and look at nothing that they are
given. What they make is looked at where it is used: `genedge.score` and `genedge.evaluate` refuse a decision that
breaks a constraint. Settings of one's own derive from `genedge.Section`.
"""

from genedge.cell.feasible import action_size, decode, equal_shares, fill_cache, fit_steps, floor_of_hits
from genedge.cell.types import with_places
from genedge.env.episodes import EpisodePolicy
from genedge.env.observation import observation_size, observe
from genedge.learn.agent import Agent, Training
from genedge.learn.hyperparameters import AgentSettings, TracedCount
from genedge.settings.fields import Count, Tuned
from genedge.settings.provenance import assumed

__all__ = [
    "Agent",
    "AgentSettings",
    "Count",
    "EpisodePolicy",
    "TracedCount",
    "Training",
    "Tuned",
    "action_size",
    "assumed",
    "decode",
    "equal_shares",
    "fill_cache",
    "fit_steps",
    "floor_of_hits",
    "observation_size",
    "observe",
    "with_places",
]

"""A trained run as a policy."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
from jax import Array

from genedge.cell.types import Decision, Params, Slot, with_places
from genedge.errors import InputError
from genedge.given import Weights
from genedge.learn.agents import told_in_words
from genedge.learn.runs import open_run
from genedge.learn.sizes import refuse_no_storage
from genedge.learn.training import load_actor
from genedge.own import in_file
from genedge.scenario import Scenario


def trained(folder: Path, scenario: Scenario, weights: Weights) -> Callable[[Params, Slot, Array], Decision]:
    """The policy of a run's actor.

    Args:
        folder: the run's folder.
        scenario: the scenario it shall serve; the one it was trained on, unless it was trained for any cell.
        weights: the actor with the best evaluation, or the last one.

    Raises:
        InputError: it is not a run, has no actor yet, or was trained on another scenario.
    """
    run = open_run(folder)
    if run.scenario.id != scenario.id and not run.learner.any_cell:
        raise InputError(
            f"{folder}: trained on scenario {run.scenario.name} ({run.scenario.id}), not on "
            f"{scenario.name} ({scenario.id}); its actor knows only its own catalogue. Name that scenario "
            f"({folder / 'scenario.yaml'}), or train a run on this one"
        )
    if run.learner.any_cell and scenario.params.box is not None:
        raise InputError(
            f"{folder}: trained for cells of any size whose cache is chosen anew in every slot; it has never seen "
            f"a memory, as that of scenario {scenario.name}. Train a run on this scenario"
        )
    if run.learner.any_cell:
        refuse_no_storage(scenario)
    actor = load_actor(run, weights)
    decide = _told_in_words(run.agent, run.learner.decide)
    if run.most_users == math.inf:
        return partial(_decide, decide, actor)
    places = run.places

    @jax.jit
    def policy(params: Params, slots: Slot, key: Array) -> Decision:
        users = slots.active.shape[-1]
        if users > places:
            remedy = run.learner.for_more(users)
            raise InputError(f"{folder}: serves up to {places} users, not {users}; train it with {remedy}")
        decision = decide(actor, params, with_places(slots, places))
        return Decision(decision.cache, decision.bandwidth[:, :users], decision.steps[:, :users])

    return policy


def _told_in_words(
    agent: str, decide: Callable[[Any, Params, Slot], Decision]
) -> Callable[[Any, Params, Slot], Decision]:
    """What a reader's own agent decides, or where it fails; of all others the very same function."""
    if not in_file(agent):
        return decide

    def told(actor: Any, params: Params, slots: Slot) -> Decision:
        with told_in_words(agent):
            return decide(actor, params, slots)

    return told


@partial(jax.jit, static_argnums=0)
def _decide(
    decide: Callable[[Any, Params, Slot], Decision], actor: Any, params: Params, slots: Slot, key: Array
) -> Decision:
    return decide(actor, params, slots)

"""The agents that can be trained, by name."""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

from genedge.errors import InputError
from genedge.learn.agent import Agent
from genedge.scenario import Scenario

HOMES: Mapping[str, str] = MappingProxyType(
    {
        "ddpg": "genedge.learn.ddpg:DDPG",
        "td3": "genedge.learn.ddpg:TD3",
        "sac": "genedge.learn.sac:SAC",
        "reinforce": "genedge.learn.reinforce:Reinforce",
        "any-cell": "genedge.learn.any_cell:AnyCell",
        "two-timescale": "genedge.learn.two_timescale:TwoTimescale",
    }
)
AGENTS = tuple(HOMES)


def load_agent(name: str, scenario: Scenario) -> Agent[Any]:
    """An agent on a scenario.

    Args:
        name: what it is called.
        scenario: the scenario.

    Raises:
        InputError: there is no such agent.
    """
    if name not in AGENTS:
        raise InputError(f"agent {name!r}: no such algorithm; there are {', '.join(AGENTS)}")
    module, _, kind = HOMES[name].partition(":")
    agent: type[Agent[Any]] = getattr(import_module(module), kind)
    section = getattr(scenario.settings, name.replace("-", "_"))
    return agent(name, scenario, agent.Settings.model_validate(section.model_dump()))

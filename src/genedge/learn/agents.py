"""Agents by name: those of the registry, and those of a reader's own file.

An agent of one's own is named `FILE.py:CLASS`; its hyperparameters are a section of the scenario that is called
after the file, so that `--set search.tries=8` changes one of `search.py`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from genedge.errors import InputError
from genedge.learn.agent import Agent
from genedge.learn.hyperparameters import AgentSettings
from genedge.own import failure, from_file, in_file
from genedge.registry import listed, named, unknown
from genedge.scenario import Scenario
from genedge.scenario.load import refuse_section

OWN = ", and FILE.py:CLASS"

# What a run logs of every agent, beside the agent's own metrics.
LOGGED = ("episode", "evaluated_utility", "best_utility", "seconds")


def agent_class(name: str) -> type[Agent[Any]]:
    """The agent of a name.

    Args:
        name: of an agent in the registry, or `FILE.py:CLASS`.

    Raises:
        InputError: there is no such agent, or what the file has is none.
    """
    known = named("agent")
    if not in_file(name):
        if name not in known:
            raise unknown("agent", name, known, OWN)
        agent: type[Agent[Any]] = known[name].load()
        return agent
    found = from_file(name)
    if not (isinstance(found, type) and issubclass(found, Agent)):
        raise InputError(f"{name}: not an agent; it must be a subclass of genedge.learn.agent.Agent")
    missing = sorted(
        found.__abstractmethods__ | {key for key in ("Settings", "metrics") if not hasattr(found, key)}
    )
    if missing:
        raise InputError(f"{name}: not a whole agent; it has no {', '.join(missing)}")
    if not (isinstance(found.Settings, type) and issubclass(found.Settings, AgentSettings)):
        raise InputError(f"{name}: its Settings must be a subclass of genedge.learn.hyperparameters.AgentSettings")
    metrics = found.metrics
    named_once = isinstance(metrics, tuple) and all(isinstance(each, str) for each in metrics)
    if not named_once or len({*metrics, *LOGGED}) < len(metrics) + len(LOGGED):
        raise InputError(
            f"{name}: its metrics must be a tuple of names, each once and none of {listed(LOGGED)}, which are "
            f"logged of every agent"
        )
    return found


@contextmanager
def told_in_words(name: str) -> Iterator[None]:
    """What a reader's own agent raises is an error that names its line.

    Args:
        name: of the agent.

    Raises:
        InputError: the agent is in a reader's own file, and failed.
    """
    try:
        yield
    except InputError:
        raise
    except (Exception, SystemExit) as e:
        if not in_file(name):
            raise
        raise failure(name, e) from e


def absolute(name: str) -> str:
    """The name that means the same wherever it is read: a reader's own file with all its folders.

    Args:
        name: of an agent.
    """
    if not in_file(name):
        return name
    file, _, kind = name.rpartition(":")
    return f"{Path(file).absolute()}:{kind}"


def own_section(name: str) -> Mapping[str, type[AgentSettings]]:
    """The section of hyperparameters that a reader's own agent brings; of all others none.

    Args:
        name: of the agent.

    Raises:
        InputError: there is no such agent, or its section has the name of another.
    """
    if not in_file(name):
        return {}
    section = section_of(name)
    refuse_section(section, f"{name}: its hyperparameters are called after its file")
    return {section: agent_class(name).Settings}


def section_of(name: str) -> str:
    """Of a scenario, the section that holds an agent's hyperparameters.

    Args:
        name: of the agent.
    """
    stem = Path(name.rpartition(":")[0]).stem if in_file(name) else name
    return stem.replace("-", "_")


def load_agent(name: str, scenario: Scenario) -> Agent[Any]:
    """An agent on a scenario.

    Args:
        name: of an agent in the registry, or `FILE.py:CLASS`.
        scenario: the scenario; hyperparameters of a reader's own agent that it does not tell have their defaults.

    Raises:
        InputError: there is no such agent.
    """
    agent, section = agent_class(name), section_of(name)
    return agent(name, section, scenario, with_own_section(name, scenario).hyperparameters(section))


def with_own_section(name: str, scenario: Scenario) -> Scenario:
    """A scenario that knows the hyperparameters of an agent, though it be of a reader's own file.

    Args:
        name: of the agent.
        scenario: the scenario.
    """
    return replace(scenario, own={**own_section(name), **scenario.own})

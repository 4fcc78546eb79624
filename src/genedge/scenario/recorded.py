"""Slots from a file, measured or of another simulator, in place of those that a scenario draws."""

from dataclasses import replace
from pathlib import Path

from genedge.errors import InputError
from genedge.own import digest
from genedge.scenario.lines import lines_of_file, read_episodes
from genedge.scenario.scenario import Recorded, Scenario
from genedge.text import shortened


def with_slots(scenario: Scenario, slots: object) -> Scenario:
    """The same scenario, whose episodes are those of a file.

    Args:
        scenario: the cell.
        slots: the file, JSON lines as `genedge slots` prints them.

    Raises:
        InputError: it is no such file, or the scenario is of a box.
    """
    if not isinstance(slots, str | Path) or not str(slots) or "\0" in str(slots):
        raise InputError(f"slots must be the path of a file of JSON lines, not {shortened(slots)}")
    if scenario.params.box is not None:
        raise InputError(
            f"scenario {scenario.name} is of a box, whose slots follow from each other: it takes none of a file; "
            f"leave out --slots, or name a scenario of a cell, such as paper"
        )
    file = Path(slots).absolute()
    if not file.is_file():  # Nor a pipe, which could not be read again.
        raise InputError(f"--slots {slots}: no such file")
    episodes = read_episodes(lines_of_file(file, "--slots"), str(slots), scenario)
    if scenario.params.observation is not None and episodes.seen_gain is None:
        raise InputError(
            f"--slots {slots}: the scenario's observation is not of things as they are, and no line has a "
            f"'seen_channel_gain'; give it there, or set observation.stale_slots and observation.gain_noise_db to 0"
        )
    return replace(scenario, recorded=Recorded(str(file), digest(file), episodes))

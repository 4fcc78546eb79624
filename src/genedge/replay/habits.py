"""What drawn traces are to be like: which models, how popular, when, and in what sessions."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from genedge.catalogue.load import load_catalogue
from genedge.errors import InputError
from genedge.replay.gaps import HOURS
from genedge.text import in_brief

MOST_MODELS = 100_000


class Habits(NamedTuple):
    """What a drawn trace is like where it is not as without any of this.

    Attributes:
        names: of the models, the first the most popular; None for M0000 and on.
        weights: of each of them, how often it is asked for; None for Zipf's law.
        skew: exponent of Zipf's law; None for that of the paper's cell, which changes with time.
        gaps_cv: coefficient of variation of the times between requests; None for requests at random.
        by_hour: how many requests come in each of the 24 hours of a day, in any measure; None for as many in each.
        session_requests: mean number of requests of a session, in which nobody waits for ten minutes; None for
            users who are at work however long they have asked for nothing.
    """

    names: Sequence[str] | None = None
    weights: Sequence[float] | None = None
    skew: float | None = None
    gaps_cv: float | None = None
    by_hour: Sequence[float] | None = None
    session_requests: float | None = None


def models_of(text: str) -> tuple[Sequence[str] | None, Sequence[float] | None, int]:
    """Which models there are.

    Args:
        text: how many; NAME=WEIGHT,... with a weight each, or NAME,... without; or a catalogue's name or file.

    Returns:
        Their names, their weights, and how many they are; None for what is not said.

    Raises:
        InputError: it is none of these.
    """
    if text.isdecimal():
        count = int(text) if len(text) < 10 else MOST_MODELS + 1
        if not 1 <= count <= MOST_MODELS:
            raise InputError(f"--models {in_brief(text)}: from 1 to {MOST_MODELS}")
        return None, None, count
    if "," not in text and "=" not in text:
        names: Sequence[str] = load_catalogue(text, Path()).named
        if not names:
            raise InputError(f"--models {in_brief(text)}: that catalogue names no model")
        return names, None, len(names)
    parts = [part.strip() for part in text.split(",")]
    weighted = [part.rpartition("=") for part in parts] if any("=" in part for part in parts) else None
    names = parts if weighted is None else [name.strip() for name, _, _ in weighted]
    if not all(names) or len(set(names)) < len(names):
        raise InputError(
            f"--models {in_brief(text)}: write how many, NAME=WEIGHT,... with a weight for each, NAME,... or a "
            "catalogue, each name once"
        )
    if weighted is None:
        return names, None, len(names)
    return names, numbers_of("--models", ",".join(weight for _, _, weight in weighted)), len(names)


def hours_of(text: str) -> Sequence[float]:
    """How many requests come in each hour of a day.

    Args:
        text: 24 numbers, separated by commas.

    Raises:
        InputError: it is not.
    """
    hours = numbers_of("--by-hour", text.strip().removeprefix("[").removesuffix("]"))
    if len(hours) != HOURS:
        raise InputError(
            f"--by-hour has {len(hours)} numbers; give {HOURS}, from midnight on, such as by_hour of genedge trace "
            "show --json"
        )
    return hours


def numbers_of(option: str, text: str) -> Sequence[float]:
    """Weights, of which one at least is more than 0.

    Args:
        option: whose they are, for messages.
        text: numbers, separated by commas.

    Raises:
        InputError: one is no number, negative, or all are 0.
    """
    numbers = []
    for part in text.split(","):
        try:
            number = float(part)
        except ValueError:
            number = math.nan
        if not 0 <= number <= 1e9:
            raise InputError(f"{option}: {in_brief(repr(part.strip()))} is no weight from 0 to 1e9")
        numbers.append(number)
    if not any(numbers):
        raise InputError(f"{option}: all weights are 0")
    return numbers

"""Positions from a file: where each user is in each slot, as measured or simulated elsewhere."""

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int
from pydantic import Field

from genedge.cell.types import AnyArray
from genedge.errors import InputError
from genedge.files import read_bytes
from genedge.settings.fields import Section
from genedge.text import shortened

HEADER = ["slot", "user", "x_m", "y_m"]

# Some millions of lines.
MOST_BYTES = 2**28


class Where(NamedTuple):
    """Where users are.

    Attributes:
        slot: number of the slot.
        position_m: where they are [m].
    """

    slot: Int[Array, ""]
    position_m: Float[Array, "N 2"]


class Positions(NamedTuple):
    """Every episode meets the positions of the file, slot after slot; after its last slot they begin anew.

    Attributes:
        of_users_m: where each user is in each slot, the base station at the origin [m].
    """

    of_users_m: Float[AnyArray, "slots users 2"]

    def first(self, area_m: Float[AnyArray, "2"], u: Float[AnyArray, "N 4"]) -> Where:
        """Where users are when an episode begins.

        Args:
            area_m: sides of the area [m]; unused.
            u: uniform in [0, 1); only how many there are counts.
        """
        return self._at(jnp.int32(0), u.shape[0])

    def move(
        self,
        before: Where,
        area_m: Float[AnyArray, "2"],
        slot_s: Float[AnyArray, ""],
        u: Float[AnyArray, "N 4"],
    ) -> Where:
        """Where they are a slot later.

        Args:
            before: in the slot before.
            area_m: sides of the area [m]; unused.
            slot_s: how long a slot lasts [s]; the file has a line for each slot.
            u: uniform in [0, 1); only how many there are counts.
        """
        return self._at(before.slot + 1, u.shape[0])

    def _at(self, slot: Array, places: int) -> Where:
        slots, users, _ = self.of_users_m.shape
        # Places that the file knows nothing of are as its users are, from the first one on.
        return Where(slot, jnp.asarray(self.of_users_m)[slot % slots, jnp.arange(places) % users])


class Settings(Section):
    """Which file."""

    file: Annotated[str, Field(strict=True, min_length=1)]

    def arrays(self) -> Positions:
        """The mobility.

        Raises:
            InputError: the file cannot be read, or is no table of positions.
        """
        return Positions(read_positions(Path(self.file)))


def read_positions(file: Path) -> np.ndarray:
    """The positions in a CSV file, shape (slots, users, 2).

    Its header is `slot,user,x_m,y_m`; slots and users are numbered from 0, and each user has one line in each slot.

    Args:
        file: the file.

    Raises:
        InputError: it cannot be read, or a line is wrong, missing or given twice.
    """
    try:
        text = read_bytes(file, MOST_BYTES).decode("utf-8-sig")
    except (OSError, ValueError) as e:
        raise InputError(f"{file}: cannot be read: {getattr(e, 'strerror', None) or e}") from None
    rows = _rows(text, file)
    if next(rows, None) != HEADER:
        raise InputError(f"{file}: line 1 must be {','.join(HEADER)}")
    found = {}
    for line, row in enumerate(rows, 2):
        slot, user, x_m, y_m = _numbers(row, f"{file}: line {line}")
        if (slot, user) in found:
            raise InputError(f"{file}: line {line}: user {user} is in slot {slot} a second time")
        found[slot, user] = x_m, y_m
    if not found:
        raise InputError(f"{file}: there are no positions in it")
    slots, users = (1 + max(number) for number in zip(*found, strict=True))
    if len(found) != slots * users:
        at = next((t, n) for t in range(slots) for n in range(users) if (t, n) not in found)
        raise InputError(f"{file}: user {at[1]} is not in slot {at[0]}; each user has one line in each slot")
    return np.array([[found[t, n] for n in range(users)] for t in range(slots)])


def _rows(text: str, file: Path) -> Iterator[list[str]]:
    rows = csv.reader(text.splitlines())
    try:
        yield from rows
    except csv.Error as e:  # Of a field that is longer than any number.
        raise InputError(f"{file}: line {rows.line_num}: {e}") from None


def _numbers(row: list[str], place: str) -> tuple[int, int, float, float]:
    try:
        slot, user, x_m, y_m = int(row[0]), int(row[1]), float(row[2]), float(row[3])
    except (ValueError, IndexError):
        slot, user, x_m, y_m = -1, -1, math.nan, math.nan
    if not (len(row) == len(HEADER) and slot >= 0 and user >= 0 and math.isfinite(x_m) and math.isfinite(y_m)):
        raise InputError(
            f"{place} must be the numbers of a slot and a user, both from 0, and x and y in metres, not "
            f"{shortened(','.join(row))}"
        )
    return slot, user, x_m, y_m

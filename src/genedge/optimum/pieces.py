"""What steps above its floor save a served request, piece by piece, and whether pieces are all there is to know.

Of the paper's three pieces one is left: all steps to A3 or none, and on the way there nothing at first. A table of
TV has several. Taken are those of the least concave function above what steps save: they are worth less and less,
so no request gets a piece without those before it.
"""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from genedge.cell.generation import cost_of_a_step, image_cost, saved_by_a_step
from genedge.cell.types import Models, Params, models_in_float64
from genedge.precision import in_double

# Of what a request costs: savings that differ by less differ by rounding.
HAIR = 1e-12


class Pieces(NamedTuple):
    """The pieces of all models; a request that has those before it and gets x steps of one more saves
    max(0, slope (x − dead)) more, for x up to extra.

    Attributes:
        of: model of each; None where each model has one, in their order.
        before: the one that must come before, −1 if none; None where no model has two.
        extra: steps; 0 where they improve nothing.
        gain: saving of all of them, 0 if they save nothing.
        slope: saving per step once they save at all.
        dead: steps of the piece from which it saves.
        exact: whether a part of a piece saves just that; else at least so much.
    """

    of: Int[np.ndarray, "P"] | None
    before: Int[np.ndarray, "P"] | None
    extra: Float[np.ndarray, "P"]
    gain: Float[np.ndarray, "P"]
    slope: Float[np.ndarray, "P"]
    dead: Float[np.ndarray, "P"]
    exact: bool

    def model(self, piece: int) -> int:
        """Of a piece.

        Args:
            piece: which.
        """
        return piece if self.of is None else int(self.of[piece])


def pieces(params: Params) -> Pieces:
    """The pieces of a scenario's models.

    Args:
        params: the scenario, not traced.
    """
    params = in_double(params)
    m = models_in_float64(params.models)
    floor = np.where(np.isfinite(m.floor_steps), m.floor_steps, 0.0)
    return _one_each(params, m, floor) if m.curve is None else _of_tables(params, m, floor)


def _one_each(params: Params, m: Models, floor: Float[np.ndarray, "M"]) -> Pieces:
    extra = np.maximum(m.A3 - floor, 0.0)
    flat = np.maximum(m.A1 - floor, 0.0)
    slope = np.asarray(saved_by_a_step(params, m))
    improves = (slope > 0) & (extra > 0)
    safe_slope = np.where(improves, slope, 1.0)
    # On the flat part a step costs time and improves nothing; the slope then earns that back first.
    dead = np.where(improves, flat * (1 + np.asarray(cost_of_a_step(params, m)) / safe_slope), np.inf)
    gain = np.where(dead < extra, slope * (extra - np.where(improves, dead, 0.0)), 0.0)
    improves = gain > 0
    return Pieces(
        None,
        None,
        np.where(improves, extra, 0.0),
        gain,
        np.where(improves, slope, 0.0),
        np.where(improves, dead, 0.0),
        True,
    )


def _of_tables(params: Params, m: Models, floor: Float[np.ndarray, "M"]) -> Pieces:
    found: list[tuple[float, ...]] = []  # What Pieces tell of each.
    exact = True
    for model in range(len(floor)):
        one: Models = jax.tree.map(lambda field, model=model: field[model], m)
        assert one.curve is not None
        at = np.unique(np.append(one.curve.steps, floor[model]))
        at = at[at >= floor[model]]
        cost = np.asarray(image_cost(params, one, at))
        before, begin = -1, 0
        while (end := _next(at, cost[begin] - cost, begin, HAIR * cost[0])) is not None:
            extra, gain = at[end] - at[begin], cost[begin] - cost[end]
            slope, dead = gain / extra, 0.0
            if end > begin + 1:
                # Within it steps are of no use until its last part; else only the whole of it is counted on.
                plain = bool((cost[begin + 1 : end] >= cost[begin] - HAIR * cost[0]).all())
                slope = (cost[end - 1] - cost[end]) / (at[end] - at[end - 1]) if plain else 0.0
                dead = extra - gain / slope if plain else 0.0
                exact = exact and plain
            found.append((model, before, extra, gain, slope, dead))
            before, begin = len(found) - 1, end
    of, after, *others = np.array(found, float).reshape(-1, 6).T
    return Pieces(of.astype(np.int64), after.astype(np.int64), others[0], others[1], others[2], others[3], exact)


def useful(of: Pieces) -> tuple[int, ...]:
    """Pieces that gain something, by descending gain a step, each after the one that must come before it.

    Args:
        of: all of them.
    """
    density = of.gain / np.where(of.gain > 0, of.extra, 1.0)
    if of.before is not None:
        for piece, before in enumerate(of.before):
            # What comes later is worth no more, but for rounding.
            density[piece] = min(density[piece], density[before] if before >= 0 else np.inf)
    return tuple(int(piece) for piece in np.argsort(-density, kind="stable") if of.gain[piece] > 0)


def _next(at: Float[np.ndarray, "J"], saved: Float[np.ndarray, "J"], begin: int, hair: float) -> int | None:
    """Where the piece ends that begins at one of the steps of a table; None if no more steps are of use."""
    if begin == len(at) - 1:
        return None
    each = saved[begin + 1 :] / (at[begin + 1 :] - at[begin])
    if saved[begin + 1 :].max() <= hair:
        return None
    # Of several on one line the nearest: a part of a piece is then on it, too.
    return begin + 1 + int(np.flatnonzero(each >= each.max() * (1 - HAIR))[0])


def wanted(of: Int[np.ndarray, "P"] | None, values: np.ndarray) -> np.ndarray:
    """Values of models as values of their pieces.

    Args:
        of: model of each piece.
        values: whose last axis is models.
    """
    return values if of is None else values[..., of]


def summed(of: Int[np.ndarray, "P"] | None, values: Float[np.ndarray, "P"], models: int) -> Float[np.ndarray, "M"]:
    """Sums over the pieces of each model.

    Args:
        of: model of each piece.
        values: of each piece.
        models: M.
    """
    return values if of is None else np.bincount(of, values, models)


def available(
    before: Int[np.ndarray, "P"] | None, piece: int, wanting: np.ndarray, full: Float[np.ndarray, "R P"]
) -> np.ndarray:
    """How many requests may get a piece: those that have the one before it.

    Args:
        before: of each piece.
        piece: which.
        wanting: how many requests there are.
        full: how many get all of each piece.
    """
    return wanting if before is None or before[piece] < 0 else full[:, before[piece]]

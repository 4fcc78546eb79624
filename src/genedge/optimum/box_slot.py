"""A slot of a box: the cheapest way to share its steps, for every set of models that serve and all ways to ask."""

from itertools import product
from math import isfinite
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from genedge.cell.feasible import TOLERANCE
from genedge.cell.generation import generation_delay, image_cost, weighed
from genedge.cell.radio import backhaul_delay
from genedge.cell.types import Box, Params
from genedge.optimum.pieces import pieces, useful


class Steps(NamedTuple):
    """The cheapest way to share the steps of a slot, radio apart.

    Attributes:
        counts: how many users ask for each model, all the ways there are.
        least: cost of each set of serving models at each way.
        served: how many users of each model the base station serves to that end.
        rank: place of a way among `counts`, by its code in base N + 1.
    """

    counts: Int[np.ndarray, "R M"]
    least: Float[np.ndarray, "sets R"]
    served: Int[np.ndarray, "sets R M"]
    rank: Int[np.ndarray, "codes"]


def cheapest_steps(params: Params, box: Box, users: int, sets: Bool[np.ndarray, "sets M"]) -> Steps:
    """The cheapest ways to share the steps, by enumeration.

    Args:
        params: the scenario, of a box.
        box: what sets it apart.
        users: N.
        sets: models that serve.
    """
    models = sets.shape[1]
    every = np.array(list(product(range(users + 1), repeat=models)))
    code = digits_to_code(every, users + 1)
    missed = _cost_of_misses(params, box, every, users)
    counts = every[every.sum(axis=1) == users]
    rank = np.full(len(every), -1)
    rank[digits_to_code(counts, users + 1)] = np.arange(len(counts))

    reachable = np.isfinite(np.asarray(params.models.floor_steps))
    floor = np.where(reachable, params.models.floor_steps, 0.0)
    fits = (every.sum(axis=1) <= users) & (every @ floor <= float(params.S) * (1 + TOLERANCE / 2))
    ways = every[fits & (every[:, ~reachable] == 0).all(axis=1)]
    hits = _cost_of_hits(params, ways)
    least = np.full((len(sets), len(counts)), np.inf)
    chosen = np.zeros(least.shape, int)
    rows, all_codes = code[digits_to_code(counts, users + 1)], digits_to_code(ways, users + 1)
    for w, way in enumerate(ways):
        enough = np.flatnonzero((counts >= way).all(axis=1))
        # What is not served at the base station is what is left of the counts, digit by digit.
        cost = hits[w] + missed[rows[enough] - all_codes[w]]
        serve = np.flatnonzero((sets | (way == 0)).all(axis=1))
        block = np.ix_(serve, enough)
        better = cost < least[block]
        least[block] = np.where(better, cost, least[block])
        chosen[block] = np.where(better, w, chosen[block])
    return Steps(counts, least, ways[chosen], rank)


def _cost_of_misses(params: Params, box: Box, missed: Int[np.ndarray, "ways M"], users: int) -> np.ndarray:
    """Cost of requests that go to the cloud, radio apart; their size the least that there is."""
    m = params.models
    k = missed.sum(axis=1)
    backhaul_s = backhaul_delay(params, params.input_bits[:1], m.output_bits)
    generation_s = generation_delay(m, m.A3)
    waited = np.array([_rounds(j, float(box.generators)) for j in range(k.max() + 1)])[k]
    delay_s = (missed @ backhaul_s) * (k if bool(box.shared) else 1) + (missed @ generation_s) * (1 + waited)
    return np.asarray(weighed(params, delay_s, missed @ m.A4))


def _rounds(misses: int, generators: float) -> float:
    """Mean of ⌊j/G⌋ over j below k; written apart from the cell's, so that either can be held against the other."""
    if misses == 0 or not isfinite(generators):
        return 0.0
    return sum(j // int(generators) for j in range(misses)) / misses


def _cost_of_hits(params: Params, served: Int[np.ndarray, "ways M"]) -> np.ndarray:
    """Cost of requests that the base station serves, radio apart, with the steps that are best."""
    m = params.models
    reachable = np.isfinite(np.asarray(m.floor_steps))
    floor = np.where(reachable, m.floor_steps, 0.0)
    cost = served @ image_cost(params, m, floor)
    left = float(params.S) - served @ floor
    of = pieces(params)
    for piece in useful(of):
        more = np.clip(left, 0.0, served[:, of.model(piece)] * of.extra[piece])
        cost, left = cost - of.slope[piece] * more, left - more
    return np.asarray(cost)


def digits_to_code(digits: Int[np.ndarray, "*batch M"], base: int) -> Int[np.ndarray, "*batch"]:
    """Numbers by their digits.

    Args:
        digits: from 0 to below the base, the first the highest.
        base: of the numbers.
    """
    return np.asarray(digits @ base ** np.arange(digits.shape[-1])[::-1])

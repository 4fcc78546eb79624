"""The exact optimum of a box with a small catalogue: dynamic programming over memory, ranking and skew.

What a slot costs splits in three. The radio's part depends on the bandwidth alone, as in every cell. Given which
models serve, the cheapest way to share the steps depends on how many users ask for each model. And which models
serve is what was decided before: the state is the memory, with the ranking and the skew that requests follow. As
the box sees all three, an episode is a finite Markov decision process, solved backwards from its last slot.

It also judges any other policy: the cost of an episode exceeds the optimum's, in expectation, by the sum over its
slots of what each decision lost against the best one in the same state (Kakade and Langford, 2002). Each of these
regrets is at least 0, and they are far less noisy than the difference of two costs.
"""

from collections.abc import Callable
from functools import cache, partial
from itertools import permutations
from math import comb
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from genedge.cell.feasible import first_memory, fitting_caches
from genedge.cell.popularity import zipf
from genedge.cell.types import Box, Decision, Params, Slot
from genedge.errors import InputError
from genedge.optimum.box_slot import Steps, cheapest_steps, digits_to_code
from genedge.optimum.certificate import certified
from genedge.optimum.pieces import pieces, useful

# Beyond these the tables would take minutes, or gigabytes.
MOST_TUPLES = 5_000_000
MOST_ENTRIES = 60_000_000


# Gives the solution, or raises the InputError of `solve_box`.
Solver = Callable[[], "Dynamic"]


class Phase(NamedTuple):
    """The memories that a slot may begin with, so many slots before the next decision on the cache.

    Attributes:
        codes: of each memory, ascending.
        serving: which set of models serves.
        passed: memory of the next slot if nothing is decided, in the next phase.
        told: memory of the next slot for each cache decided, in the next phase.
        serving_told: which set serves in the slot itself, for each cache, where it is decided at once.
    """

    codes: Int[np.ndarray, "memories"]
    serving: Int[np.ndarray, "memories"]
    passed: Int[np.ndarray, "memories"]
    told: Int[np.ndarray, "memories caches"]
    serving_told: Int[np.ndarray, "memories caches"]


class Dynamic(NamedTuple):
    """The solution.

    Attributes:
        caches: all that fit, pinned models included.
        rankings: all that popularity may have, ascending by their code in base M.
        steps: the cheapest way to share the steps.
        phases: memories, by the slots until the next decision.
        later: expected cost of all slots after slot t, by the next memory and the ranking and skew of slot t; one
            for each slot, empty where nothing is decided.
        value: expected least cost of an episode, radio apart.
        exact: whether that is attained; else it is a lower bound, for the size of requests is not fixed, or there
            is a deadline or fairness, which it leaves out.
    """

    caches: Bool[np.ndarray, "caches M"]
    rankings: Int[np.ndarray, "rankings M"]
    steps: Steps
    phases: tuple[Phase, ...]
    later: tuple[Float[np.ndarray, "memories rankings K"], ...]
    value: float
    exact: bool


def solve_box(params: Params, users: int, slots: int) -> Dynamic:
    """Solves a box for one number of users.

    Args:
        params: the scenario.
        users: N.
        slots: T, of an episode.

    Raises:
        InputError: the scenario is no box, is too large, or lets images be returned unimproved.
    """
    box = _small_box(params, users, slots)
    caches = fitting_caches(params)
    assert caches is not None
    sets = np.unique(_bits(_subsets_of(caches)))
    set_of = np.full(2 ** caches.shape[1], -1)
    set_of[sets] = np.arange(len(sets))
    steps = cheapest_steps(params, box, users, _from_bits(sets, caches.shape[1]))
    rankings = _rankings(params, box)
    first, phases = _phases(params, box, caches, set_of)
    later, value = _backwards(params, box, slots, rankings, steps, first, phases)
    # Lateness and the largest delay are left out, so that less than the cost is bounded.
    exact = bool(np.ptp(params.input_bits) == 0) and certified(params) == "exact"
    return Dynamic(caches, rankings, steps, phases, later, value, exact)


def solver(params: Params, users: int, slots: int) -> Solver:
    """How to come by the solution, which takes its time once and only if somebody asks.

    Args:
        params: the scenario.
        users: N.
        slots: T, of an episode.
    """
    return cache(partial(solve_box, params, users, slots))


def regret(
    params: Params, solution: Dynamic, slots: Slot, decision: Decision, beyond_radio: np.ndarray
) -> tuple[Float[np.ndarray, "E T"], Float[np.ndarray, "E T"]]:
    """What the decisions of episodes lost against the best ones in the same state, slot by slot.

    Args:
        params: the scenario.
        solution: of this scenario, number of users and of slots.
        slots: episodes with their memories, leading axes (E, T).
        decision: what was decided.
        beyond_radio: cost of each slot less that of the radio, shape (E, T).

    Returns:
        What was lost by the choice of what to hold, in expectation over what follows; and by who is served with how
        many steps. Without a fixed size of requests, the second is an upper bound.
    """
    held = np.empty(beyond_radio.shape)
    shared = np.empty(beyond_radio.shape)
    for t in range(beyond_radio.shape[1]):
        slot = jax.tree.map(lambda x, t=t: np.asarray(x)[:, t], slots)
        told = _place(np.asarray(_bits(solution.caches)), _bits(np.asarray(decision.cache)[:, t]))
        worth, least, serving = _worth(params, solution, t, slot)
        chosen = serving[np.arange(len(told)), told]
        shared[:, t] = beyond_radio[:, t] - least[np.arange(len(told)), chosen]
        held[:, t] = worth[np.arange(len(told)), told] - worth.min(axis=1)
    # What is left of differences between large numbers is no regret, and no gain.
    noise = 1e-9 * np.abs(beyond_radio).max(initial=0)
    return np.where(held > noise, held, 0.0), np.where(np.abs(shared) > noise, shared, 0.0)


def best_decision(params: Params, solution: Dynamic, t: int, slot: Slot) -> Decision:
    """The optimal decision of a slot, its bandwidth left at equal shares.

    Args:
        params: the scenario.
        solution: of this scenario, number of users and of slots.
        t: number of the slot in its episode.
        slot: what is seen in it, with its memory, in E episodes at once.
    """
    worth, _, serving = _worth(params, solution, t, slot)
    told = worth.argmin(axis=1)
    rank = solution.steps.rank[_count_codes(solution, slot)]
    served = solution.steps.served[serving[np.arange(len(told)), told], rank]
    steps = _hand_out(params, slot, served)
    active = np.asarray(slot.active)
    share = active / np.maximum(active.sum(axis=-1, keepdims=True), 1)
    return Decision(solution.caches[told], share, steps / float(params.S))


def _worth(params: Params, solution: Dynamic, t: int, slot: Slot) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What there is to choose from in slot t.

    Returns:
        Expected cost from slot t on of each cache that may be decided, without what none of them changes, shape (E,
        caches); least cost of the slot for each set that serves (E, sets); the set that serves under each cache
        (E, caches).
    """
    box, memory = params.box, slot.memory
    assert box is not None
    assert memory is not None
    until = int(np.asarray(memory.until).flat[0])
    phase = solution.phases[until]
    s = _place(phase.codes, _memory_codes(box, np.asarray(memory.held), np.asarray(memory.wait)))
    least = solution.steps.least[:, solution.steps.rank[_count_codes(solution, slot)]].T
    if box.every is not None:
        serving = np.repeat(phase.serving[s, None], len(solution.caches), axis=1)
        if until > 0:
            return np.zeros(serving.shape), least, serving
        now = np.zeros(serving.shape)
    else:
        serving = phase.serving_told[s]
        now = np.take_along_axis(least, serving, axis=1)
    ranking = np.zeros(len(s), int)
    if len(solution.rankings) > 1:
        codes = digits_to_code(np.asarray(slot.ranking), len(box.load_s))
        ranking = _place(digits_to_code(solution.rankings, len(box.load_s)), codes)
    skew = np.abs(np.asarray(slot.skew)[:, None] - params.skews).argmin(axis=1)
    after = solution.later[t][phase.told[s], ranking[:, None], skew[:, None]]
    return now + after, least, serving


def _hand_out(params: Params, slot: Slot, served: Int[np.ndarray, "E M"]) -> Float[np.ndarray, "E N"]:
    """Steps of each user: floors to as many of each model as are served, and the rest to whom it helps most."""
    m = params.models
    requests, active = np.asarray(slot.requests), np.asarray(slot.active)
    # Of the users of a model the largest requests, which the backhaul would feel most.
    bits = np.where(active, np.asarray(slot.input_bits), -1.0)
    same = requests[:, :, None] == requests[:, None, :]
    index = np.arange(requests.shape[1])
    ahead = (bits[:, None, :] > bits[:, :, None]) | (
        (bits[:, None, :] == bits[:, :, None]) & (index[None, None] < index[None, :, None])
    )
    turn = (same & ahead & active[:, None, :]).sum(axis=-1)
    here = active & (turn < np.take_along_axis(served, requests, axis=1))
    steps = np.where(here, np.asarray(m.floor_steps)[requests], 0.0)
    left = float(params.S) - steps.sum(axis=1)
    of = pieces(params)
    for piece in useful(of):
        mine, room = here & (requests == of.model(piece)), of.extra[piece]
        more = np.where(mine, np.clip(left[:, None] - turn * room, 0.0, room), 0.0)
        steps += more
        left = left - more.sum(axis=1)
    return steps


# --- What there is to decide ------------------------------------------------------------------------------


def _small_box(params: Params, users: int, slots: int) -> Box:
    box, m = params.box, params.models
    if box is None:
        raise InputError("only a box, whose cache lasts, has an optimum over whole episodes")
    if params.outage is not None:
        raise InputError("the optimum of a box is known where everybody is served; leave radio.outage_gain_db out")
    if params.costs is not None and params.costs.function is not None:
        raise InputError("objective.function is a cost of your own")
    if not bool(box.offload) or not (np.asarray(m.floor_steps) >= np.asarray(m.A1)).all():
        raise InputError(
            "the optimum of a box needs server.offload and a server.quality_floor that no model reaches with fewer "
            "steps than A1, such as {largest_tv: best}"
        )
    of = pieces(params)
    if not of.exact or (of.dead > 0).any():
        raise InputError(
            "the optimum of a box is known where more steps are worth less and less above server.quality_floor; a "
            "curve of this one falls steeper again"
        )
    if users < 1 or slots < 1:
        raise InputError(f"an episode of {slots} slots of {users} users; it takes at least one of each")
    models = len(box.load_s)
    rankings = len(_rankings(params, box)) if models <= 7 or box.rank_drift == 0 else MOST_ENTRIES
    if models > 12 or (users + 1) ** models > MOST_TUPLES or rankings * len(params.skews) > MOST_ENTRIES:
        raise InputError(
            f"{models} models and {users} users are too many for the exact optimum of a box"
            + (" whose popularity drifts" if box.rank_drift > 0 else "")
        )
    if (int(np.max(box.load_slots)) + 2) ** models >= 2**62:
        raise InputError("a load of this box takes too many slots for its exact optimum")
    return box


def _subsets_of(caches: Bool[np.ndarray, "caches M"]) -> Bool[np.ndarray, "sets M"]:
    """All sets of models of which some are loaded while the others load."""
    every = _from_bits(np.arange(2 ** caches.shape[1]), caches.shape[1])
    within = (~every[:, None] | caches[None]).all(axis=-1).any(axis=1)
    return np.asarray(every[within])


def _rankings(params: Params, box: Box) -> Int[np.ndarray, "rankings M"]:
    models = len(params.models.A1)
    if float(box.rank_drift) == 0 or models == 1:
        return np.arange(models)[None]
    return np.array(list(permutations(range(models))))


def _bits(sets: Bool[np.ndarray, "*batch M"]) -> Int[np.ndarray, "*batch"]:
    return np.asarray(sets @ (1 << np.arange(sets.shape[-1])))


def _from_bits(bits: Int[np.ndarray, "sets"], models: int) -> Bool[np.ndarray, "sets M"]:
    return np.asarray((bits[:, None] >> np.arange(models)) & 1, bool)


def _memory_codes(
    box: Box, held: Bool[np.ndarray, "*batch M"], wait: Int[np.ndarray, "*batch M"]
) -> Int[np.ndarray, "*batch"]:
    return digits_to_code(np.where(held, 1 + wait, 0).astype(np.int64), int(np.max(box.load_slots)) + 2)


def _count_codes(solution: Dynamic, slot: Slot) -> Int[np.ndarray, "E"]:
    """Code of how many users ask for each model."""
    counts, models = solution.steps.counts, solution.steps.counts.shape[1]
    asked = np.asarray(slot.requests)[..., None] == np.arange(models)
    found = (asked & np.asarray(slot.active)[..., None]).sum(axis=1)
    return digits_to_code(found, int(counts.max()) + 1)


def _place(among: Int[np.ndarray, "n"], wanted: Int[np.ndarray, "*batch"]) -> Int[np.ndarray, "*batch"]:
    """Where values stand among ascending ones."""
    at = np.searchsorted(among, wanted)
    if (at >= len(among)).any() or (among[at] != wanted).any():
        raise ValueError("a memory, a cache or a ranking that cannot be")
    return np.asarray(at)


# --- From slot to slot ------------------------------------------------------------------------------------


def _phases(
    params: Params, box: Box, caches: Bool[np.ndarray, "caches M"], set_of: Int[np.ndarray, "bits"]
) -> tuple[int, tuple[Phase, ...]]:
    """Place of the first memory in its phase, and all phases with the memories that can come about."""
    load = np.asarray(box.load_slots)
    start = first_memory(params)
    phases = 1 if box.every is None else int(box.every)
    first = np.where(np.asarray(start.held), 1 + np.asarray(start.wait), 0)
    found: list[dict[int, np.ndarray]] = [{} for _ in range(phases)]
    todo = [(int(start.until), first)]

    def code(digits: np.ndarray) -> int:
        return int(_memory_codes(box, digits > 0, digits - 1))

    def passed(digits: np.ndarray) -> np.ndarray:
        return np.where(digits > 1, digits - 1, digits)

    def told(digits: np.ndarray) -> np.ndarray:
        """For every cache: what is held already goes on, the rest begins to load."""
        return np.asarray(np.where(caches, np.where(digits > 0, digits, 1 + load), 0))

    def following(until: int, digits: np.ndarray) -> np.ndarray:
        if until > 0:
            return passed(digits)[None]
        return passed(told(digits)) if box.every is None else told(passed(digits))

    while todo:
        until, digits = todo.pop()
        if code(digits) in found[until]:
            continue
        found[until][code(digits)] = digits
        if sum(map(len, found)) * len(caches) > MOST_TUPLES:
            raise InputError("this box has too many states of its memory for the exact optimum")
        todo += [((until or phases) - 1, row) for row in following(until, digits)]

    def describe(until: int) -> Phase:
        codes = np.array(sorted(found[until]))
        after = np.array(sorted(found[(until or phases) - 1]))
        memories = np.stack([found[until][c] for c in codes])
        rows = [_memory_codes(box, f > 0, f - 1) for f in (following(until, digits) for digits in memories)]
        places = _place(after, np.stack(rows))
        at_once = np.stack([set_of[_bits(told(digits) == 1)] for digits in memories])
        return Phase(
            codes=codes,
            serving=set_of[_bits(memories == 1)],
            passed=places[:, 0] if until > 0 else np.zeros(0, int),
            told=places if until == 0 else np.zeros((0, 0), int),
            serving_told=at_once,
        )

    described = tuple(describe(until) for until in range(phases))
    return int(_place(described[-1 if box.every is not None else 0].codes, np.array(code(first)))), described


def _backwards(
    params: Params,
    box: Box,
    slots: int,
    rankings: Int[np.ndarray, "rankings M"],
    steps: Steps,
    first: int,
    phases: tuple[Phase, ...],
) -> tuple[tuple[np.ndarray, ...], float]:
    """What is to come after each slot, and the expected least cost of an episode, radio apart."""
    models, skews = rankings.shape[1], len(params.skews)
    memories = max(len(phase.codes) for phase in phases)
    decided = slots if box.every is None else slots // len(phases) + 1
    if memories * len(rankings) * skews * decided > MOST_ENTRIES:
        raise InputError(
            f"a box with {memories} states of its memory and {len(rankings)} rankings is too large "
            "for the exact optimum"
        )
    popular = np.zeros((len(rankings), skews, models))
    with jax.enable_x64(True):
        by_rank = np.asarray(zipf(np.asarray(params.skews, np.float64), models))
    np.put_along_axis(popular, np.broadcast_to(rankings[:, None], popular.shape), by_rank[None], axis=2)
    chance = _multinomial(popular.reshape(-1, models), steps.counts)
    swapped = _neighbours(rankings)

    def expected(value: np.ndarray) -> np.ndarray:
        drift = float(box.rank_drift)
        if len(rankings) > 1:
            moved = sum(value[:, row] for row in swapped) / len(swapped)
            value = (1 - drift) * value + drift * moved
        return value @ np.asarray(params.transition).T

    mean = (steps.least @ chance.T).reshape(-1, len(rankings), skews)
    untils = [(len(phases) - 1 - t) % len(phases) for t in range(slots)]
    value = np.zeros((len(phases[(untils[-1] or len(phases)) - 1].codes), len(rankings), skews))
    later: list[np.ndarray] = [np.zeros(0)] * slots
    for t in reversed(range(slots)):
        phase, after = phases[untils[t]], expected(value)
        if box.every is None:
            later[t] = after
            value = np.stack(
                [
                    _at_once(steps.least[sets], after[told].reshape(len(told), -1), chance).reshape(mean.shape[1:])
                    for told, sets in zip(phase.told, phase.serving_told, strict=True)
                ]
            )
        elif untils[t] == 0:
            later[t] = after
            best = np.stack([after[told].min(axis=0) for told in phase.told])
            value = mean[phase.serving] + best
        else:
            value = mean[phase.serving] + after[phase.passed]
    in_order = int(np.flatnonzero((rankings == np.arange(models)).all(axis=1))[0])
    return tuple(later), float(value[first, in_order] @ params.first_skew)


def _at_once(least: np.ndarray, after: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Expected cost where the cache is decided when the requests are known: the least for each way they may fall.

    Args:
        least: of the slot, shape (caches, R).
        after: of what follows, shape (caches, states).
        chance: of each way, shape (states, R).
    """
    return np.array(
        [chance[state] @ (least + after[:, state, None]).min(axis=0) for state in range(after.shape[1])]
    )


def _neighbours(rankings: Int[np.ndarray, "rankings M"]) -> list[np.ndarray]:
    """For each pair of neighbours in rank, what every ranking becomes when they change places."""
    models = rankings.shape[1]
    codes = digits_to_code(rankings, models)
    moved = []
    for pair in range(models - 1):
        other = rankings.copy()
        other[:, [pair, pair + 1]] = rankings[:, [pair + 1, pair]]
        moved.append(_place(codes, digits_to_code(other, models)) if len(rankings) > 1 else np.zeros(1, int))
    return moved


def _multinomial(popular: Float[np.ndarray, "states M"], counts: Int[np.ndarray, "R M"]) -> np.ndarray:
    """Probability of each way that the requests may fall, shape (states, R)."""
    ways = np.array([_arrangements(row) for row in counts.tolist()])
    return np.asarray(ways * np.exp(np.log(popular) @ counts.T))


def _arrangements(counts: list[int]) -> int:
    left, ways = sum(counts), 1
    for count in counts:
        ways *= comb(left, count)
        left -= count
    return ways

"""The best decision that is the same for all slots: one cache, and steps for each user by place."""

from collections.abc import Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float

from genedge.cell.feasible import TOLERANCE, equal_shares, fill_cache, fit_steps, floor_of_hits
from genedge.cell.generation import image_cost, image_cost_in_cloud
from genedge.cell.radio import backhaul_delay
from genedge.cell.service import serve, total_utility
from genedge.cell.types import AnyArray, Decision, Params, Slot, models_in_float64
from genedge.optimum.caches import best_knapsack
from genedge.optimum.certificate import certified
from genedge.precision import in_single

# Steps are shared in so many parts.
PARTS = 400


class Fixed(NamedTuple):
    """A decision without a slot; the bandwidth is shared equally.

    Attributes:
        cache: ρ.
        steps: of each user, by place [steps].
    """

    cache: Bool[np.ndarray, "M"]
    steps: Float[np.ndarray, "N"]


class Asked(NamedTuple):
    """What users ask for in a slot, and what that costs, on average; users in an outage ask for nothing.

    Attributes:
        requests: of each user for each model; where users are in an outage, others move up.
        cloud: what those for a model cost in the cloud.
        steps: numbers of steps, ascending: parts of S, and where a user's cost may be least.
        here: what a request for each model costs with each of these, up to what no step and no cache changes.
    """

    requests: Float[np.ndarray, "N M"]
    cloud: Float[np.ndarray, "M"]
    steps: Float[np.ndarray, "L"]
    here: Float[np.ndarray, "L M"]

    def costs(self, steps: Float[np.ndarray, "N"]) -> Float[np.ndarray, "N M"]:
        """What a request of each user for each model costs with these steps, which are among those known."""
        return self.here[np.searchsorted(self.steps, steps)]


def best_fixed(params: Params, slots: Slot) -> Fixed:
    """The decision that costs least on given slots, Eq. (15), of those that are the same for all of them.

    To given steps the best cache is a knapsack over what each model saves, solved exactly. To a given cache the
    best steps are found in parts of S, for users who cannot be told apart. Both are done in turn, from many ways to
    share the steps, and from the best cache with one model changed, until no new cache comes out: there is no
    better cache for these steps, and no better steps for this cache. For such users equal bandwidth is best: a
    user's delay is a convex function of its share.

    With a deadline, fairness, waits or a cost of one's own, what a request costs is measured where all users get as
    many steps. Should it hang on what others get, that is only where to begin: the best of all these is kept, one
    model changed or its steps exchanged for others of these as long as that helps.

    Args:
        params: the scenario.
        slots: K slots, leading axis K.

    Returns:
        The decision.
    """
    asked = _asked(params, slots)
    found: list[tuple[float, Fixed]] = []
    known: set[bytes] = set()
    shared = allotments(params, slots.requests.shape[-1])
    while shared:
        for steps in shared:
            worth = _worth(params, asked, steps)
            chosen, saved = best_knapsack(worth, np.asarray(params.models.storage_gb), _room(params))
            found.append((saved, Fixed(chosen, steps)))
        best = max(found, key=lambda each: each[0])[1]
        new = _new([each.cache for _, each in found], known) or _new(_one_changed(params, best), known)
        shared = [_best_steps(params, asked, chosen) for chosen in new]
    return best if certified(params) == "exact" else _searched(params, slots, [each for _, each in found])


def _new(caches: Iterable[Bool[np.ndarray, "M"]], known: set[bytes]) -> list[Bool[np.ndarray, "M"]]:
    """Those that are not yet known, which they are then."""
    new = {chosen.tobytes(): chosen for chosen in caches if chosen.tobytes() not in known}
    known.update(new)
    return list(new.values())


def allotments(params: Params, users: int) -> list[Float[np.ndarray, "N"]]:
    """Ways to share the steps to begin with: some users get as many as one model needs, A3 or its floor, all others
    as many as another, or none.

    Args:
        params: the scenario.
        users: N, number of users.

    Returns:
        Steps of each user, in each way [steps].
    """
    S = float(params.S)
    levels = _levels(params)
    found = []
    for low in levels[users * levels <= S * (1 + TOLERANCE / 2)]:
        found.append(np.full(users, low))
        for high in levels[levels > low]:
            some = np.full(users, low)
            some[: int((S - users * low) / (high - low))] = high
            found.append(some)
    return list(np.unique(np.asarray(found), axis=0))


def _levels(params: Params) -> Float[np.ndarray, "L"]:
    """Where the cost of a user bends upwards over its steps, so that all but one are best there; and floors."""
    ends = np.concatenate([np.asarray(params.models.A3), np.asarray(params.models.floor_steps), [0]])
    if params.models.curve is not None:
        ends = np.append(ends, np.ravel(params.models.curve.steps))
    return np.unique(ends[ends <= params.S].astype(np.float64))


def _one_changed(params: Params, fixed: Fixed) -> list[Bool[np.ndarray, "M"]]:
    """The caches that hold one model more or less, and fit."""
    caches = fixed.cache ^ np.eye(len(fixed.cache), dtype=bool)
    return list(caches[caches @ np.asarray(params.models.storage_gb) <= _room(params)])


def _parts(params: Params) -> Float[np.ndarray, "L"]:
    return np.linspace(0.0, float(params.S), PARTS + 1)


def _room(params: Params) -> float:
    # Half the tolerance, as where caches are filled.
    return float(params.C) * (1 + TOLERANCE / 2)


def _asked(params: Params, slots: Slot) -> Asked:
    models, requests, active = (
        models_in_float64(params.models),
        np.asarray(slots.requests),
        np.asarray(slots.active),
    )
    M, (K, N) = len(models.A1), active.shape
    rank = active.cumsum(axis=1) - 1
    counts = np.bincount((rank * M + requests)[active], minlength=N * M).reshape(N, M) / K
    steps = np.unique(np.append(_parts(params), _levels(params)))
    if certified(params) != "exact":
        times = np.maximum(counts.sum(axis=0), 1e-9)
        cloud, *here = np.asarray(_measured(*in_single((params, slots, np.append(-1.0, steps)))), np.float64)
        return Asked(counts, cloud, steps, np.array(here) / times)
    backhaul_s = backhaul_delay(params, np.asarray(slots.input_bits, np.float64), models.output_bits[requests])
    cost = image_cost_in_cloud(params, models)[requests] + params.delay_weight * np.asarray(backhaul_s)
    cloud = np.bincount(requests[active], cost[active], minlength=M) / K
    return Asked(counts, cloud, steps, np.asarray(image_cost(params, models, np.repeat(steps[:, None], M, axis=1))))


@jax.jit
def _measured(params: Params, slots: Slot, steps: Float[AnyArray, "L"]) -> Float[Array, "L M"]:
    """What the requests for each model cost in a slot if all users get so many steps; below 0, in the cloud."""
    shape = (*slots.requests.shape[:-1], params.models.A1.shape[0])

    def of_all(steps: Array) -> Array:
        shares = jnp.where(slots.active, jnp.maximum(steps, 0) / params.S, 0.0)
        utility = serve(params, slots, Decision(jnp.full(shape, steps >= 0), equal_shares(slots), shares)).utility
        own = jnp.where(slots.active, utility, 0.0)
        return jnp.zeros(shape[-1]).at[slots.requests].add(own) / shape[0]

    return jax.lax.map(of_all, jnp.asarray(steps))


def _worth(params: Params, asked: Asked, steps: Float[np.ndarray, "N"]) -> Float[np.ndarray, "M"]:
    """What each model saves over the cloud if users get so many steps; nothing if that is below its floor."""
    here = (asked.requests * asked.costs(steps)).sum(axis=0)
    return np.where(np.asarray(params.models.floor_steps) <= steps.min(), asked.cloud - here, 0.0)


def _best_steps(params: Params, asked: Asked, chosen: Bool[np.ndarray, "M"]) -> Float[np.ndarray, "N"]:
    """The steps to a cache, in whole parts of S.

    What a model needs lies between two parts. The lower one is tried first, as sums that are S to a hair must fit;
    where they come to more than S, the upper one counts.
    """
    S, levels, parts = float(params.S), _levels(params), _parts(params)
    for reach in (parts[1] * (1 - 1e-9), 0.0):
        below = levels[np.searchsorted(levels, parts + reach, side="right") - 1]
        steps = _shared_best(params, asked, chosen, np.where(parts + reach - below < parts[1], below, parts))
        if steps.sum() <= S * (1 + TOLERANCE / 2):
            break
    return steps


def _shared_best(
    params: Params, asked: Asked, chosen: Bool[np.ndarray, "M"], steps: Float[np.ndarray, "parts"]
) -> Float[np.ndarray, "N"]:
    """User after user, by dynamic programming over the parts that are left; `steps` is what so many parts give."""
    popularity = asked.requests.sum(axis=0) * chosen / max(asked.requests.sum(), 1e-9)
    of_steps = asked.costs(steps) @ popularity
    too_few = steps < np.where(chosen, params.models.floor_steps, 0.0).max()
    best, taken = np.zeros(PARTS + 1), []
    for share in asked.requests.sum(axis=1):
        # To take t of c parts leaves c − t to the users before.
        before = np.lib.stride_tricks.sliding_window_view(np.append(np.full(PARTS, np.inf), best), PARTS + 1)
        costs = before[:, ::-1] + np.where(too_few, np.inf, share * of_steps)
        taken.append(costs.argmin(axis=1))
        best = costs.min(axis=1)
    left, found = PARTS, []
    for of_user in reversed(taken):
        found.append(int(of_user[left]))
        left -= found[-1]
    return np.sort(steps[found])[::-1]


def _searched(params: Params, slots: Slot, found: list[Fixed]) -> Fixed:
    """The best of several decisions, one model changed or the steps exchanged as long as that helps."""
    shared = np.unique(np.asarray([each.steps for each in found]), axis=0)
    floor = np.asarray(params.models.floor_steps)
    # Nothing cached too: the cost may be one that no model lowers.
    nearby = [*found, Fixed(np.zeros(len(floor), bool), shared[0])]
    least, best = np.inf, nearby[-1]
    while True:
        costs = [float(_cost(params, slots, each)) for each in nearby]
        if not min(costs) < least:
            return best
        least = min(costs)
        best = nearby[costs.index(least)]
        changed = [best._replace(cache=chosen) for chosen in _one_changed(params, best)]
        exchanged = [best._replace(steps=steps) for steps in shared]
        nearby = [each for each in (*changed, *exchanged) if (floor[each.cache] <= each.steps.min()).all()]


@jax.jit
def _cost(params: Params, slots: Slot, fixed: Fixed) -> Float[Array, ""]:
    return total_utility(params, slots, decide_fixed(params, slots, fixed)).mean()


@jax.jit
def decide_fixed(params: Params, slots: Slot, fixed: Fixed) -> Decision:
    """The decision in each slot: for the users that there are, in the order of their places.

    Args:
        params: the scenario; in another than it was chosen for, with less room, what fits of it is cached.
        slots: leading axes *batch.
        fixed: the decision.
    """
    rank = jnp.cumsum(slots.active, axis=-1) - 1
    steps = jnp.where(slots.active, jnp.asarray(fixed.steps)[jnp.maximum(rank, 0)], 0.0)
    priority = jnp.where(jnp.asarray(fixed.cache), 1.0, 0.0)
    cache = fill_cache(params, slots, jnp.broadcast_to(priority, (*rank.shape[:-1], len(fixed.cache))))
    return Decision(cache, equal_shares(slots), fit_steps(params, floor_of_hits(params, slots, cache), steps))

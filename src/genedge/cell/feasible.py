"""Decisions that keep the constraints (11a) to (11f) and the quality floor: how to build and check them."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float

from genedge.cell.memory import serving
from genedge.cell.types import AnyArray, Decision, Memory, Params, Slot, of_requests

# Constraints are kept to this relative accuracy: float32 decisions pass, real violations do not.
TOLERANCE = 1e-6

# The subsets of so many models can be listed.
MOST_LISTED = 14

# Shares are a softmax of TEMPERATURE times values in [−1, 1]: nobody gets more than e⁴ = 55 times another's.
TEMPERATURE = 2.0


def fill_cache(params: Params, slot: Slot, priority: Float[AnyArray, "*batch M"]) -> Bool[Array, "*batch M"]:
    """Caches models in the order of their priority, each that still fits; keeps (11d) and the floor.

    A model fits if its storage does and, under a quality floor, if the steps that its requests are owed do, unless
    they may go to the cloud. A box's pinned models come first.

    Args:
        params: the scenario.
        slot: the slot, leading axes *batch.
        priority: higher comes first; models of priority 0 or less stay out.

    Returns:
        ρ, True where the model is cached.
    """
    owed_of = owed_steps(params, slot)
    if params.box is not None:
        priority = jnp.where(jnp.asarray(params.box.pinned), jnp.inf, priority)
        owed_of = jnp.where(jnp.asarray(params.box.offload), 0.0, owed_of)
    return _fill(params, jnp.asarray(priority), jnp.asarray(owed_of))


def _fill(params: Params, of_models: Array, owed_steps: Array) -> Array:
    """Caches models by descending priority, each whose storage and owed steps still fit."""
    # Models first and slots last: XLA's loops then run over many slots, not over a few models.
    priority, owed = (jnp.moveaxis(x, -1, 0) for x in (of_models, owed_steps))
    by_model = (priority.shape[0], *(1 for _ in priority.shape[1:]))
    storage = jnp.asarray(params.models.storage_gb).reshape(by_model)
    index = jnp.arange(priority.shape[0]).reshape(by_model)
    # Of models alike in priority, the first one goes first.
    before = (priority[:, None] > priority) | ((priority[:, None] == priority) & (index[:, None] < index))
    rank = before.sum(axis=0)

    def try_next(k: Array, carry: tuple[Array, ...]) -> tuple[Array, ...]:
        cache, storage_left, steps_left = carry
        this = (rank == k) & (priority > 0)
        taken_gb = jnp.where(this, storage, 0).sum(axis=0)
        taken_steps = jnp.where(this, owed, 0).sum(axis=0)
        fits = (taken_gb <= storage_left) & (taken_steps <= steps_left)
        return (
            cache | (this & fits),
            storage_left - jnp.where(fits, taken_gb, 0),
            steps_left - jnp.where(fits, taken_steps, 0),
        )

    # Half the tolerance, so that storages that add up to C exactly are not lost to rounding.
    slack = 1 + TOLERANCE / 2
    everything = jnp.ones(priority.shape[1:])
    start = jnp.zeros(priority.shape, bool), everything * params.C * slack, everything * params.S * slack
    cache: Array = jax.lax.fori_loop(0, priority.shape[0], try_next, start)[0]
    return jnp.moveaxis(cache, 0, -1)


def owed_steps(params: Params, slot: Slot) -> Float[Array, "*batch M"]:
    """Steps that the quality floor owes to the requests of each model, were it cached.

    Args:
        params: the scenario.
        slot: the slot, leading axes *batch.
    """
    floor = jnp.asarray(params.models.floor_steps)
    one_hot = jnp.asarray(slot.requests)[..., None] == jnp.arange(floor.shape[0])
    requests = jnp.sum(one_hot & jnp.asarray(slot.active)[..., None], axis=-2)
    return jnp.where(requests > 0, requests.astype(floor.dtype) * floor, 0.0)


def floor_of_hits(params: Params, slot: Slot, cache: Bool[AnyArray, "*batch M"]) -> Float[Array, "*batch N"]:
    """Least steps that each user must get: the floor of its model on a hit, else 0.

    Args:
        params: the scenario.
        slot: the slot, leading axes *batch.
        cache: models that serve.
    """
    hit = jnp.take_along_axis(jnp.asarray(cache), jnp.asarray(slot.requests), axis=-1) & slot.active
    return jnp.where(hit, jnp.asarray(params.models.floor_steps)[slot.requests], 0.0)


def fit_steps(
    params: Params, floor: Float[AnyArray, "*batch N"], wanted: Float[AnyArray, "*batch N"]
) -> Float[Array, "*batch N"]:
    """Shares of the steps, Eq. (11c) and (11f), from steps that users want.

    Everybody gets the floor first; what is wanted above it is scaled down alike if it exceeds what is left.

    Args:
        params: the scenario.
        floor: least steps of each user; together at most S.
        wanted: steps wanted, 0 or more.

    Returns:
        ξ, summing to at most 1.
    """
    above = jnp.maximum(jnp.asarray(wanted) - floor, 0)
    spare = params.S - jnp.sum(jnp.asarray(floor), axis=-1, keepdims=True)
    scale = jnp.minimum(1, jnp.maximum(spare, 0) / jnp.maximum(above.sum(axis=-1, keepdims=True), 1e-9))
    return jnp.asarray((floor + scale * above) / params.S)


def equal_shares(slot: Slot) -> Float[Array, "*batch N"]:
    """One share for every active user, 1 over their number; 0 at inactive places.

    Args:
        slot: the slot, leading axes *batch.
    """
    active = jnp.asarray(slot.active).astype(float)
    return active / jnp.maximum(active.sum(axis=-1, keepdims=True), 1)


def action_size(models: int, places: int) -> int:
    """Length of the flat action that `decode` reads: M + 2 N.

    Args:
        models: M, number of models.
        places: N, number of places.
    """
    return models + 2 * places


def decode(params: Params, slot: Slot, action: Float[AnyArray, "*batch A"]) -> Decision:
    """A flat action in [−1, 1] as a decision that is always feasible, Eq. (17).

    The action is, in this order:

    - M priorities: models are cached by descending priority, each that still fits; those at 0 or below
      stay out.
    - N bandwidth values: b is a softmax of twice the values over the active users: every share is positive.
    - N step values x: a user whose model is cached wants (1 + x)/2 · A3 steps (more improve nothing); all are
      scaled down alike where they exceed S. The quality floor comes first.

    In a box only models that are loaded serve; the priorities may be for later slots, see `Decision`. Where
    requests may go to the cloud, those of x at 0 or below do, and those of the least x that the floor leaves no
    steps for.

    Args:
        params: the scenario.
        slot: the slot, leading axes *batch.
        action: values in [−1, 1], length `action_size(M, N)`.

    Returns:
        The decision; inactive places hold no share.
    """
    action = jnp.asarray(action)
    models, places = params.models.A1.shape[0], slot.requests.shape[-1]
    priority, bandwidth, steps = jnp.split(action, [models, models + places], axis=-1)

    cache = fill_cache(params, slot, priority)
    active = jnp.asarray(slot.active)
    weight = jnp.where(active, jnp.exp(TEMPERATURE * bandwidth), 0.0)
    share = weight / jnp.maximum(weight.sum(axis=-1, keepdims=True), 1e-9)
    served = serving(params, slot, cache)
    hit = jnp.take_along_axis(served, jnp.asarray(slot.requests), axis=-1) & active
    floor = floor_of_hits(params, slot, served)
    if params.box is not None:
        admitted = admit(params, floor, jnp.where(hit, steps, -1.0)) | ~jnp.asarray(params.box.offload)
        hit, floor = hit & admitted, jnp.where(admitted, floor, 0.0)
    wanted = jnp.where(hit, (1 + steps) / 2 * of_requests(params.models, slot.requests).A3, 0.0)
    return Decision(cache, share, fit_steps(params, floor, wanted))


def admit(
    params: Params, floor: Float[AnyArray, "*batch N"], priority: Float[AnyArray, "*batch N"]
) -> Bool[Array, "*batch N"]:
    """Who is served of those whose models are there, by descending priority: all that the floor leaves steps for.

    Args:
        params: the scenario.
        floor: least steps of each; infinite where the floor is out of reach.
        priority: higher comes first; requests of priority 0 or less go to the cloud.
    """
    priority = jnp.asarray(priority)
    floor = jnp.where(priority > 0, jnp.asarray(floor), 0.0)
    order = jnp.argsort(-priority, axis=-1)
    by_rank = jnp.moveaxis(jnp.take_along_axis(floor, order, axis=-1), -1, 0)

    def next_one(left: Array, owed: Array) -> tuple[Array, Array]:
        fits = owed <= left
        return left - jnp.where(fits, owed, 0.0), fits

    # Half the tolerance, so that floors that add up to S exactly are not lost to rounding.
    everything = jnp.broadcast_to(jnp.asarray(params.S * (1 + TOLERANCE / 2), floor.dtype), floor.shape[:-1])
    fits = jnp.moveaxis(jax.lax.scan(next_one, everything, by_rank)[1], 0, -1)
    return jnp.take_along_axis(fits, jnp.argsort(order, axis=-1), axis=-1) & (priority > 0)


def fitting_caches(params: Params) -> Bool[np.ndarray, "caches M"] | None:
    """All caches that fit and hold what is pinned, by their bits; None for more models than can be listed.

    Args:
        params: the scenario, of a box.
    """
    assert params.box is not None
    storage, pinned = np.asarray(params.models.storage_gb), np.asarray(params.box.pinned)
    if len(storage) > MOST_LISTED:
        return None
    every = np.asarray((np.arange(2 ** len(storage))[:, None] >> np.arange(len(storage))) & 1, bool)
    # As accurate as `breaches` is.
    fits = _over((every * storage).sum(axis=1), float(params.C)) < 0
    return np.asarray(every[fits & every[:, pinned].all(axis=1)])


def first_memory(params: Params) -> Memory:
    """A box's memory when an episode begins: its pinned models, then by number all that fit, loaded.

    Args:
        params: the scenario, of a box.
    """
    box = params.box
    assert box is not None
    models = params.models.A1.shape[0]
    by_number = jnp.where(jnp.asarray(box.pinned), jnp.inf, jnp.arange(models, 0.0, -1.0))
    held = _fill(params, by_number, jnp.zeros(models))
    until = jnp.int32(0) if box.every is None else jnp.asarray(box.every, jnp.int32) - 1
    return Memory(held, jnp.zeros(models, jnp.int32), until)


def in_float64(decision: Decision) -> Decision:
    """The decision in float64 NumPy, its shares scaled back where they round to more than 1 in total.

    Only rounding is mended: shares that exceed 1 by more than the tolerance stay as they are, to be found out.

    Args:
        decision: a decision, leading axes *batch, as a policy computed it.
    """

    def at_most_one(shares: AnyArray) -> np.ndarray:
        exact = np.asarray(shares, np.float64)
        # A limit below 1 leaves room for the rounding of whoever adds the shares up in another order.
        limit = 1 - 1e-15 * exact.shape[-1]
        total = exact.sum(axis=-1, keepdims=True)
        rounded = (total > limit) & (total <= 1 + TOLERANCE)
        return np.where(rounded, exact * limit / np.where(rounded, total, 1), exact)

    return Decision(np.asarray(decision.cache, bool), at_most_one(decision.bandwidth), at_most_one(decision.steps))


@dataclass(frozen=True)
class Breach:
    """A constraint that a decision breaks; its text says where in a batch of slots, or in one of episodes.

    Attributes:
        constraint: its name, with the paper's number.
        index: the batch index of the first slot that breaks it.
        excess: by how much, in the constraint's own unit.
        where: index of the user, or None if it is about the whole slot.
    """

    constraint: str
    index: tuple[int, ...]
    excess: float
    where: int | None

    def __str__(self) -> str:
        slot = ", ".join(map(str, self.index))
        if len(self.index) == 2:
            slot = f"{self.index[1]} of episode {self.index[0]}"
        user = f", user {self.where}" if self.where is not None else ""
        return f"{self.constraint}, broken by {abs(self.excess):.6g} in slot {slot}{user}"


def breaches(params: Params, slot: Slot, decision: Decision) -> list[Breach]:
    """Checks decisions against (11b) to (11f), the active mask, the quality floor and pinned models, in NumPy.

    Sums are accepted up to a relative tolerance of 1e-6.

    Args:
        params: the scenario.
        slot: the slots, leading axes *batch.
        decision: a decision for each.

    Returns:
        The first breach of each constraint; empty if all is well.
    """
    active = np.asarray(slot.active)
    cache = np.asarray(decision.cache, np.float64)
    served = np.asarray(serving(params, slot, np.asarray(decision.cache, bool)))
    bandwidth = np.asarray(decision.bandwidth, np.float64)
    steps = np.asarray(decision.steps, np.float64)
    S, C = float(params.S), float(params.C)
    hit = np.take_along_axis(served, np.asarray(slot.requests), axis=-1) & active
    pinned = np.zeros(cache.shape[-1], bool)
    if params.box is not None:
        hit &= (steps > 0) | ~np.asarray(params.box.offload)
        pinned = np.asarray(params.box.pinned)
    floor = np.where(hit, np.asarray(params.models.floor_steps, np.float64)[slot.requests], 0.0)

    per_user = {
        "(11b) every bandwidth share is a number from 0 to 1": _outside_unit(bandwidth),
        "(11c) every share of the steps is a number from 0 to 1": _outside_unit(steps),
        "an active user's bandwidth share is above 0": np.where(active & (bandwidth <= 0), -bandwidth, -1.0),
        "an inactive user's bandwidth share is 0": np.where(active, -1.0, _above_zero(bandwidth)),
        "an inactive user's share of the steps is 0": np.where(active, -1.0, _above_zero(steps)),
        "quality floor: steps of a served request [steps]": _below(steps * S, floor),
    }
    per_slot = {
        "(11d) storage of the cached models is at most C [GB]": _over(
            (cache * params.models.storage_gb).sum(-1), C
        ),
        "a pinned model stays in memory": np.where((cache > 0)[..., pinned].all(-1), -1.0, 1.0),
        "(11e) bandwidth shares sum to at most 1": _over(bandwidth.sum(-1), 1.0),
        "(11f) shares of the steps sum to at most 1": _over(steps.sum(-1), 1.0),
    }
    found = []
    for name, excess in (per_user | per_slot).items():
        good = excess < 0  # Which NaN is not.
        if not good.all():
            first = tuple(int(i) for i in np.argwhere(~good)[0])
            user = first[-1] if name in per_user else None
            index = first[:-1] if name in per_user else first
            found.append(Breach(name, index, float(excess[first]), user))
    return found


# Each of these is negative where the constraint holds, and the size of the violation (or NaN) where not.
def _outside_unit(share: np.ndarray) -> np.ndarray:
    outside = np.maximum(-share, share - 1)
    tolerated = np.where(share > 0, TOLERANCE, 0.0)
    return np.where(outside <= tolerated, -1.0, outside)


def _above_zero(share: np.ndarray) -> np.ndarray:
    return np.where(share == 0, -1.0, np.abs(share))


def _over(total: np.ndarray | np.floating, limit: float) -> np.ndarray:
    return np.where(total <= limit * (1 + TOLERANCE), -1.0, total - limit)


def _below(value: np.ndarray, least: np.ndarray) -> np.ndarray:
    return np.where((least == 0) | (value >= least * (1 - TOLERANCE)), -1.0, least - value)

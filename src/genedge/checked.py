"""The cell's public functions, and a look at the shapes that people give: an error names the argument.

Inside the package nobody pays for it. Shapes are known while a function is traced, so these work under `jax.jit`,
`jax.vmap` and `jax.grad` too.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from genedge.cell import sampling, service
from genedge.cell.types import Decision, Outcome, Params, Slot
from genedge.compiled import require_device
from genedge.errors import InputError


def sample_episode(params: Params, key: Array, users: int, places: int, slots: int) -> Slot:
    """Draws the slots of one episode: a Markov chain of the skew, everything else fresh in every slot.

    Args:
        params: the scenario, `scenario.params`.
        key: a JAX random key, such as `jax.random.key(0)`; the same key draws the same slots.
        users: number of users, at most `places`; they take the first places. With more users, the first ones'
            draws stay as they were.
        places: N, number of places.
        slots: T, number of slots.

    Returns:
        The slots, in SI units: `skew` (T,); `requests`, `input_bits` [bit], `gain` (linear) and `active` (T, N);
        `position_m` [m] (T, N, 2). Those of a box also have `ranking` (T, M); their memories follow from decisions.

    Raises:
        InputError: an argument has another type or shape, or there are more users than places.
    """
    check_params(params)
    if not _is_key(key):
        raise InputError(f"key must be a JAX random key, such as jax.random.key(0), not {_what(key)}")
    for name, value in (("users", users), ("places", places), ("slots", slots)):
        if not isinstance(value, int | np.integer) or value < 1:
            raise InputError(f"{name} must be a whole number from 1, not {value!r}")
    if users > places:
        raise InputError(f"users is {users}, more than the {places} places")
    drawn: Slot = sampling.sample_episode(params, key, users, places, slots)
    return drawn


def serve(params: Params, slot: Slot, decision: Decision) -> Outcome:
    """Delays, quality and utility of every user, Eq. (4), (6), (10) to (14), in JAX's precision.

    Args:
        params: the scenario, `scenario.params`.
        slot: slots, leading axes *batch: `skew` (*batch); `requests`, `input_bits` [bit], `gain`, `active`
            (*batch, N); `position_m` [m] (*batch, N, 2); of a box also `ranking` (*batch, M) and `memory`.
        decision: a decision for each: `cache`, booleans (*batch, M); `bandwidth` and `steps`, shares from 0 to 1,
            (*batch, N). An active user's bandwidth must be positive.

    Returns:
        The outcome, every field (*batch, N), times in seconds; zero at inactive places.

    Raises:
        InputError: an argument has another type or shape.
    """
    check_decision(params, slot, decision, "slot")
    return service.serve(params, slot, decision)


def checked_policy(decide: Callable[[Params, Slot, Array], Decision]) -> Callable[[Params, Slot, Array], Decision]:
    """A policy that refuses slots of a wrong shape.

    Args:
        decide: the policy.
    """

    def checked(params: Params, slots: Slot, key: Array) -> Decision:
        check_slots(params, slots, "slots", batched=True)
        return decide(params, slots, key)

    return checked


def check_params(params: Params) -> None:
    """Refuses what is not the arrays of a scenario.

    Args:
        params: what was given.

    Raises:
        InputError: it is something else, or JAX has nothing to compute on.
    """
    require_device()
    if not isinstance(params, Params):
        raise InputError(f"params must be a genedge.Params, such as scenario.params, not {_what(params)}")


def check_slots(params: Params, slots: Slot, name: str, batched: bool = False) -> None:
    """Refuses slots whose fields do not fit together.

    Args:
        params: the scenario.
        slots: slots, leading axes *batch.
        name: what the function calls them.
        batched: whether exactly one leading axis is needed.

    Raises:
        InputError: it is something else, or a field has another shape.
    """
    check_params(params)
    if not isinstance(slots, Slot):
        raise InputError(f"{name} must be a genedge.Slot, not {_what(slots)}")
    whole = np.shape(slots.requests)
    if batched and len(whole) != 2:
        raise InputError(f"{name}.requests has shape {whole}; it must be (K, N), K slots of N places at a time")
    if not whole:
        raise InputError(f"{name}.requests has shape (); it must be (*batch, N)")
    other = {"skew": whole[:-1], "position_m": (*whole, 2)}
    models = (*whole[:-1], len(params.models.A1))
    fields = slots._asdict()
    memory = fields.pop("memory")
    if memory is not None:
        fields |= {f"memory.{field}": value for field, value in memory._asdict().items()}
        other |= {"memory.held": models, "memory.wait": models, "memory.until": whole[:-1]}
    if params.box is not None and (memory is None or slots.ranking is None):
        raise InputError(
            f"{name}: no memory or no ranking, but the scenario is of a box, whose slots only come one after the "
            f"other; genedge.study.boxes.evaluate_box and genedge.env.episodes.follow decide whole episodes"
        )
    if memory is not None:
        if params.box is None:
            raise InputError(f"{name}: a memory, but the scenario is of no box; leave it out")
        if (kind := memory.held.dtype) != np.dtype(bool):
            raise InputError(f"{name}.memory.held must be an array of booleans, not of {kind}")
    if fields["ranking"] is None:
        del fields["ranking"]
    other["ranking"] = models
    for field, value in fields.items():
        _check(f"{name}.{field}", value, other.get(field, whole), f"{name}.requests has {whole}")


def check_decision(params: Params, slots: Slot, decision: Decision, name: str) -> None:
    """Refuses slots and decisions whose fields do not fit together.

    Args:
        params: the scenario.
        slots: slots, leading axes *batch.
        decision: a decision for each.
        name: what the function calls the slots.

    Raises:
        InputError: one of them is something else, or a field has another shape.
    """
    check_slots(params, slots, name)
    if not isinstance(decision, Decision):
        raise InputError(f"decision must be a genedge.Decision, not {_what(decision)}")
    whole, models = np.shape(slots.requests), len(params.models.A1)
    because = f"{name}.requests has {whole}, and there are {models} models"
    for field, value in decision._asdict().items():
        _check(f"decision.{field}", value, (*whole[:-1], models) if field == "cache" else whole, because)
    kind = getattr(decision.cache, "dtype", type(decision.cache).__name__)
    if kind != np.dtype(bool):
        raise InputError(f"decision.cache must be an array of booleans, not of {kind}")


def _check(name: str, value: ArrayLike, shape: tuple[int, ...], because: str) -> None:
    if np.shape(value) != shape:
        raise InputError(f"{name} has shape {np.shape(value)}; it must be {shape}, as {because}")


def _is_key(key: object) -> bool:
    if not isinstance(key, Array):
        return False
    # The second form is that of `jax.random.PRNGKey`.
    new = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    return key.shape == () if new else key.shape == (2,) and key.dtype == np.uint32


def _what(value: object) -> str:
    shape = getattr(value, "shape", None)
    kind = type(value).__name__
    return kind if shape is None else f"{kind} of shape {shape}"

"""What an agent sees and does, as Gymnasium's spaces."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Box, Space
from numpy.typing import ArrayLike, NDArray

from genedge.cell.feasible import action_size
from genedge.cell.types import Params, Slot
from genedge.env.observation import observe
from genedge.errors import InputError
from genedge.given import refuse_traced, what

# Values scaled to −1 and 1 may miss them by this much in single precision.
ROUNDING = 1e-4


def observation_space(params: Params, places: int) -> Box:
    """The bounds of each number of the observation, in the order of `observe`.

    Args:
        params: the scenario.
        places: N, number of places.
    """
    weakest, strongest = (_seen(params, gain) for gain in params.channel.bounds(params.area_m))
    # An inactive place shows 0, so 0 is always within.
    low = [-1.0, *[min(weakest, 0.0)] * places, *[-1.0] * places, *[-1.0] * places]
    high = [1.0, *[max(strongest, 0.0)] * places, *[1.0] * places, *[1.0] * places]
    models = len(params.models.A1)
    flags = places * (1 + models)
    low, high = [*(x - ROUNDING for x in low), *[0.0] * flags], [*(x + ROUNDING for x in high), *[1.0] * flags]
    if params.box is not None:
        # The next decision; held; serves; loading; popularity.
        longest = float(np.max(params.box.load_slots)) / 3 + ROUNDING
        low += [0.0] * (1 + 4 * models)
        high += [1.0] * (1 + 2 * models) + [longest] * models + [models / 2 + ROUNDING] * models
    return Box(np.array(low, np.float32), np.array(high, np.float32))


def _seen(params: Params, gain: float) -> float:
    """A channel gain as an agent sees it."""
    alone = Slot(
        skew=np.asarray(params.skews[0]),
        requests=np.zeros(1, int),
        input_bits=params.input_bits[:1],
        gain=np.array([gain]),
        position_m=np.zeros((1, 2)),
        active=np.ones(1, bool),
    )
    return float(observe(params, alone)[1])


def action_space(models: int, places: int) -> Box:
    """Box(−1, 1) of length M + 2 N, in the order of `decode`.

    Args:
        models: M, number of models.
        places: N, number of places.
    """
    return Box(-1.0, 1.0, (action_size(models, places),), np.float32)


def checked(action: ArrayLike, space: Space[Any]) -> NDArray[np.float32]:
    """An action as an array in single precision.

    Args:
        action: what an agent gave.
        space: what it must fit.

    Raises:
        InputError: it is no array of numbers, or its shape is another.
    """
    refuse_traced("the environment's step", "genedge.env.functional.step", action=action)
    try:
        array = np.asarray(action)
        # Short numbers, such as bfloat16, are not NumPy's own.
        numbers = array.dtype.kind in "fiu" or jnp.issubdtype(array.dtype, jnp.floating)
    except (TypeError, ValueError):  # A ragged list, or what else is no array.
        numbers = False
    if not numbers:
        raise InputError(f"action must be an array of numbers from -1 to 1, not {what(action)}")
    if array.shape != space.shape:
        raise InputError(f"action has shape {array.shape}; this environment takes {space.shape}")
    if np.isnan(array).any():
        raise InputError(f"action has NaN at {np.argwhere(np.isnan(array))[0].tolist()}; give numbers from -1 to 1")
    return array.astype(np.float32)


def check_options(gap: object, render_mode: object) -> None:
    """Refuses what is no way to make an environment.

    Args:
        gap: whether to tell it.
        render_mode: how to draw.

    Raises:
        InputError: one of them is something else.
    """
    if not isinstance(gap, bool | np.bool_):
        raise InputError(f"gap must be True or False, not {what(gap)}")
    if not (render_mode is None or (isinstance(render_mode, str) and render_mode == "rgb_array")):
        raise InputError(f"render_mode must be None or 'rgb_array', not {what(render_mode)}")


def check_reset(seed: object, options: object) -> None:
    """Refuses what no episode can begin with.

    Args:
        seed: None or a whole number.
        options: None, or nothing in a dictionary.

    Raises:
        InputError: one of them is something else.
    """
    if not (seed is None or (isinstance(seed, int | np.integer) and not isinstance(seed, bool) and seed >= 0)):
        raise InputError(f"seed must be None or a whole number from 0, not {what(seed)}")
    if not (options is None or (isinstance(options, dict) and not options)):
        raise InputError(f"options must be None, as none are known, not {what(options)}")


def refuse_unbegun(environment: object) -> None:
    """Refuses to go on where no episode has begun.

    Args:
        environment: one cell, or many.

    Raises:
        InputError: none has.
    """
    if not hasattr(environment, "_shown"):
        raise InputError("no episode has begun: call reset first")

"""What an agent sees and does, as Gymnasium's spaces."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Box, Space
from numpy.typing import ArrayLike, NDArray

from genedge.cell.feasible import action_size
from genedge.cell.types import Params
from genedge.env.observation import observation_bounds
from genedge.errors import InputError
from genedge.given import refuse_traced, what
from genedge.scenario import Scenario
from genedge.text import shortened

# Rewards of any cell stay finite in single precision.
LARGEST_SCALE = 1e9


def observation_space(params: Params, places: int) -> Box:
    """The bounds of each number of the observation, in the order of `observe`.

    Args:
        params: the scenario.
        places: N, number of places.
    """
    return Box(*observation_bounds(params, places))


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
    with np.errstate(over="ignore"):
        single = array.astype(np.float32)
    if not (finite := np.isfinite(single)).all():
        at = np.argwhere(~finite)[0].tolist()
        raise InputError(f"action has {single[tuple(at)]} at {at}; give numbers from -1 to 1")
    return single


def check_options(reward_scale: object, gap: object, render_mode: object) -> None:
    """Refuses what is no way to make an environment.

    Args:
        reward_scale: what rewards are multiplied by.
        gap: whether to tell it.
        render_mode: how to draw.

    Raises:
        InputError: one of them is something else.
    """
    number = isinstance(reward_scale, int | float | np.integer | np.floating) and not isinstance(reward_scale, bool)
    if not (number and 0 < reward_scale <= LARGEST_SCALE):  # type: ignore[operator]
        raise InputError(f"reward_scale must be a number above 0, such as 0.01, not {what(reward_scale)}")
    if not isinstance(gap, bool | np.bool_):
        raise InputError(f"gap must be True or False, not {what(gap)}")
    if not (render_mode is None or (isinstance(render_mode, str) and render_mode == "rgb_array")):
        raise InputError(f"render_mode must be None or 'rgb_array', not {what(render_mode)}")


def check_users(name: str, users: object, places: int) -> None:
    """Refuses what is no number of users of a cell.

    Args:
        name: what to call it.
        users: what was given.
        places: N.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(users, int | np.integer) or isinstance(users, bool) or not 1 <= users <= places:
        raise InputError(f"{name} must be a whole number from 1 to {places}, cell.places, not {what(users)}")


def check_reset(seed: object, options: object, scenario: Scenario) -> int:
    """Refuses what no episode can begin with.

    Args:
        seed: None or a whole number.
        options: None, or a dictionary that may say `users`.
        scenario: the environment's.

    Returns:
        How many users the episode has.

    Raises:
        InputError: one of them is something else.
    """
    if not (seed is None or (isinstance(seed, int | np.integer) and not isinstance(seed, bool) and seed >= 0)):
        raise InputError(f"seed must be None or a whole number from 0, not {what(seed)}")
    if not (options is None or (isinstance(options, dict) and options.keys() <= {"users"})):
        given = what(options) if not isinstance(options, dict) else shortened(options)
        raise InputError(f"options must be None, or such as {{'users': 8}}, not {given}")
    cell = scenario.settings.cell
    asked = (options or {}).get("users", cell.users)
    if options and scenario.recorded is not None:
        raise InputError("options['users']: the slots of a file have their own users; leave it out")
    check_users("options['users']", asked, cell.places)
    return int(asked)


def refuse_unbegun(environment: object) -> None:
    """Refuses to go on where no episode has begun.

    Args:
        environment: one cell, or many.

    Raises:
        InputError: none has.
    """
    if not hasattr(environment, "_shown"):
        raise InputError("no episode has begun: call reset first")

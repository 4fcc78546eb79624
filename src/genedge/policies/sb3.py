"""A model that Stable-Baselines3 has trained in `genedge/Cell-v0`, as a policy."""

import json
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax import Array

from genedge.cell.feasible import action_size, decode
from genedge.cell.types import Decision, Params, Slot, with_places
from genedge.env.observation import observation_bounds, observation_size, observe
from genedge.errors import InputError, Told
from genedge.files import refuse_no_plain_file
from genedge.precision import in_single
from genedge.registry import listed
from genedge.scenario import Scenario

# A saved model does not name its algorithm; of these settings it has one. DDPG is saved, and decides, as TD3.
SETTINGS = {"target_policy_noise": "TD3", "target_entropy": "SAC", "clip_range": "PPO", "gae_lambda": "A2C"}

# What only training needs is replaced: the replay buffer would take gigabytes, and functions that another version
# of Python has saved cannot be loaded.
NOT_NEEDED = {"buffer_size": 1, "learning_rate": 0.0, "lr_schedule": lambda _: 0.0, "clip_range": lambda _: 0.0}

# What `genedge.gym.save_sb3` writes into a model's file beside the model.
DESCRIPTION, FORMAT = "genedge.json", "genedge sb3 1"

_observe = jax.jit(observe)
_decode = jax.jit(decode)


def sb3(file: Path, scenario: Scenario) -> Callable[[Params, Slot, Array], Decision]:
    """The policy of a saved model, without exploration; it sees what the model saw in training.

    Loading it runs code that it contains: load only what you trust.

    Args:
        file: what `genedge.gym.save_sb3` has written; or the model's own `save`, which does not say what it saw:
            then a model that cannot have been trained in the bare cell is refused, and of others that is told.
        scenario: the scenario it shall serve.

    Raises:
        InputError: Stable-Baselines3 is not installed, the file is missing or is no such model, or the model was
            trained on a cell of another size, or behind what cannot be done again.
    """
    model, description = _load(file)
    models = len(scenario.models)
    places = _places(file, model, models, scenario.params.box is not None)
    if description is None:
        _refuse_no_bare_cell(file, model, scenario, places)
        _tell(
            f"sb3:{file}: does not say what it saw in training; it is taken for trained in the bare cell; {_SAVE}"
        )
    else:
        _refuse_unknown(file, description, scenario)
    normalised = None if description is None else description["normalised"]

    def policy(params: Params, slots: Slot, key: Array) -> Decision:
        users = slots.requests.shape[-1]
        if users > places:
            raise InputError(
                f"sb3:{file}: serves up to {places} users, not {users}; train it with cell.places={users}"
            )
        params, slots = in_single((params, slots))
        wide = with_places(slots, places)
        seen = _normalise(np.asarray(_observe(params, wide), np.float32), normalised)
        action, _ = model.predict(seen, deterministic=True)
        decision = _decode(params, wide, action)
        return Decision(decision.cache, decision.bandwidth[:, :users], decision.steps[:, :users])

    return policy


_SAVE = "genedge.gym.save_sb3(model, file) saves it with what it saw"


def _tell(text: str) -> None:
    warnings.warn(text, Told, stacklevel=3)


def _normalise(seen: np.ndarray, normalised: Mapping[str, Any] | None) -> np.ndarray:
    """Observations as `VecNormalize` has shown them, to the last bit."""
    if normalised is None:
        return seen
    mean, var = (np.array(normalised[key], np.float64) for key in ("mean", "var"))
    scaled = (seen - mean) / np.sqrt(var + normalised["epsilon"])
    return np.clip(scaled, -normalised["clip"], normalised["clip"]).astype(np.float32)


def _load(file: Path) -> tuple[Any, Any]:
    """A model, and the description of what it saw, where there is one."""
    try:
        import stable_baselines3
    except ModuleNotFoundError:
        raise InputError(f'sb3:{file}: Stable-Baselines3 is not installed; pip install "genedge[bench]"') from None
    refuse_no_plain_file(file)
    try:
        with zipfile.ZipFile(file) as archive:
            settings = json.loads(archive.read("data"))
            described = DESCRIPTION in archive.namelist()
            description: Any = json.loads(archive.read(DESCRIPTION)) if described else None
        found = [algorithm for setting, algorithm in SETTINGS.items() if setting in settings]
        if not found:
            raise InputError(f"sb3:{file}: not a model of A2C, DDPG, PPO, SAC or TD3")
        if described and description["format"] != FORMAT:
            raise InputError(
                f"sb3:{file}: its description is {description['format']!r:.100}; this version reads {FORMAT!r}"
            )
        model = getattr(stable_baselines3, found[0]).load(file, device="cpu", custom_objects=NOT_NEEDED)
        return model, description
    except FileNotFoundError:
        raise InputError(f"sb3:{file}: no such file") from None
    except InputError:
        raise
    # Whatever is wrong with the file, it is a loader of others that stumbles over it.
    except Exception as e:
        raise InputError(f"sb3:{file}: not a whole model of Stable-Baselines3: {e or type(e).__name__}") from e


def _places(file: Path, model: Any, models: int, box: bool) -> int:
    """The number of places in the cell that a model was trained on."""
    (observation,), (action,) = (space.shape or (0,) for space in (model.observation_space, model.action_space))
    places = (action - models) // 2
    if places < 1 or (observation, action) != (observation_size(models, places, box), action_size(models, places)):
        raise InputError(
            f"sb3:{file}: sees {observation} numbers and answers with {action}, which fits no cell with the "
            f"{models} models of this scenario; train it in genedge/Cell-v0 with this scenario"
        )
    return places


def _refuse_no_bare_cell(file: Path, model: Any, scenario: Scenario, places: int) -> None:
    """Refuses a model whose file shows that it was not trained in the bare cell of the scenario.

    The file has the bounds of what was seen and done, and what was seen last.

    Raises:
        InputError: other bounds, or what no cell shows.
    """
    seen, done, last = model.observation_space, model.action_space, model._last_obs
    original = getattr(model, "_last_original_obs", None)
    # Those of the scenario's own slots, and where there is a file of slots of these.
    cells = scenario.params._replace(recorded=None), scenario.params
    bounds = [observation_bounds(params, places) for params in cells]
    low, high = next(
        (of_one for of_one in bounds if np.allclose((seen.low, seen.high), of_one, atol=1e-5)), bounds[0]
    )
    same = np.allclose((seen.low, seen.high), (low, high), atol=1e-5)
    if original is not None and not np.array_equal(original, last):
        why = "it was trained behind VecNormalize, whose statistics are not in the file"
    elif not same:
        why = (
            f"it saw numbers from {seen.low.min():g} to {seen.high.max():g}, where this scenario's cell shows "
            f"{low.min():g} to {high.max():g}: it was trained behind a wrapper, or on another scenario"
        )
    elif not ((done.low == -1).all() and (done.high == 1).all()):
        why = (
            f"it answers with {done.low.min():g} to {done.high.max():g}: it was trained behind a wrapper of actions"
        )
    elif last is not None and not ((last >= low) & (last <= high)).all():
        why = "what it saw last is no observation of this scenario's cell: it was trained behind a wrapper"
    else:
        return
    raise InputError(f"sb3:{file}: {why}; {_SAVE}")


def _refuse_unknown(file: Path, description: Mapping[str, Any], scenario: Scenario) -> None:
    """Refuses a model that saw or did what cannot be done again.

    Raises:
        InputError: there were unknown wrappers around its cell, or its base station saw its users otherwise.
    """
    if description["unknown"]:
        raise InputError(
            f"sb3:{file}: trained behind {listed(description['unknown'])}, which may change what is seen or done "
            f"and is not in the file; train it without, or evaluate it by a function of your own, FILE.py:FUNCTION"
        )
    observation = scenario.settings.observation.model_dump(mode="json")
    if description["observation"] != observation:
        raise InputError(
            f"sb3:{file}: trained with the observation {description['observation']}, and this scenario's is "
            f"{observation}; evaluate it as it was trained"
        )
    if description["scenario_id"] != scenario.id:
        _tell(
            f"sb3:{file}: trained on scenario {description['scenario']} ({description['scenario_id']}), evaluated "
            f"on {scenario.name} ({scenario.id}), whose catalogue it may never have seen"
        )

"""A model that Stable-Baselines3 has trained in `genedge/Cell-v0`, as a policy."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax import Array

from genedge.cell.feasible import action_size, decode
from genedge.cell.types import Decision, Params, Slot, with_places
from genedge.env.observation import observation_size, observe
from genedge.errors import InputError
from genedge.files import refuse_no_plain_file
from genedge.precision import in_single
from genedge.scenario import Scenario

# A saved model does not name its algorithm; of these settings it has one. DDPG is saved, and decides, as TD3.
SETTINGS = {"target_policy_noise": "TD3", "target_entropy": "SAC", "clip_range": "PPO", "gae_lambda": "A2C"}

# What only training needs is replaced: the replay buffer would take gigabytes, and functions that another version
# of Python has saved cannot be loaded.
NOT_NEEDED = {"buffer_size": 1, "learning_rate": 0.0, "lr_schedule": lambda _: 0.0, "clip_range": lambda _: 0.0}

_observe = jax.jit(observe)
_decode = jax.jit(decode)


def sb3(file: Path, scenario: Scenario) -> Callable[[Params, Slot, Array], Decision]:
    """The policy of a saved model, without exploration.

    The file does not say which catalogue it was trained on; only its numbers of models and places are compared.
    Loading it runs code that it contains: load only what you trust.

    Args:
        file: what the model's `save` has written.
        scenario: the scenario it shall serve.

    Raises:
        InputError: Stable-Baselines3 is not installed, the file is missing or is no such model, or the model was
            trained on a cell of another size.
    """
    model = _load(file)
    models = len(scenario.models)
    places = _places(file, model, models, scenario.params.box is not None)

    def policy(params: Params, slots: Slot, key: Array) -> Decision:
        users = slots.requests.shape[-1]
        if users > places:
            raise InputError(
                f"sb3:{file}: serves up to {places} users, not {users}; train it with cell.places={users}"
            )
        params, slots = in_single((params, slots))
        wide = with_places(slots, places)
        action, _ = model.predict(np.asarray(_observe(params, wide), np.float32), deterministic=True)
        decision = _decode(params, wide, action)
        return Decision(decision.cache, decision.bandwidth[:, :users], decision.steps[:, :users])

    return policy


def _load(file: Path) -> Any:
    try:
        import stable_baselines3
    except ModuleNotFoundError:
        raise InputError(f'sb3:{file}: Stable-Baselines3 is not installed; pip install "genedge[bench]"') from None
    refuse_no_plain_file(file)
    try:
        with zipfile.ZipFile(file) as archive:
            settings = json.loads(archive.read("data"))
        found = [algorithm for setting, algorithm in SETTINGS.items() if setting in settings]
        if not found:
            raise InputError(f"sb3:{file}: not a model of A2C, DDPG, PPO, SAC or TD3")
        return getattr(stable_baselines3, found[0]).load(file, device="cpu", custom_objects=NOT_NEEDED)
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

"""Models of Stable-Baselines3, saved with what they saw."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import gymnasium

from genedge.errors import InputError
from genedge.files import whole_file
from genedge.given import what
from genedge.gym.single import CellEnv
from genedge.policies.sb3 import DESCRIPTION, FORMAT
from genedge.scenario import Scenario

# Wrappers, by library and class, that change neither what an agent sees nor what it does; they may change rewards
# and lengths of episodes, which only training meets. Actions beyond their bounds are clipped by the cell too.
HARMLESS = {
    "gymnasium": (
        *("OrderEnforcing", "PassiveEnvChecker", "TimeLimit", "RecordEpisodeStatistics", "RecordVideo"),
        *("HumanRendering", "RenderCollection", "TransformReward", "ClipReward", "NormalizeReward", "ClipAction"),
    ),
    "stable_baselines3": ("Monitor", "DummyVecEnv", "VecMonitor", "VecCheckNan", "VecVideoRecorder"),
}


def save_sb3(model: Any, file: str | Path) -> None:
    """Saves a model of Stable-Baselines3, and in the same file what it saw: scenario, wrappers, normalisation.

    `sb3:FILE` then decides as the model did in training: with the statistics of a `VecNormalize`, and never without
    a wrapper of the observation or the action, which is refused there.

    Args:
        model: of A2C, DDPG, PPO, SAC or TD3, with the environment that it was trained in.
        file: where; `.zip` is added to a name without a suffix, as the model's own `save` does.

    Raises:
        InputError: it is no such model, its environment is no cell of genedge, or the file cannot be written.
    """
    if not isinstance(file, str | Path):
        raise InputError(f"file must be the path of a file, not {what(file)}")
    if not (callable(getattr(model, "get_env", None)) and callable(getattr(model, "save", None))):
        raise InputError(f"model must be one of Stable-Baselines3, not {what(model)}")
    description, whole = json.dumps(_seen_by(model)), io.BytesIO()
    model.save(whole)
    with zipfile.ZipFile(whole, "a") as archive:
        archive.writestr(DESCRIPTION, description)
    path = Path(file)
    with whole_file(path if path.suffix else path.with_suffix(".zip")) as out:
        out.write(whole.getvalue())


def _seen_by(model: Any) -> dict[str, Any]:
    """What stands between a model and the cell, and which cell it is."""
    around = _layers(model.get_env())
    normalising = [layer for layer in around if _name(layer) == ("stable_baselines3", "VecNormalize")]
    normalising = [layer for layer in normalising if layer.norm_obs]
    scenarios, reward_scale = _cells_of(model.get_env())
    scenario = scenarios[0]
    statistics = None
    if len(normalising) == 1:
        seen = normalising[0]
        statistics = {
            "mean": seen.obs_rms.mean.tolist(),
            "var": seen.obs_rms.var.tolist(),
            "epsilon": seen.epsilon,
            "clip": seen.clip_obs,
        }
    unknown = [_called(layer) for layer in [*(x for x in around if not _harmless(x)), *normalising[1:]]]
    if any(each.settings.observation != scenario.settings.observation for each in scenarios):
        unknown.append("cells that see their channels differently")
    return {
        "format": FORMAT,
        "scenario": scenario.name,
        "scenario_id": scenario.id,
        "users": scenario.settings.cell.users,
        "observation": scenario.settings.observation.model_dump(mode="json"),
        "reward_scale": reward_scale,
        "wrappers": list(dict.fromkeys(_called(layer) for layer in around)),
        # What may show other observations, or do other actions, than the cell's; nobody can do it again.
        "unknown": list(dict.fromkeys(unknown)),
        "normalised": statistics,
    }


def _cells_of(env: Any) -> tuple[list[Scenario], float]:
    """The scenario of each of the cells at the bottom, and what the rewards of the first are multiplied by."""
    try:
        scenarios, reward_scales = (list(env.get_attr(name)) for name in ("scenario", "reward_scale"))
    except AttributeError:
        scenarios, reward_scales = [], []
    if not (scenarios and all(isinstance(scenario, Scenario) for scenario in scenarios)):
        raise InputError(
            "model: its environment is no cell of genedge; give it the one that it was trained in, as in "
            "PPO.load(file, env=env), and save it again"
        )
    return scenarios, float(reward_scales[0])


def _layers(env: Any) -> list[Any]:
    """What stands around the cells, from the outside in."""
    layers = []
    while hasattr(env, "venv"):
        layers.append(env)
        env = env.venv
    if env is None:
        return layers
    layers.append(env)
    for one in getattr(env, "envs", ()):
        while isinstance(one, gymnasium.Wrapper):
            layers.append(one)
            one = one.env
        if type(one) is not CellEnv:
            layers.append(one)
    return layers


def _harmless(layer: Any) -> bool:
    library, name = _name(layer)
    if (library, name) == ("stable_baselines3", "VecNormalize") or name in HARMLESS.get(library, ()):
        return True
    # Somebody's own wrapper of rewards, which does nothing else.
    kind = type(layer)
    return issubclass(kind, gymnasium.RewardWrapper) and all(
        getattr(kind, method) is getattr(gymnasium.RewardWrapper, method) for method in ("step", "reset")
    )


def _name(layer: Any) -> tuple[str, str]:
    return type(layer).__module__.partition(".")[0], type(layer).__qualname__


def _called(layer: Any) -> str:
    return type(layer).__qualname__

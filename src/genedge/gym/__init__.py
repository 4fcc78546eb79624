"""Gymnasium environments of the cell. Importing this module registers `genedge/Cell-v0`:

    import gymnasium
    import genedge.gym

    env = gymnasium.make("genedge/Cell-v0", scenario="paper")
    envs = gymnasium.make_vec("genedge/Cell-v0", num_envs=64, scenario="paper")

Gymnasium no longer looks for environments in installed packages, so somebody has to import this module. Where only
a name can be given, `gymnasium.make("genedge.gym:genedge/Cell-v0")` imports it. `CellParallelEnv` is the cell for
PettingZoo, and `save_sb3` saves a model of Stable-Baselines3 with what it saw.
"""

from typing import TYPE_CHECKING, Any

try:
    import gymnasium
except ModuleNotFoundError as e:
    if e.name != "gymnasium":
        raise
    raise ModuleNotFoundError('genedge.gym needs Gymnasium: pip install "genedge[gym]"', name=e.name) from None

from genedge.gym.sb3 import save_sb3
from genedge.gym.single import CellEnv
from genedge.gym.vector import CellVectorEnv

if TYPE_CHECKING:
    from genedge.gym.parallel import CellParallelEnv as CellParallelEnv

__all__ = ["CellEnv", "CellParallelEnv", "CellVectorEnv", "save_sb3"]


def __getattr__(name: str) -> Any:
    if name == "CellParallelEnv":  # Whoever needs no PettingZoo need not have it.
        from genedge.gym.parallel import CellParallelEnv

        return CellParallelEnv
    raise AttributeError(f"module 'genedge.gym' has no attribute {name!r}")


gymnasium.register(
    id="genedge/Cell-v0",
    entry_point="genedge.gym.single:CellEnv",
    vector_entry_point="genedge.gym.vector:CellVectorEnv",
)

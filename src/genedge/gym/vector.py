"""Many cells as a Gymnasium vector environment."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import jax
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from genedge.cell.types import Slot
from genedge.env.functional import State
from genedge.errors import InputError
from genedge.given import check_count
from genedge.gym.calls import (
    Overrides,
    advance_all,
    gaps,
    look_back,
    set_up,
    start_all,
    told,
    words,
)
from genedge.gym.spaces import (
    check_reset,
    checked,
    refuse_unbegun,
)
from genedge.limits import MOST_DRAWS
from genedge.xla import at_once

Numbers = NDArray[np.float32]


class CellVectorEnv(gymnasium.vector.VectorEnv[NDArray[Any], NDArray[Any], NDArray[Any]]):
    """E independent cells, see `CellEnv`, that step together in one compiled call.

    Observations, actions, rewards and each entry of `info` have a leading axis of length E. Cell i does what a
    `CellEnv` seeded with the same number does. An episode that was truncated in one step begins anew in the next
    (Gymnasium's `AutoresetMode.NEXT_STEP`): that step ignores the actions, its rewards are 0, its observations the
    new episode's first, and its `info` is empty. All episodes are of one length, so all cells begin anew together.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012, as in the base class
        "render_modes": ["rgb_array"],
        "render_fps": 2,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }
    _states: State
    _over: bool
    _shown: tuple[Slot, Numbers | None]

    @at_once()
    def __init__(
        self,
        num_envs: int = 1,
        scenario: str | Path = "paper",
        overrides: Overrides = (),
        users: int | None = None,
        slots: str | Path | None = None,
        reward_scale: float = 1.0,
        gap: bool = False,
        render_mode: str | None = None,
    ) -> None:
        """Makes the environments.

        Args:
            num_envs: E, number of cells.
            scenario: a preset's name, or the path of a scenario file.
            overrides: settings to change, `key=value` each, such as `objective.alpha=0.5`; or a mapping, such as
                `{"objective.alpha": 0.5}`.
            users: number of users; None for the scenario's.
            slots: a file whose episodes are met in place of drawn ones, JSON lines as `genedge slots` prints them.
            reward_scale: what rewards are multiplied by; learners that expect them of order one take 0.01.
            gap: whether `info` tells the gap to the optimum; takes milliseconds a step.
            render_mode: None, or "rgb_array" for pictures from `render`.

        Raises:
            InputError: an argument has another type or value.
        """
        check_count("num_envs", num_envs)
        self._cell = set_up(scenario, overrides, users, slots, reward_scale, gap, render_mode)
        self.scenario = self._cell.scenario
        self.reward_scale = self._cell.reward_scale
        if num_envs * self.scenario.settings.cell.places > MOST_DRAWS:
            raise InputError(
                f"num_envs: so many cells do not fit into memory; cells times places may be {MOST_DRAWS}"
            )
        self.num_envs = num_envs
        self.render_mode = render_mode
        self.single_observation_space = self._cell.observation_space
        self.single_action_space = self._cell.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._seeded = [seeding.np_random() for _ in range(num_envs)]

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """The random numbers of each cell."""
        return tuple(generator for generator, _ in self._seeded)

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seed of each cell."""
        return tuple(seed for _, seed in self._seeded)

    @at_once()
    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Numbers, dict[str, Any]]:
        """Starts an episode in every cell.

        Args:
            seed: cell i is seeded with `seed` + i, or with entry i of a sequence; None goes on with the random
                numbers at hand.
            options: None, or `{"users": 8}` for episodes of so many users; the next ones, begun by themselves, have
                the scenario's again.

        Returns:
            The first observations, and an empty `info`.

        Raises:
            InputError: a seed is no whole number from 0, there are not as many as cells, or there are
                other options.
        """
        cell = self.scenario.settings.cell
        if isinstance(seed, np.ndarray) and seed.ndim == 1:
            seed = seed.tolist()
        if isinstance(seed, Sequence) and not isinstance(seed, str | bytes):
            seeds = list(seed)
        else:
            check_reset(seed, options, self.scenario)
            seeds = [None if seed is None else int(seed) + i for i in range(self.num_envs)]
        users = cell.users
        for of_one in seeds:
            users = check_reset(of_one, options, self.scenario)
        if len(seeds) != self.num_envs:
            raise InputError(f"seed has {len(seeds)} entries; there are {self.num_envs} cells")
        self._seeded = [
            kept if new is None else seeding.np_random(int(new))
            for kept, new in zip(self._seeded, seeds, strict=True)
        ]
        return self._begin(users), {}

    def _begin(self, users: int) -> Numbers:
        data = np.stack([words(generator) for generator in self.np_random])
        observations, self._states = start_all(self._cell.params, data, users, self.scenario.settings.cell.places)
        self._over = False
        self._shown = self._states.slot, None
        return np.array(observations, np.float32)

    @at_once()
    def step(
        self, actions: Numbers
    ) -> tuple[Numbers, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Decides the slots last observed and moves on to the next; begins anew where an episode was truncated.

        Args:
            actions: M + 2N numbers for each cell.

        Returns:
            The next observations, the rewards, no terminations, where the time limit is reached, and `info`.

        Raises:
            InputError: the actions have another type or shape, or no episode has begun.
        """
        actions = checked(actions, self.action_space)
        refuse_unbegun(self)
        never, cell = np.zeros(self.num_envs, bool), self.scenario.settings.cell
        if self._over:
            return self._begin(cell.users), np.zeros(self.num_envs), never, never.copy(), {}
        slots = self._states.slot
        self._states, packed = advance_all(self._cell.params, self._states, actions, cell.slots_per_episode)
        self._shown = slots, actions
        said = told(packed, cell.places)
        self._over = bool(said.truncated.all())
        info: dict[str, Any] = dict(said.info)
        if self._cell.gap:
            decision, _ = look_back(self._cell.params, slots, actions)
            info |= gaps(self.scenario.params, slots, decision)
        # Gymnasium's way to say which cells an entry is about.
        info |= {f"_{key}": np.ones(self.num_envs, bool) for key in info}
        return said.observation, said.reward * self.reward_scale, never, said.truncated, info

    @at_once()
    def render(self) -> tuple[NDArray[np.uint8], ...] | None:  # type: ignore[override, unused-ignore]
        """A picture of each cell, see `CellEnv.render`."""
        if self.render_mode is None:
            return None
        refuse_unbegun(self)
        # Imported late: whoever draws nothing does not wait for matplotlib.
        from genedge.draw.slot import draw_cell

        slots, actions = self._shown
        decided = None if actions is None else look_back(self._cell.params, slots, actions)
        number = max(int(self._states.t[0]), 1)
        shown = [jax.tree.map(lambda x, i=i: x[i], (slots, decided)) for i in range(self.num_envs)]
        return tuple(draw_cell(self.scenario, slot, of_one, number) for slot, of_one in shown)

"""One cell as a Gymnasium environment."""

from pathlib import Path
from typing import Any

import gymnasium
import jax
import numpy as np
from numpy.typing import NDArray

from genedge.cell.types import Slot
from genedge.env.functional import State
from genedge.gym.calls import (
    Overrides,
    advance,
    gaps,
    look_back,
    set_up,
    start,
    told,
    words,
)
from genedge.gym.spaces import (
    check_reset,
    checked,
    refuse_unbegun,
)
from genedge.xla import at_once

Numbers = NDArray[np.float32]


class CellEnv(gymnasium.Env[NDArray[Any], NDArray[Any]]):
    """The decision process of Section IV-A, registered as `genedge/Cell-v0`.

    With M models and N places, float32 throughout. The observation, Eq. (16), has 1 + N (4 + M) numbers; places
    without a user show 0 everywhere:

    | index | field | range |
    |---|---|---|
    | 0 | skew γ of the popularity, its states scaled | −1 to 1 |
    | 1 to N | channel gain h_n in dB above a typical one, over 20 dB | by the scenario's distances and fading |
    | N + 1 to 2N | request size d_in, its range scaled | −1 to 1 |
    | 2N + 1 to 3N | result size d_out of the model asked for, the catalogue's range scaled | −1 to 1 |
    | 3N + 1 to 4N | whether there is a user | 0 or 1 |
    | 4N + 1 + nM + m | whether user n asks for model m, both from 0 | 0 or 1 |

    The action, Eq. (17), has M + 2N numbers from −1 to 1, others are clipped. Any is feasible once decoded, see
    `genedge.cell.feasible.decode`:

    | index | field |
    |---|---|
    | 0 to M − 1 | priorities: models are cached in descending order while they fit, those at 0 or below never |
    | M to M + N − 1 | bandwidth: the shares b_n are a softmax of twice these |
    | M + N to M + 2N − 1 | steps: x asks for (1 + x)/2 of the A3 steps that are useful; all together at most S |

    Of a box, the observation ends with 1 + 4M more numbers, see `genedge.env.observation.observe`; the priorities
    count where the cache is decided, and x at 0 or below sends a request to the cloud where it may go there.

    The reward is −Σ_n U_n of the slot decided, Eq. (18), times `reward_scale`. An episode is truncated after the
    scenario's `cell.slots_per_episode` slots, never terminated; its last observation is of the true next slot.

    `info` of a step, about the slot decided: `delay_s` and `tv`, means over the users, and `hit_ratio`; of each
    place, 0 where nobody is, `user_delay_s`, `user_tv`, `user_hit` and `user_utility`, U_n. With `gap=True` also
    `optimum`, the certified least Σ_n U_n of that slot, and `gap`, Σ_n U_n over it, minus 1.

    `reset(seed=...)` seeds `np_random`, from which the key of each episode is drawn. With `slots`, the key chooses
    an episode of the file, each as likely as the others; what came after its last slot nobody knows, and the last
    observation repeats that slot's.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 2}  # noqa: RUF012, as in the base class
    _state: State
    _shown: tuple[Slot, Numbers | None]

    @at_once()
    def __init__(
        self,
        scenario: str | Path = "paper",
        overrides: Overrides = (),
        users: int | None = None,
        slots: str | Path | None = None,
        reward_scale: float = 1.0,
        gap: bool = False,
        render_mode: str | None = None,
    ) -> None:
        """Makes the environment.

        Args:
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
        self._cell = set_up(scenario, overrides, users, slots, reward_scale, gap, render_mode)
        self.scenario = self._cell.scenario
        self.reward_scale = self._cell.reward_scale
        self.observation_space = self._cell.observation_space
        self.action_space = self._cell.action_space
        self.render_mode = render_mode

    @at_once()
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Numbers, dict[str, Any]]:
        """Starts an episode.

        Args:
            seed: of this and all following episodes; None goes on with the random numbers at hand.
            options: None, or `{"users": 8}` for an episode of so many users.

        Returns:
            The first observation, and an empty `info`.

        Raises:
            InputError: the seed is no whole number from 0, or there are other options.
        """
        cell = self.scenario.settings.cell
        users = check_reset(seed, options, self.scenario)
        super().reset(seed=None if seed is None else int(seed))
        observation, self._state = start(self._cell.params, words(self.np_random), users, cell.places)
        self._shown = self._state.slot, None
        return np.array(observation, np.float32), {}

    @at_once()
    def step(self, action: Numbers) -> tuple[Numbers, float, bool, bool, dict[str, Any]]:
        """Decides the slot last observed and moves on to the next.

        Args:
            action: M + 2N numbers.

        Returns:
            The next observation, the reward, False, whether the time limit is reached, and `info`.

        Raises:
            InputError: the action has another type or shape, or no episode has begun.
        """
        action = checked(action, self.action_space)
        refuse_unbegun(self)
        slot, cell = self._state.slot, self.scenario.settings.cell
        self._state, packed = advance(self._cell.params, self._state, action, cell.slots_per_episode)
        self._shown = slot, action
        said = told(packed, cell.places)
        info: dict[str, Any] = {key: value if value.ndim else float(value) for key, value in said.info.items()}
        if self._cell.gap:
            alone = jax.tree.map(lambda x: x[None], slot)
            decision, _ = look_back(self._cell.params, alone, action[None])
            info |= {key: float(value[0]) for key, value in gaps(self.scenario.params, alone, decision).items()}
        reward = float(said.reward) * self.reward_scale
        return said.observation, reward, False, bool(said.truncated), info

    @at_once()
    def render(self) -> NDArray[np.uint8] | None:  # type: ignore[override, unused-ignore]
        """A picture of the slot last decided, or of the first one before it is decided; None without a mode."""
        if self.render_mode is None:
            return None
        refuse_unbegun(self)
        # Imported late: whoever draws nothing does not wait for matplotlib.
        from genedge.draw.slot import draw_cell

        slot, action = self._shown
        decided = None if action is None else look_back(self._cell.params, slot, action)
        return draw_cell(self.scenario, slot, decided, max(int(self._state.t), 1))

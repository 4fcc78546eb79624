"""One cell as a Gymnasium environment."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import jax
import numpy as np
from numpy.typing import NDArray

from genedge.cell.types import Slot
from genedge.env.functional import State
from genedge.gym.calls import (
    MEANS,
    MEANS_AT,
    OBSERVATION_AT,
    REWARD_AT,
    TRUNCATED_AT,
    advance,
    gaps,
    look_back,
    set_up,
    start,
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

    The reward is −Σ_n U_n of the slot decided, Eq. (18). An episode is truncated after the scenario's
    `cell.slots_per_episode` slots, never terminated; its last observation is the true next slot.

    `info` of a step, about the slot decided: `delay_s` and `tv`, means over the users, and `hit_ratio`. With
    `gap=True` also `optimum`, the certified least Σ_n U_n of that slot, and `gap`, Σ_n U_n over it, minus 1.

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
        overrides: Sequence[str] = (),
        slots: str | Path | None = None,
        gap: bool = False,
        render_mode: str | None = None,
    ) -> None:
        """Makes the environment.

        Args:
            scenario: a preset's name, or the path of a scenario file.
            overrides: settings to change, `key=value` each, such as `cell.users=14`.
            slots: a file whose episodes are met in place of drawn ones, JSON lines as `genedge slots` prints them.
            gap: whether `info` tells the gap to the optimum; takes milliseconds a step.
            render_mode: None, or "rgb_array" for pictures from `render`.

        Raises:
            InputError: an argument has another type or value.
        """
        self._cell = set_up(scenario, overrides, slots, gap, render_mode)
        self.scenario = self._cell.scenario
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
            options: none are known.

        Returns:
            The first observation, and an empty `info`.

        Raises:
            InputError: the seed is no whole number from 0, or there are options.
        """
        check_reset(seed, options)
        super().reset(seed=None if seed is None else int(seed))
        cell = self.scenario.settings.cell
        observation, self._state = start(self._cell.params, words(self.np_random), cell.users, cell.places)
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
        slot = self._state.slot
        T = self.scenario.settings.cell.slots_per_episode
        self._state, packed = advance(self._cell.params, self._state, action, T)
        self._shown = slot, action
        told = np.array(packed, np.float32)
        info: dict[str, Any] = dict(zip(MEANS, told[MEANS_AT].tolist(), strict=True))
        if self._cell.gap:
            alone = jax.tree.map(lambda x: x[None], slot)
            decision, _ = look_back(self._cell.params, alone, action[None])
            info |= {key: float(value[0]) for key, value in gaps(self.scenario.params, alone, decision).items()}
        return told[OBSERVATION_AT], float(told[REWARD_AT]), False, bool(told[TRUNCATED_AT]), info

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

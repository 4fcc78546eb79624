"""The cell as a parallel environment of PettingZoo: an agent for the cache, and one for each user."""

from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from genedge.errors import InputError
from genedge.given import what
from genedge.gym.calls import OF_USERS, Overrides
from genedge.gym.single import CellEnv
from genedge.gym.spaces import check_reset, checked, observation_space
from genedge.xla import at_once

try:
    from pettingzoo import ParallelEnv
except ModuleNotFoundError as e:
    if e.name != "pettingzoo":
        raise
    told = 'genedge.gym.CellParallelEnv needs PettingZoo: pip install "genedge[gym]"'
    raise ModuleNotFoundError(told, name=e.name) from None

Numbers = NDArray[np.float32]
CACHE = "cache"


class CellParallelEnv(ParallelEnv):  # type: ignore[misc]
    """The cell of `CellEnv`, decided by many: `cache` chooses the models, `user_0` and so on claim their shares.

    With M models and N places, all numbers in single precision; what is scaled is so as in `CellEnv`:

    | agent | sees | does, from −1 to 1 | earns |
    |---|---|---|---|
    | `cache` | all that `CellEnv` shows, 1 + N (4 + M) numbers | M priorities | −Σ_n U_n |
    | `user_n` | skew, users over places, gain, d_in, d_out, and the model it asks for, 5 + M numbers | 2: its claim of bandwidth, and of steps | −U_n |

    Claims are put together and decoded as an action of `CellEnv`. With `shared=True` everybody earns −Σ_n U_n. In the
    long run there is nothing to plan, as no action changes what comes next. `info` of a user: `delay_s`, `tv`, `hit`
    and `utility`; of the cache what `CellEnv` tells.
    """  # noqa: E501

    metadata: dict[str, Any] = {"name": "genedge_cell_v0", "render_modes": ["rgb_array"]}  # noqa: RUF012, as in the base class

    @at_once()
    def __init__(
        self,
        scenario: str | Path = "paper",
        overrides: Overrides = (),
        users: int | None = None,
        reward_scale: float = 1.0,
        shared: bool = False,
        gap: bool = False,
        render_mode: str | None = None,
    ) -> None:
        """Makes the environment.

        Args:
            scenario: a preset's name, or the path of a scenario file.
            overrides: settings to change, `key=value` each, or a mapping.
            users: number of users; None for the scenario's.
            reward_scale: what rewards are multiplied by.
            shared: whether every agent earns minus the cost of all.
            gap: whether the `info` of the cache tells the gap to the optimum.
            render_mode: None, or "rgb_array" for pictures from `render`.

        Raises:
            InputError: an argument has another type or value.
        """
        if not isinstance(shared, bool | np.bool_):
            raise InputError(f"shared must be True or False, not {what(shared)}")
        self._env = CellEnv(scenario, overrides, users, None, reward_scale, gap, render_mode)
        self.scenario, self.render_mode, self._shared = self._env.scenario, render_mode, shared
        self._places, self._models = self.scenario.settings.cell.places, len(self.scenario.models)
        users_of = [f"user_{n}" for n in range(self.scenario.settings.cell.users)]
        self.possible_agents, self.agents = [CACHE, *users_of], list[str]()
        seen = observation_space(self.scenario.params, self._places)
        own = Box(self._of_user(seen.low, 0), self._of_user(seen.high, 0))
        of_users = {agent: (own, Box(-1.0, 1.0, (2,), np.float32)) for agent in users_of}
        self._spaces = {CACHE: (seen, Box(-1.0, 1.0, (self._models,), np.float32))} | of_users
        self.observation_spaces = {agent: spaces[0] for agent, spaces in self._spaces.items()}
        self.action_spaces = {agent: spaces[1] for agent, spaces in self._spaces.items()}

    def observation_space(self, agent: str) -> Box:
        """What an agent sees.

        Args:
            agent: its name.
        """
        return self._spaces[agent][0]

    def action_space(self, agent: str) -> Box:
        """What an agent does.

        Args:
            agent: its name.
        """
        return self._spaces[agent][1]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Numbers], dict[str, dict[str, Any]]]:
        """Starts an episode.

        Args:
            seed: of this and all following episodes; None goes on with the random numbers at hand.
            options: None, or `{"users": 8}` for an episode of so many users; others are of no account, as
                PettingZoo's checker asks for.

        Returns:
            The first observation of each agent, and an empty `info`.

        Raises:
            InputError: the seed is no whole number from 0, or there are not agents for so many users.
        """
        known = {"users": options["users"]} if isinstance(options, dict) and "users" in options else None
        most = self.scenario.settings.cell.users
        users = check_reset(seed, known if isinstance(options, dict) else options, self.scenario)
        if users > most:
            raise InputError(
                f"options['users'] is {users}; there are agents for {most}: make it with users={users}"
            )
        self._seen, _ = self._env.reset(seed=seed, options=known)
        self.agents = self.possible_agents[: 1 + users]
        return self._observations(), {agent: {} for agent in self.agents}

    def step(
        self, actions: dict[str, Numbers]
    ) -> tuple[dict[str, Numbers], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Decides the slot last observed and moves on to the next.

        Args:
            actions: of each agent.

        Returns:
            Of each agent the next observation, the reward, False, whether the time limit is reached, and `info`.

        Raises:
            InputError: there is not an action for each agent, or one has another type or shape.
        """
        if not isinstance(actions, dict) or actions.keys() != set(self.agents):
            given = sorted(map(str, actions)) if isinstance(actions, dict) else what(actions)
            raise InputError(f"actions must be of {', '.join(self.agents) or 'nobody: call reset'}; not {given}")
        told_by = {agent: checked(actions[agent], self.action_space(agent)) for agent in self.agents}
        whole = np.zeros(self._models + 2 * self._places, np.float32)
        whole[: self._models] = told_by[CACHE]
        users = self.agents[1:]
        for n, agent in enumerate(users):
            whole[self._models + n], whole[self._models + self._places + n] = told_by[agent]
        self._seen, reward, _, truncated, info = self._env.step(whole)
        agents, observations = self.agents, self._observations()
        own = {key.removeprefix("user_"): info[key].tolist() for key in OF_USERS}
        of_users = {agent: {key: own[key][n] for key in own} for n, agent in enumerate(users)}
        scale = self._env.reward_scale
        rewards = {CACHE: reward} | {
            agent: reward if self._shared else -of_users[agent]["utility"] * scale for agent in users
        }
        if truncated:
            self.agents = []
        never, limit = dict.fromkeys(agents, False), dict.fromkeys(agents, truncated)
        return observations, rewards, never, limit, {CACHE: info} | of_users

    def state(self) -> Numbers:
        """All that `CellEnv` shows."""
        return self._seen

    def render(self) -> NDArray[np.uint8] | None:
        """A picture of the slot last decided, see `CellEnv.render`."""
        return self._env.render()

    def close(self) -> None:
        """Does nothing; there is nothing to close."""

    def _observations(self) -> dict[str, Numbers]:
        own = {agent: self._of_user(self._seen, n) for n, agent in enumerate(self.agents[1:])}
        return {CACHE: self._seen} | own

    def _of_user(self, seen: Numbers, n: int) -> Numbers:
        """What user n sees of an observation, or its bounds of those of one."""
        N, M = self._places, self._models
        gain, input_bits, output_bits, active = (seen[1 + i * N : 1 + (i + 1) * N] for i in range(4))
        asked = seen[1 + 4 * N + n * M : 1 + 4 * N + (n + 1) * M]
        head = seen[0], active.mean(), gain[n], input_bits[n], output_bits[n]
        return np.array([*head, *asked], np.float32)

"""What a run asks of every agent that learns: its settings, its size, its actor, and to be trained.

An agent is one class in one file. `genedge.registry` names those that ship; one's own is named `FILE.py:CLASS`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import jax
from jax import Array

from genedge.cell.sampling import sample_episodes
from genedge.cell.types import Decision, Params, Slot
from genedge.learn.hyperparameters import AgentSettings
from genedge.scenario import Scenario

# Fixed episodes that an evaluation during training takes.
EVALUATION_EPISODES = 8


class Training(NamedTuple):
    """An agent at work on one run.

    A learner is a pytree of JAX arrays that tells its `episodes` (how many are finished), its `best_actor` and its
    `best_utility`, that of the best actor, infinite at first.

    Attributes:
        init: () -> a learner that has not learned yet.
        train: (learner, episodes to add) -> the learner afterwards, and metrics of each episode, a NamedTuple.
        evaluate: learner -> the learner, its best actor up to date, and the mean over slots of Σ_n U_n.
        last_actor: learner -> its actor as it is now.
    """

    init: Callable[[], Any]
    train: Callable[[Any, int], tuple[Any, Any]]
    evaluate: Callable[[Any], tuple[Any, Array]]
    last_actor: Callable[[Any], Any]


S = TypeVar("S", bound=AgentSettings)


class Agent(ABC, Generic[S]):
    """An algorithm that learns, on one scenario. What every agent must say for itself is abstract.

    Attributes:
        Settings: class of its hyperparameters, each with a default; a scenario has a section of them.
        metrics: names of what it logs of each episode, as `Training.train` tells them.
        any_cell: whether its actor is meant for catalogues that it was not trained on.
        name: what it is called.
        section: of a scenario, the one that holds its hyperparameters.
        scenario: what it trains on.
        settings: its hyperparameters.
    """

    Settings: ClassVar[type[AgentSettings]]
    metrics: ClassVar[tuple[str, ...]]
    any_cell: ClassVar[bool] = False

    def __init__(self, name: str, section: str, scenario: Scenario, settings: S) -> None:
        self.name, self.section, self.scenario, self.settings = name, section, scenario, settings

    @abstractmethod
    def training(self, users: int, episodes: int, seed: int) -> Training:
        """The agent at work.

        Args:
            users: number of users in every slot; of any cell, the most.
            episodes: of the whole run.
            seed: of everything random.
        """

    @abstractmethod
    def actor_like(self, places: int) -> Any:
        """The shapes of its actor, a pytree.

        Args:
            places: number of places that it is made for.
        """

    @staticmethod
    @abstractmethod
    def decide(actor: Any, params: Params, slots: Slot) -> Decision:
        """What a trained actor decides, without exploration; called under `jax.jit`.

        Args:
            actor: as `training` made it.
            params: the scenario.
            slots: slots, leading axes *batch.
        """

    @property
    def fixed_places(self) -> bool:
        """Whether its actor has room for a fixed number of users."""
        return False

    def users(self, asked: int | None) -> int:
        """Number of users that it is trained with; of any cell, the most.

        Args:
            asked: by the user; None for the scenario's.

        Raises:
            InputError: that is not for the user to say.
        """
        return asked or self.scenario.settings.cell.users

    def places(self, users: int) -> int:
        """Number of places that its actor is made for.

        Args:
            users: number of users that it is trained with.
        """
        return users

    def for_more(self, users: int) -> str:
        """The option of 'genedge train' with which its actor serves more users, if its places are fixed.

        Args:
            users: how many it shall serve.
        """
        return f"--users {users}"

    def refuse(self) -> None:
        """Refuses scenarios that it cannot be trained on; one's own agent is asked to do so itself.

        Raises:
            InputError: with the reason.
        """

    def refuse_large(self, places: int) -> None:
        """Refuses settings that would not fit into memory, before anything is made.

        Args:
            places: number of places that it is made for.

        Raises:
            InputError: names the settings that make it large.
        """

    def keys(self, seed: int) -> tuple[Array, Array]:
        """Random keys of a run: of its training, and of the slots that it is evaluated on.

        Args:
            seed: of everything random.
        """
        key = jax.random.key(seed)
        return jax.random.fold_in(key, 0), jax.random.fold_in(key, 1)

    def evaluation_slots(self, key: Array, users: int) -> Slot:
        """Slots that a run is evaluated on, leading axes (E, T).

        Args:
            key: a JAX random key.
            users: number of users in every slot.
        """
        slots = self.scenario.settings.cell.slots_per_episode
        return sample_episodes(self.scenario.params, key, users, self.places(users), slots, EVALUATION_EPISODES)

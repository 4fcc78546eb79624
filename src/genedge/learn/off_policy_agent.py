"""What a run asks of the agents that learn from a replay buffer: DDPG, TD3, SAC, and the pair for boxes."""

from typing import Any, ClassVar, TypeVar

from genedge.cell.types import Decision, Params, Slot
from genedge.learn import off_policy
from genedge.learn.actor import actor_shapes
from genedge.learn.agent import Agent, Training
from genedge.learn.off_policy import Algorithm, Metrics, OffPolicyPlan, OffPolicySettings
from genedge.learn.sizes import OF_CELL, refuse_large_networks, refuse_no_storage
from genedge.limits import decided, refuse_large

S = TypeVar("S", bound=OffPolicySettings)


class OffPolicyAgent(Agent[S]):
    """An agent that learns from a replay buffer: an algorithm with its settings.

    Attributes:
        algorithm: what sets it apart from the others.
    """

    algorithm: ClassVar[Algorithm]
    metrics: ClassVar[tuple[str, ...]] = Metrics._fields

    @property
    def fixed_places(self) -> bool:
        """Only a multi-layer perceptron has room for a fixed number of users."""
        return self.settings.network == "mlp"

    def places(self, users: int) -> int:
        """Places without a user too, where the number is fixed: so it serves more users than it is trained with.

        Args:
            users: number of users that it is trained with.
        """
        return self.scenario.settings.cell.places if self.fixed_places else users

    def for_more(self, users: int) -> str:
        """The option of 'genedge train' with which its actor serves more users.

        Args:
            users: how many it shall serve.
        """
        return f"--set cell.places={users}"

    def refuse(self) -> None:
        """Refuses scenarios without storage, if its networks are over models.

        Raises:
            InputError: it has none.
        """
        if self.settings.network == "equivariant":
            refuse_no_storage(self.scenario)

    def refuse_large(self, places: int) -> None:
        """Refuses a buffer, batches or networks that would not fit into memory.

        Args:
            places: number of places that it is made for.

        Raises:
            InputError: names the settings that make it large.
        """
        settings, models = self.settings, len(self.scenario.models)
        # Two slots and an action; of a box also two rankings and memories.
        transition = 14 * places + 6 * models + 2
        refuse_large(f"{self.section}.replay_size and {OF_CELL}", settings.replay_size * transition)
        refuse_large(f"{self.section}.batch and {OF_CELL}", decided(settings.batch, models, places))
        rows = max(self.scenario.settings.cell.slots_per_episode, settings.batch)
        refuse_large_networks(settings, self.section, rows, models, places, self.scenario.params.box is not None)

    def actor_like(self, places: int) -> Any:
        """The shapes of its actor.

        Args:
            places: number of places that it is made for.
        """
        box, models = self.scenario.params.box is not None, len(self.scenario.models)
        return actor_shapes(self.settings, models, places, self.algorithm.channels, box)

    @classmethod
    def decide(cls, actor: Any, params: Params, slots: Slot) -> Decision:
        """What a trained actor decides, without exploration.

        Args:
            actor: as `training` made it.
            params: the scenario.
            slots: slots, leading axes *batch.
        """
        return cls.algorithm.decide(actor, params, slots)

    def plan(self, users: int, episodes: int) -> OffPolicyPlan:
        """What is fixed for a run.

        Args:
            users: number of users in every slot.
            episodes: of the whole run.
        """
        cell = self.scenario.settings.cell
        models = len(self.scenario.models)
        return OffPolicyPlan(self.settings, users, self.places(users), models, cell.slots_per_episode, episodes)

    def training(self, users: int, episodes: int, seed: int) -> Training:
        """The agent at work.

        Args:
            users: number of users in every slot.
            episodes: of the whole run.
            seed: of everything random.
        """
        for_training, for_evaluation = self.keys(seed)
        algorithm, plan, params = self.algorithm, self.plan(users, episodes), self.scenario.params
        slots = self.evaluation_slots(for_evaluation, users)
        return Training(
            init=lambda: off_policy.init(algorithm, plan, params, for_training, slots),
            train=lambda learner, more: off_policy.train(algorithm, plan, params, learner, more),
            evaluate=lambda learner: off_policy.evaluate_actor(algorithm, params, learner, slots),
            last_actor=algorithm.actor,
        )

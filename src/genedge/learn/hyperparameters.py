"""The learners' hyperparameters, each default with where it comes from."""

from typing import Annotated, Literal

from pydantic import Field

from genedge.settings.fields import (
    Count,
    CountRange,
    GigabytesRange,
    NotNegative,
    Number,
    Section,
    Share,
    StepsRange,
    Tuned,
    WeightRange,
)
from genedge.settings.provenance import assumed, paper


class Ddpg(Section):
    """DDPG, the paper's agent."""

    episodes: Count = paper(500)
    discount: Annotated[Number, Field(ge=0, lt=1)] = paper(0.99)
    target_rate: Annotated[Number, Field(gt=0, le=1)] = paper(0.005, "τ of Eq. (21) and (22)")
    actor_learning_rate: Tuned = assumed(0.0001)
    critic_learning_rate: Tuned = assumed(0.001)
    learning_rate_last: Share = assumed(1, "share of the learning rates that is left at the last slot: they stay")
    network: Literal["mlp", "equivariant"] = assumed("mlp", "else: equivariant, over users and models")
    hidden_layers: Annotated[tuple[Count, ...], Field(min_length=1, max_length=32)] = assumed(
        (128, 128), "of the mlp"
    )
    width: Count = assumed(32, "of the equivariant network")
    layer_norm: Annotated[bool, Field(strict=True)] = assumed(False)
    critics: Annotated[Count, Field(le=8)] = assumed(1)
    credit: Literal["total", "per_user"] = assumed(
        "total", "else: per_user, each user's utility teaches that user's value, if the network is equivariant"
    )
    centring_rate: Share = assumed(0.03, "of the running mean that is subtracted from the critic's targets")
    batch: Count = assumed(128)
    replay_size: Annotated[Count, Field(le=10000000)] = assumed(25000)
    warmup_slots: Count = assumed(500, "slots with random actions before the first update")
    noise_first: NotNegative = assumed(0.3, "standard deviation of the Gaussian exploration noise")
    noise_last: NotNegative = assumed(0.05, "reached linearly at the last slot")
    policy_delay: Count = assumed(1, "updates of the critics for each of the actor and the targets")
    target_noise: NotNegative = assumed(0.0, "standard deviation of the noise on the target actor's action")
    target_noise_limit: NotNegative = assumed(0.5)

    @property
    def per_user(self) -> bool:
        """Whether the critic has a value for each user; only an equivariant one can."""
        return self.credit == "per_user" and self.network == "equivariant"


class Td3(Ddpg):
    """TD3, Fujimoto et al. 2018: DDPG with twin critics, delayed and smoothed."""

    episodes: Count = assumed(500)
    discount: Annotated[Number, Field(ge=0, lt=1)] = assumed(
        0, "transitions do not depend on the action, so the best decision of a slot is best for good"
    )
    target_rate: Annotated[Number, Field(gt=0, le=1)] = assumed(0.005)
    actor_learning_rate: Tuned = assumed(0.0003)
    learning_rate_last: Share = assumed(
        0.05, "share of the learning rates that is left at the last slot; they fall linearly"
    )
    network: Literal["mlp", "equivariant"] = assumed("equivariant", "over users and models; else: mlp")
    critics: Annotated[Count, Field(le=8)] = assumed(2, "the target is the least of their values")
    credit: Literal["total", "per_user"] = assumed(
        "per_user", "each user's utility teaches that user's value, if the network is equivariant; else: total"
    )
    batch: Count = assumed(64)
    policy_delay: Count = assumed(2, "updates of the critics for each of the actor and the targets")
    target_noise: NotNegative = assumed(0.2, "standard deviation of the noise on the target actor's action")


class Sac(Section):
    """The soft actor-critic, Haarnoja et al. 2018."""

    episodes: Count = assumed(500)
    discount: Annotated[Number, Field(ge=0, lt=1)] = assumed(
        0, "transitions do not depend on the action, so the best decision of a slot is best for good"
    )
    target_rate: Annotated[Number, Field(gt=0, le=1)] = assumed(0.005)
    actor_learning_rate: Tuned = assumed(0.0003)
    critic_learning_rate: Tuned = assumed(0.001)
    learning_rate_last: Share = assumed(
        0.05, "share of the learning rates that is left at the last slot; they fall linearly"
    )
    network: Literal["mlp", "equivariant"] = assumed("equivariant", "over users and models; else: mlp")
    hidden_layers: Annotated[tuple[Count, ...], Field(min_length=1, max_length=32)] = assumed(
        (128, 128), "of the mlp"
    )
    width: Count = assumed(32, "of the equivariant network")
    layer_norm: Annotated[bool, Field(strict=True)] = assumed(False)
    critics: Annotated[Count, Field(le=8)] = assumed(2, "the target is the least of their values")
    credit: Literal["total", "per_user"] = assumed(
        "per_user", "each user's utility teaches that user's value, if the network is equivariant; else: total"
    )
    centring_rate: Share = assumed(0.03, "of the running mean that is subtracted from the critic's targets")
    batch: Count = assumed(64)
    replay_size: Annotated[Count, Field(le=10000000)] = assumed(25000)
    warmup_slots: Count = assumed(500, "slots with random actions before the first update")
    first_temperature: Tuned = assumed(0.05, "price of entropy at first")
    temperature_learning_rate: NotNegative = assumed(0.001)
    target_entropy: Number = assumed(-1, "for each number of an action")

    @property
    def per_user(self) -> bool:
        """Whether the critic has a value for each user; only an equivariant one can."""
        return self.credit == "per_user" and self.network == "equivariant"


class TwoTimescale(Td3):
    """For boxes, after the companion paper: DDPG for bandwidth and steps, double DQN for the cache."""

    episodes: Count = assumed(1000)
    discount: Annotated[Number, Field(ge=0, lt=1)] = assumed(
        0, "of bandwidth and steps, which change nothing for later slots"
    )
    cache_width: Count = assumed(32, "of the double DQN, a network over models")
    cache_learning_rate: Tuned = assumed(0.001)
    cache_discount: Annotated[Number, Field(ge=0, lt=1)] = assumed(
        0.9, "from one decision on the cache to the next"
    )
    cache_target_rate: Annotated[Number, Field(gt=0, le=1)] = assumed(0.01)
    cache_batch: Count = assumed(64)
    cache_replay_size: Annotated[Count, Field(le=10000000)] = assumed(20000)
    cache_updates: Annotated[Count, Field(le=100)] = assumed(4, "for each decision on the cache")
    chance_first: Share = assumed(1, "probability of a random cache")
    chance_last: Share = assumed(0.05)
    chance_until: Annotated[Tuned, Field(le=1)] = assumed(
        0.5, "share of the run after which that is reached, linearly"
    )


class Reinforce(Section):
    """REINFORCE in a simulator: several decisions a slot, each judged against the others."""

    episodes: Count = assumed(500)
    network: Literal["mlp", "equivariant"] = assumed("equivariant", "over users and models; else: mlp")
    hidden_layers: Annotated[tuple[Count, ...], Field(min_length=1, max_length=32)] = assumed(
        (128, 128), "of the mlp"
    )
    width: Count = assumed(32, "of the equivariant network")
    layer_norm: Annotated[bool, Field(strict=True)] = assumed(True)
    learning_rate: Tuned = assumed(0.002)
    learning_rate_last: Share = assumed(
        0.02, "share of the learning rate that is left at the end; it falls linearly"
    )
    decisions_per_slot: Annotated[Count, Field(ge=2)] = assumed(16)
    updates_per_episode: Count = assumed(4)
    noise_first: Tuned = assumed(2, "standard deviation of the noise, before squashing to [−1, 1]")
    noise_last: Tuned = assumed(0.3, "reached linearly at the end")
    limit: Tuned = assumed(4, "beyond it, before squashing, what the actor says is fined")


class AnyCell(Section):
    """The same over cells of any size, so that one policy serves them all."""

    episodes: Count = assumed(40000, "each slot of an episode is of a cell of its own")
    width: Count = assumed(64)
    layer_norm: Annotated[bool, Field(strict=True)] = assumed(True)
    learning_rate: Tuned = assumed(0.002)
    learning_rate_last: Share = assumed(
        0.02, "share of the learning rate that is left at the end; it falls linearly"
    )
    decisions_per_slot: Annotated[Count, Field(ge=2)] = assumed(16)
    updates_per_episode: Count = assumed(1)
    noise_first: Tuned = assumed(2, "standard deviation of the noise, before squashing to [−1, 1]")
    noise_last: Tuned = assumed(0.3, "reached linearly at the end")
    limit: Tuned = assumed(4, "beyond it, before squashing, what the actor says is fined")
    users: CountRange = assumed((5, 50), "of a cell, drawn uniformly")
    models: CountRange = assumed(
        (5, 30), "of a cell, drawn uniformly; their properties come from the scenario's ranges"
    )
    total_steps: StepsRange = assumed((500, 2000), "of a cell")
    storage_gb: GigabytesRange = assumed((10, 40), "of a cell")
    delay_weight: WeightRange = assumed((0.5, 0.9), "of a cell; the TV value has the rest")
    floor: Share = assumed(0.25, "share of the cells with the quality floor 'best'")

    @property
    def network(self) -> Literal["equivariant"]:
        """The only kind that serves cells of any size."""
        return "equivariant"


AgentSettings = Ddpg | Sac | Reinforce | AnyCell

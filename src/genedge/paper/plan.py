"""How large a study is: which catalogues, seeds, numbers of users and episodes."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from genedge.errors import InputError
from genedge.settings.reading import read_yaml
from genedge.text import in_brief

Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
# Test episodes are drawn together; this many are some gigabytes.
Episodes = Annotated[int, Field(strict=True, ge=1, le=100_000)]
Catalogues = Annotated[int, Field(strict=True, ge=1, le=10_000)]
# The presets' cells have 18 places, and their episodes 50 slots.
Users = Annotated[int, Field(strict=True, ge=1, le=18)]
Slots = Annotated[int, Field(strict=True, ge=1, le=50)]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**32)]
Rate = Annotated[float, Field(gt=0, le=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Population = Annotated[int, Field(strict=True, ge=2, le=100_000, multiple_of=2)]
Several = Field(min_length=1, max_length=1000)


class Plan(BaseModel):
    """The size of a study.

    Attributes:
        catalogues: seeds of the scenario, each a catalogue of its own, on which agents are trained.
        seeds: of training, on each catalogue.
        users: numbers of users over which the figures run.
        episodes: that the paper's agent trains; fewer than 500 is not the paper's.
        learner_episodes: that our best learner trains.
        test_episodes: on which everything is measured, unseen in training.
        learning_rates: of the paper's actor, and of its critic, each varied alone.
        alphas: weights of the delay in the trade-off.
        budgets: of the genetic algorithm, population and generations each.
        bound_catalogues: how many catalogues tell what anyone could reach.
        bound_episodes: test episodes of each.
        sensitivity_catalogues: how many catalogues tell what an assumption changes.
        sensitivity_episodes: test episodes of each.
        watched_slots: slots of the animation.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    catalogues: Annotated[tuple[Seed, ...], Several]
    seeds: Annotated[tuple[Seed, ...], Several]
    users: Annotated[tuple[Users, ...], Several]
    episodes: Count
    learner_episodes: Count
    test_episodes: Episodes
    learning_rates: Annotated[tuple[Rate, ...], Several]
    alphas: Annotated[tuple[Share, ...], Several]
    budgets: Annotated[tuple[tuple[Population, Count], ...], Several]
    bound_catalogues: Catalogues
    bound_episodes: Episodes
    sensitivity_catalogues: Catalogues
    sensitivity_episodes: Episodes
    watched_slots: Slots


FULL = Plan(
    catalogues=(1, 2, 3, 4, 5),
    seeds=(0, 1, 2),
    users=(10, 12, 14, 16, 18),
    episodes=500,
    learner_episodes=500,
    test_episodes=20,
    learning_rates=(1e-6, 1e-5, 1e-4, 1e-3, 1e-2),
    alphas=(0.1, 0.3, 0.5, 0.7, 0.9),
    budgets=((2, 1), (10, 1), (100, 1), (100, 5), (100, 20), (100, 50), (100, 200)),
    bound_catalogues=60,
    bound_episodes=4,
    sensitivity_catalogues=6,
    sensitivity_episodes=2,
    watched_slots=20,
)
QUICK = FULL.model_copy(
    update={
        "catalogues": (1, 2, 3),
        "seeds": (0,),
        "users": (10, 18),
        "episodes": 60,
        "learner_episodes": 60,
        "test_episodes": 4,
        "learning_rates": (1e-6, 1e-4, 1e-2),
        "alphas": (0.1, 0.5, 0.9),
        "budgets": ((2, 1), (100, 1), (100, 10), (100, 50)),
        "bound_catalogues": 12,
        "bound_episodes": 2,
        "sensitivity_catalogues": 3,
        "sensitivity_episodes": 1,
        "watched_slots": 10,
    }
)
PLANS: Mapping[bool, Plan] = MappingProxyType({False: FULL, True: QUICK})


def changed(plan: Plan, changes: Sequence[str]) -> Plan:
    """A plan with some sizes changed.

    Args:
        plan: the plan.
        changes: `key=value` each, with YAML values, such as `seeds=[0, 1]`.

    Returns:
        The changed plan.

    Raises:
        InputError: there is no such size, or its value makes no sense.
    """
    tree: dict[str, Any] = plan.model_dump()
    for change in changes:
        key, equals, text = change.partition("=")
        told = f"--plan {in_brief(change)}"
        if not equals or key not in tree:
            raise InputError(f"{told}: write key=value, the key one of {', '.join(tree)}")
        value = read_yaml(text, told)
        several = isinstance(tree[key], tuple)
        if several:
            value = tuple(
                tuple(x) if isinstance(x, list) else x for x in (value if isinstance(value, list) else [value])
            )
            if all(isinstance(x, int | float) for x in value):
                value = tuple(sorted(value))
        tree[key] = value
        try:
            tree = Plan(**tree).model_dump()
        except ValidationError as e:
            raise InputError(f"{told}: {e.errors()[0]['msg']}") from None
        if several and len(set(tree[key])) < len(tree[key]):
            raise InputError(f"{told}: a value is there twice; give each once")
    return Plan(**tree)

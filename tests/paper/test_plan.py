"""The size of a study, and how it is changed."""

import pytest

from genedge.errors import InputError
from genedge.paper.plan import FULL, PLANS, QUICK, changed


def test_the_full_plan_is_the_papers():
    assert FULL.users == (10, 12, 14, 16, 18)
    assert FULL.episodes == 500
    assert len(FULL.learning_rates) >= 5
    assert len(FULL.seeds) >= 3
    assert len(FULL.catalogues) >= 3
    assert len(FULL.budgets) >= 3
    assert PLANS[True] is QUICK


def test_sizes_stand_in_order():
    assert changed(QUICK, ["users=[18, 10, 14]"]).users == (10, 14, 18)


def test_sizes_can_be_changed():
    plan = changed(QUICK, ["seeds=[4, 5]", "episodes=7", "users=12", "budgets=[[10, 2]]"])
    assert (plan.seeds, plan.episodes, plan.users, plan.budgets) == ((4, 5), 7, (12,), ((10, 2),))
    assert (
        plan.model_copy(update={k: getattr(QUICK, k) for k in ("seeds", "episodes", "users", "budgets")}) == QUICK
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("episodes", "write key=value"),
        ("epsiodes=3", "one of catalogues, seeds"),
        ("episodes=0", "greater than or equal to 1"),
        ("episodes=many", "valid integer"),
        ("seeds=[]", "at least 1 item"),
        ("seeds=[1, 1]", "twice"),
        ("users=[10, -2]", "greater than or equal to 1"),
        ("alphas=[1.5]", "less than or equal to 1"),
        ("budgets=[[3, 1]]", "multiple of 2"),
        ("budgets=[[200000, 1]]", "less than or equal to 100000"),
        ("episodes=1000000000000", "less than or equal to 1000000"),
        ("test_episodes=1000000", "less than or equal to 100000"),
        ("bound_catalogues=100000", "less than or equal to 10000"),
        (f"seeds={list(range(1001))}", "at most 1000 items"),
        ("seeds=[1", "not valid YAML"),
        ("users=2024-13-01", "valid integer"),
        ("users=&a [*a]", "not valid YAML: anchors"),
        ("users=[20]", "less than or equal to 18"),
        ("watched_slots=60", "less than or equal to 50"),
    ],
)
def test_sizes_that_make_no_sense(change, message):
    with pytest.raises(InputError, match=message):
        changed(FULL, [change])

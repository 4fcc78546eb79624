"""The size of a study, and how it is changed."""

import numpy as np
import pytest

from genedge.errors import InputError
from genedge.paper.plan import FULL, PLANS, QUICK, changed
from genedge.scenario import load_scenario


def test_the_full_plan_is_the_papers():
    """From the preset's users to as many as its places, for as long as the paper trains; several of all else."""
    paper = load_scenario("paper")
    cell, episodes = paper.settings.cell, paper.table["ddpg.episodes"]
    assert (FULL.users[0], FULL.users[-1]) == (cell.users, cell.places)
    assert set(np.diff(FULL.users)) == {2}
    assert (FULL.episodes, "paper") == (episodes.value, episodes.provenance)
    for sizes in (FULL.learning_rates, FULL.seeds, FULL.catalogues, FULL.budgets):
        assert len(sizes) >= 3


def test_the_quick_plan_is_a_smaller_one():
    assert PLANS == {True: QUICK, False: FULL}
    for key, full in FULL:
        quick = getattr(QUICK, key)
        assert (len(quick), max(quick)) <= (len(full), max(full)) if isinstance(full, tuple) else quick <= full


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

"""What is certified with deadlines and fairness: a bound, held against every decision that small cells have."""

import jax
import numpy as np
import pytest
from every_decision import every_decision, small

import genedge
from genedge.cell.feasible import action_size, decode
from genedge.cell.types import Decision
from genedge.errors import InputError
from genedge.optimum import certify, solve_optimal, solve_priced
from genedge.optimum.bandwidth import links, split
from genedge.optimum.certificate import certified, objective
from genedge.optimum.unavoidable import unavoidable
from genedge.policies import policy
from genedge.scenario import load_scenario

ONES = ("objective.deadline_s=22", "objective.fairness_per_s=2", "objective.energy_per_step=0.02")
CASES = [
    ("objective.deadline_s=12", "objective.late_penalty=30"),
    ("objective.deadline_s=4", "objective.late_penalty=30"),
    ("objective.fairness_per_s=3",),
    ONES,
    (*ONES, "server.quality_floor.largest_tv=60"),
    (*ONES, "radio.outage_gain_db=-95", "radio.outage_delay_s=40"),
    (*ONES, "radio.noise_bandwidth=whole", "objective.alpha=0.1"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(part.rpartition(".")[2] for part in case))
def test_no_decision_of_a_small_cell_is_below_the_bound(case) -> None:
    params, slots = small(case)
    assert certified(params) == "bound"
    solved = solve_optimal(params, slots)
    assert (solve_priced(params, slots).lower_bound <= solved.lower_bound + 1e-6).all()
    certificate = certify(params, slots, *solved)
    assert (certificate.gap >= 0).all()
    for k in range(4):
        many, decided = every_decision(params, slots, k)
        least = objective(params, many, decided).min()
        assert solved.lower_bound[k] <= least
        # And it is no empty promise.
        assert solved.lower_bound[k] > 0.5 * least


@pytest.mark.parametrize("case", [ONES, ONES[1:2]])
def test_no_decision_of_a_learner_is_below_it_either(case) -> None:
    scenario = load_scenario("paper", [*case, "cell.users=6"])
    drawn = genedge.sample_episode(scenario.params, jax.random.key(1), users=6, places=6, slots=50)
    slots = jax.tree.map(np.asarray, drawn)
    bound = solve_priced(scenario.params, slots).lower_bound
    rng = np.random.default_rng(0)
    for _ in range(20):
        action = rng.uniform(-1, 1, (50, action_size(10, 6))).astype(np.float32)
        decision = jax.tree.map(np.asarray, decode(scenario.params, slots, action))
        assert (objective(scenario.params, slots, decision) >= bound).all()


def test_the_largest_delay_that_nobody_avoids_is_attained_where_nothing_else_matters() -> None:
    """One model, cached: with equal radio all users are alike, and equal shares attain the bound."""
    scenario = load_scenario(
        "paper", ["models.count=1", "objective.fairness_per_s=1", "cell.users=4", "requests.input_size_mb=7"]
    )
    drawn = genedge.sample_episode(scenario.params, jax.random.key(0), users=4, places=4, slots=3)
    slots = jax.tree.map(np.asarray, drawn)
    slots = slots._replace(gain=np.broadcast_to(slots.gain[:, :1], (3, 4)))
    equal = Decision(np.ones((3, 1), bool), np.full((3, 4), 0.25), np.zeros((3, 4)))
    largest = genedge.score(scenario.params, slots, equal).delay_s.max(axis=-1)
    assert unavoidable(scenario.params, slots) == pytest.approx(largest, rel=1e-8)


def test_as_many_are_in_time_as_shares_allow() -> None:
    """Against all orders in which users could be given what they need."""
    scenario = load_scenario("paper", ["objective.deadline_s=7", "objective.late_penalty=1", "cell.users=5"])
    drawn = genedge.sample_episode(scenario.params, jax.random.key(2), users=5, places=5, slots=6)
    slots = jax.tree.map(np.asarray, drawn)
    late = unavoidable(scenario.params, slots)
    link = links(scenario.params, jax.tree.map(lambda x: np.asarray(x, x.dtype), slots))
    for share in (split(link, compiled=False), np.full((6, 5), 0.2)):
        for cache in (np.zeros((6, 10), bool), np.eye(10, dtype=bool)[slots.requests[:, 0]]):
            decision = Decision(cache, share, np.zeros((6, 5)))
            delay_s = genedge.score(scenario.params, slots, decision).delay_s
            assert (late <= (delay_s > 7).sum(axis=-1)).all()
    assert late.max() > late.min()


def test_policies_say_what_they_cannot_promise(tmp_path) -> None:
    bound = load_scenario("paper", ONES)
    with pytest.raises(InputError) as error:
        policy("optimal", bound)
    assert str(error.value) == (
        "policy 'optimal': with objective.deadline_s, objective.fairness_per_s or server.generates_at_once, or a "
        "curve that falls steeper again after a flatter piece, a bound is known and no optimum; take 'priced'"
    )
    policy("priced", bound)
    mine = tmp_path / "mine.py"
    mine.write_text("def cost(delay_s, tv, hit, steps, active):\n    return delay_s\n")
    own = load_scenario("paper", [f"objective.function={mine}:cost"])
    assert certified(own.params) == "none"
    for name in ("optimal", "priced"):
        with pytest.raises(InputError) as error:
            policy(name, own)
        assert str(error.value) == (
            f"policy {name!r}: of objective.function, a cost of your own, no optimum and no bound is known; leave "
            f"it out"
        )
    slots = genedge.sample_episode(own.params, jax.random.key(0), users=3, places=3, slots=2)
    with pytest.raises(
        InputError, match=r"^objective.function is a cost of your own, of which no optimum and no bound"
    ):
        solve_priced(own.params, slots)
    assert certified(load_scenario("paper").params) == "exact"
    assert certified(load_scenario("paper", ["objective.energy_per_step=1"]).params) == "exact"

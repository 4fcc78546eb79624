"""The bar: nothing that is the same for all slots costs less, and it is served wherever other policies are."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from command_line import call

from genedge import evaluate
from genedge.cell.feasible import breaches, equal_shares, in_float64
from genedge.cell.sampling import sample_episode, sample_episodes
from genedge.cell.service import serve, total_utility
from genedge.cell.types import Decision
from genedge.errors import InputError
from genedge.optimum.certificate import objective
from genedge.optimum.fixed import _asked, _best_steps, allotments, best_fixed, decide_fixed
from genedge.policies import policy
from genedge.precision import in_single
from genedge.scenario import load_scenario

KEY = jax.random.key(3)
SMALL = ("models.count=5", "server.storage_gb=14")
OWN = """
import jax.numpy as jnp

def late(delay_s, tv, hit, steps, active):
    return delay_s**2 / 50 + 0.3 * tv
"""
OBJECTIVES = {
    "the paper's": (),
    "quality": ("objective.alpha=0.1", "server.total_steps=400"),
    "in between": ("objective.alpha=0.3", "server.total_steps=400"),
    "best floor": ("server.quality_floor={largest_tv: best}", "server.total_steps=700"),
    "floor of steps": ("server.quality_floor={least_steps: 90}", "objective.alpha=0.3", "server.total_steps=700"),
    "energy": ("objective.energy_per_step=0.05", "objective.alpha=0.2"),
    "outages": ("radio.outage_gain_db=-97", "radio.outage_delay_s=33", "objective.alpha=0.2"),
}
SEARCHED = {
    "fairness": ("objective.fairness_per_s=2",),
    "deadline": ("objective.deadline_s=20", "objective.late_penalty=40", "objective.alpha=0.3"),
}


def slots_of(scenario, users, count, seed=0):
    slots = sample_episode(in_single(scenario.params), jax.random.key(seed), users, users, count)
    return jax.tree.map(np.asarray, slots)


def exchangeable(slots):
    """The same slots once more for every order of their users, who then cannot be told apart."""
    orders = itertools.permutations(range(slots.requests.shape[1]))
    turned = [
        jax.tree.map(lambda x, order=order: x[:, list(order)] if x.ndim > 1 else x, slots) for order in orders
    ]
    return jax.tree.map(lambda *each: np.concatenate(each), *turned)


def fitting(params):
    caches = np.array(list(itertools.product([False, True], repeat=len(params.models.A1))))
    return caches[caches @ params.models.storage_gb <= params.C]


def feasible(params, cache, steps):
    """Whether every user of a cache gets its floor."""
    return (params.models.floor_steps[cache] <= steps.min() * (1 + 1e-6)).all()


def cost_of(params, slots, cache, steps):
    """Float64 NumPy, which shares no code with what chose: who is there gets the steps, the first one first."""
    rank = np.maximum(slots.active.cumsum(axis=1) - 1, 0)
    shares = np.where(slots.active, steps[rank] / params.S, 0.0)
    caches = np.broadcast_to(cache, (len(slots.skew), len(cache)))
    return objective(params, slots, Decision(caches, np.asarray(equal_shares(slots), float), shares)).mean()


@pytest.mark.parametrize("changes", OBJECTIVES.values(), ids=OBJECTIVES)
def test_no_cache_with_any_steps_that_some_model_asks_for_costs_less(changes):
    scenario = load_scenario("paper", (*SMALL, *changes))
    params, slots = scenario.params, exchangeable(slots_of(scenario, 3, 30))
    fixed = best_fixed(params, slots)
    levels = np.unique([0, *params.models.A3, *params.models.floor_steps[params.models.floor_steps <= params.S]])
    # In any order, as users cannot be told apart; but where some are out of reach, who is there comes first.
    shared = [
        np.array(each) for each in itertools.combinations_with_replacement(levels[::-1], 3) if sum(each) <= params.S
    ]
    tried = [
        cost_of(params, slots, cache, steps)
        for steps in shared
        for cache in fitting(params)
        if feasible(params, cache, steps)
    ]
    ours = cost_of(params, slots, fixed.cache, fixed.steps)
    assert len(tried) > 20
    assert ours <= min(tried) * (1 + 1e-6)


@pytest.mark.parametrize(
    ("name", "users"),
    [
        ("the paper's", 3),
        ("quality", 3),
        ("in between", 2),
        ("in between", 3),
        ("floor of steps", 3),
        ("energy", 2),
    ],
)
def test_no_steps_of_a_grid_cost_noticeably_less(name, users):
    """All ways to share S in 40 parts, priced by `serve` from tables: what each step and model costs on average."""
    scenario = load_scenario("paper", (*SMALL, *OBJECTIVES[name]))
    params, slots = scenario.params, exchangeable(slots_of(scenario, users, 60))
    count, models = slots.requests.shape[0], len(params.models.A1)
    grid = np.linspace(0, params.S, 41)
    asked = np.eye(models)[slots.requests[:, 0]]

    def of_first(cached, steps):
        """Cost of the first user, on average over slots, for each model that it may ask for."""
        cache, shares = np.full((count, models), cached), np.full(slots.requests.shape, steps / params.S)
        utility = serve(params, slots, Decision(cache, equal_shares(slots), shares)).utility
        return np.asarray(utility, float)[:, 0] @ asked / count

    cloud, here = of_first(False, 0.0), np.array([of_first(True, steps) for steps in grid])
    least = np.inf
    for cache in fitting(params):
        enough = grid >= params.models.floor_steps[cache].max(initial=0)
        of_steps = np.where(enough, np.where(cache, here, cloud).sum(axis=1), np.inf)
        ways = itertools.combinations_with_replacement(range(41), users)
        least = min(least, *(of_steps[list(way)].sum() for way in ways if sum(way) <= 40))
    fixed = best_fixed(params, slots)
    assert cost_of(params, slots, fixed.cache, fixed.steps) <= least * (1 + 1e-4)
    assert fixed.steps.sum() <= params.S * (1 + 1e-6)


def test_more_than_two_kinds_of_users():
    """One model that asks for many steps, one that asks for few: some users get those, one these, one none."""
    model = "{{storage_gb: 5, output_size_mb: 5, A1_steps: {0}, A2_tv: {2}, A3_steps: {1}, A4_tv: 5, {3}}}"
    rest = "B1_s_per_step: 0.001, B2_s: 1"
    models = f"models=[{model.format(8, 10, 60, rest)}, {model.format(97, 100, 140, rest)}]"
    scenario = load_scenario("paper", [models, "backhaul.to_cloud_mbit_per_s=0.5", "server.total_steps=120"])
    params, slots = scenario.params, slots_of(scenario, 4, 400)
    fixed = best_fixed(params, slots)
    ours = cost_of(params, slots, fixed.cache, fixed.steps)
    both = np.array([True, True])
    assert ours <= cost_of(params, slots, both, np.array([100.0, 10, 10, 0])) * (1 + 1e-6)
    np.testing.assert_allclose(fixed.steps, [100, 10, 10, 0])
    assert not any(np.array_equal(np.sort(way), [0, 10, 10, 100]) for way in allotments(params, 4))


def test_no_cache_with_its_own_best_steps_costs_less():
    """Cells drawn at random, of models that ask for few steps and for many; all caches that fit."""
    rng = np.random.default_rng(2)
    paper = load_scenario("paper", ["models.count=5"])
    slots = slots_of(paper, 4, 100)
    for _ in range(12):
        A1 = rng.uniform(10, 95, 5)
        models = paper.params.models._replace(
            **{"A1": A1, "A3": A1 + rng.uniform(10, 140, 5), "A4": rng.uniform(0, 50, 5)},
            **{"B1": rng.uniform(0, 0.5, 5), "storage_gb": rng.uniform(2, 10, 5)},
        )
        alpha = rng.choice([0.1, 0.3, 0.5])
        params = paper.params._replace(models=models, S=np.array(rng.choice([100.0, 300.0, 800.0])))
        params = params._replace(delay_weight=np.array(alpha), tv_weight=np.array(1 - alpha))
        params = params._replace(R_bc=params.R_bc / rng.choice([1.0, 5.0, 30.0]))
        asked = _asked(params, slots)
        tried = [cost_of(params, slots, cache, _best_steps(params, asked, cache)) for cache in fitting(params)]
        chosen = best_fixed(params, slots)
        assert cost_of(params, slots, chosen.cache, chosen.steps) <= min(tried) * (1 + 1e-4)


def test_storage_is_filled_to_the_last_byte():
    """Three models that fill it exactly are held, although none is a whole two-thousandth of it."""
    model = "{{storage_gb: {0}, output_size_mb: 5, A1_steps: 50, A2_tv: 20, A3_steps: 150, A4_tv: 10, {1}}}"
    models = [model.format(gb, "B1_s_per_step: 0.1, B2_s: 1") for gb in (6.6667, 6.6666, 6.6667, 6.6667)]
    scenario = load_scenario("paper", [f"models=[{', '.join(models)}]"])
    fixed = best_fixed(scenario.params, slots_of(scenario, 3, 50))
    assert fixed.cache.sum() == 3


def test_equal_bandwidth_is_best_for_users_who_cannot_be_told_apart():
    scenario = load_scenario("paper", SMALL)
    params, slots = scenario.params, exchangeable(slots_of(scenario, 3, 60))
    fixed = best_fixed(params, slots)
    cache = np.broadcast_to(fixed.cache, (len(slots.skew), 5))

    def cost(*shares):
        bandwidth = np.broadcast_to(np.array(shares), slots.requests.shape)
        return objective(params, slots, Decision(cache, bandwidth, np.zeros(bandwidth.shape))).mean()

    equal = cost(1 / 3, 1 / 3, 1 / 3)
    assert equal < cost(0.34, 0.33, 0.33) < cost(0.4, 0.3, 0.3) < cost(0.6, 0.3, 0.1)
    # Of drawn users, who are alike but for chance, no other shares are better by more than that.
    drawn = slots_of(scenario, 3, 2000, seed=1)
    cache = np.broadcast_to(fixed.cache, (2000, 5))
    slots = drawn
    assert cost(1 / 3, 1 / 3, 1 / 3) < min(cost(0.37, 0.32, 0.31), cost(0.31, 0.37, 0.32), cost(0.32, 0.31, 0.37))


@pytest.mark.parametrize("name", [*SEARCHED, "own"])
def test_what_is_no_sum_over_models_is_searched(name, tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    own = (f"objective.function={tmp_path}/mine.py:late", "objective.alpha=0.3")
    scenario = load_scenario("paper", (*SMALL, *SEARCHED.get(name, own)))
    params, slots = in_single(scenario.params), exchangeable(slots_of(scenario, 2, 30))
    fixed = best_fixed(scenario.params, slots)

    def cost(each):
        return float(total_utility(params, slots, decide_fixed(params, slots, each)).mean())

    ways = allotments(scenario.params, 2)
    tried = [cost(fixed._replace(cache=cache, steps=way)) for cache in fitting(scenario.params) for way in ways]
    assert cost(fixed) <= min(tried) * (1 + 1e-6)


CELLS = {
    **OBJECTIVES,
    **SEARCHED,
    "no storage": ("server.storage_gb=0",),
    "one model": ("models.count=1",),
    "many models": ("models.count=60", "objective.alpha=0.2"),
    "moving": ("mobility.model=random-waypoint", "channel.model=block-fading"),
}


@pytest.mark.parametrize(
    ("changes", "users"),
    [*((changes, 5) for changes in CELLS.values()), (CELLS["in between"], 1)],
    ids=[*CELLS, "one user"],
)
def test_it_keeps_every_constraint_and_costs_no_more_than_the_cloud(changes, users):
    scenario = load_scenario("paper", ("cell.slots_per_episode=3", *changes))
    slots = slots_of(scenario, users, 20, seed=2)
    decision = in_float64(policy("constant", scenario)(scenario.params, slots, KEY))
    assert breaches(scenario.params, slots, decision) == []
    again = policy("constant", scenario)(scenario.params, slots, jax.random.key(8))
    jax.tree.map(np.testing.assert_array_equal, decision, in_float64(again))
    assert (decision.cache == decision.cache[0]).all()
    # On what it was chosen on, nothing cached is no better.
    T, params = 3, in_single(scenario.params)
    drawn = sample_episodes(params, jax.random.key(0), users, users, T, 40)
    chosen_on = jax.tree.map(lambda x: np.asarray(x).reshape(-1, *x.shape[2:]), drawn)
    ours, cloud = (
        float(total_utility(params, chosen_on, policy(name, scenario)(scenario.params, chosen_on, KEY)).mean())
        for name in ("constant", "cloud-only")
    )
    assert ours <= cloud * (1 + 1e-5)


def test_fifty_users():
    scenario = load_scenario(
        "paper", ("cell.slots_per_episode=4", "objective.alpha=0.1", "server.total_steps=10000")
    )
    slots = slots_of(scenario, 50, 10)
    decision = in_float64(policy("constant", scenario)(scenario.params, slots, KEY))
    assert breaches(scenario.params, slots, decision) == []
    assert decision.steps.any()


def test_it_works_traced_and_is_chosen_then_too():
    scenario = load_scenario("paper", ("cell.slots_per_episode=3", "objective.alpha=0.2"))
    slots = jax.tree.map(jnp.asarray, slots_of(scenario, 4, 6))
    first_asked_inside = policy("constant", scenario)
    params = in_single(scenario.params)
    traced = jax.jit(first_asked_inside)(params, slots, KEY)
    plain = policy("constant", scenario)(scenario.params, slots, KEY)
    jax.tree.map(np.testing.assert_array_equal, traced, plain)
    pairs = jax.tree.map(lambda x: x.reshape(3, 2, *x.shape[1:]), slots)
    mapped = jax.vmap(first_asked_inside, (None, 0, None))(params, pairs, KEY)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a.reshape(b.shape), b), mapped, plain)


def test_slots_of_a_file_are_not_looked_at(tmp_path):
    changes = ("cell.slots_per_episode=3", "objective.alpha=0.2")
    given = [word for change in changes for word in ("--set", change)]
    file = tmp_path / "slots.jsonl"
    file.write_text(call("slots", "--users", 4, "--count", 6, "--seed", 5, *given).out)
    scenario, recorded = load_scenario("paper", changes), load_scenario("paper", changes, file)
    slots = slots_of(scenario, 4, 3)
    expected = policy("constant", scenario)(scenario.params, slots, KEY)
    jax.tree.map(np.testing.assert_array_equal, expected, policy("constant", recorded)(recorded.params, slots, KEY))
    told = evaluate(recorded, {"constant": policy("constant", recorded)}, [4], 2, 0, lambda text: None)
    assert told.as_json()["results"][0]["decisions"] == 1


def test_who_is_there_has_what_the_first_places_have():
    scenario = load_scenario("paper", ("cell.slots_per_episode=3", "objective.alpha=0.2"))
    slots = slots_of(scenario, 4, 3)
    fewer = slots._replace(active=slots.active & (np.arange(4) != 1))
    decide = policy("constant", scenario)
    whole, part = (in_float64(decide(scenario.params, each, KEY)) for each in (slots, fewer))
    assert breaches(scenario.params, fewer, part) == []
    np.testing.assert_array_equal(whole.cache, part.cache)
    # Who is there moves up.
    np.testing.assert_allclose(part.steps[:, [0, 2, 3]], whole.steps[:, :3])
    np.testing.assert_allclose(part.bandwidth[:, [0, 2, 3]], 1 / 3)


def test_another_catalogue_is_refused():
    scenario = load_scenario("paper", ("cell.slots_per_episode=3",))
    other = load_scenario("paper", SMALL)
    with pytest.raises(InputError, match="chosen for 10 models, not for 5"):
        policy("constant", scenario)(other.params, slots_of(other, 4, 3), KEY)

"""Rules for boxes: what they hold, that they keep every constraint, and that none of them looks ahead."""

import jax
import numpy as np
import pytest

from genedge.cell.feasible import breaches, fitting_caches
from genedge.cell.memory import loads
from genedge.cell.sampling import sample_episodes
from genedge.env.episodes import EpisodePolicy, follow
from genedge.errors import InputError
from genedge.evaluation.scoring import score
from genedge.learn.runs import create_run
from genedge.optimum.dynamic import regret, solver
from genedge.policies import box_constant, policy
from genedge.policies.box_constant import best_set, costs_of_sets
from genedge.policies.box_shares import share, share_steps
from genedge.policies.boxes import box_policy
from genedge.registry import for_boxes
from genedge.scenario import load_scenario

USERS, SLOTS, EPISODES = 5, 12, 6
QUICK = ["hcras.population=8", "hcras.generations=3", f"cell.slots_per_episode={SLOTS}", f"cell.users={USERS}"]
VARIANTS = {
    "edge-box": (),
    "pinned, every slot": ("server.pinned=[4]", "server.cache_every_slots=1"),
    "when requests are known": ("server.cache_every_slots=null",),
    "no floor": ("server.quality_floor=null",),
    "neither floor nor offload": ("server.quality_floor=null", "server.offload=false"),
    "only a shared cloud": (
        "server.cache_every_slots=null",
        "models.load_s=0",
        "server.offload=false",
        "server.quality_floor={least_steps: 20}",
    ),
}
# The optimum asks for a floor and for offload.
EVERYWHERE = [name for name in for_boxes() if name != "optimal"]


def box(*changes):
    return load_scenario("edge-box", [*QUICK, *changes])


def drawn(s, seed=3, episodes=EPISODES):
    slots = sample_episodes(s.params, jax.random.key(seed), USERS, USERS, SLOTS, episodes)
    return jax.tree.map(np.asarray, slots)


def followed(s, name, slots):
    return follow(s.params, box_policy(name, s, solver(s.params, USERS, SLOTS)), slots, jax.random.key(1))


@pytest.mark.heavy
@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_every_rule_keeps_every_constraint(changes):
    s = box(*changes)
    slots = drawn(s)
    for name in EVERYWHERE:
        met, decision = followed(s, name, slots)
        assert breaches(s.params, met, decision) == [], name
        assert np.isfinite(score(s.params, met, decision).utility).all()


@pytest.mark.parametrize("name", for_boxes())
def test_no_rule_looks_ahead(name):
    s = box()
    slots, others = drawn(s), drawn(s, seed=4)
    change_at = 7

    def spliced(a, b):
        return np.concatenate([a[:, :change_at], b[:, change_at:]], axis=1)

    met, decision = followed(s, name, slots)
    _, other = followed(s, name, jax.tree.map(spliced, slots, others))
    assert met.skew.shape == (EPISODES, SLOTS)
    for field in ("cache", "bandwidth", "steps"):
        np.testing.assert_array_equal(
            getattr(decision, field)[:, :change_at], getattr(other, field)[:, :change_at], err_msg=field
        )


def alike(s, requests):
    """One episode in which everybody asks for the models given, slot by slot."""
    slots = drawn(s, episodes=1)
    asked = np.array(requests)[None, :, None] + np.zeros((1, 1, USERS), int)
    return jax.tree.map(lambda x: x[:, : len(requests)], slots)._replace(requests=asked)


# Two of the three models fit; loads end within the slot in which they begin.
ONE = (
    "{storage_gb: 7, output_size_mb: 7, A1_steps: 5, A2_tv: 120, A3_steps: 30, A4_tv: 20, B1_s_per_step: 0.1, "
    "B2_s: 2, load_s: 10}"
)
THREE = [f"models=[{ONE}, {ONE}, {ONE}]", "server.cache_every_slots=1", "requests.rank_drift=0"]


@pytest.mark.parametrize(
    ("name", "requests", "held"),
    [
        # What each holds when the next slot begins.
        ("lru", [0, 2, 1, 1, 0], ["01", "02", "12", "12", "01"]),
        ("lfu", [0, 2, 2, 1, 2], ["01", "02", "02", "02", "02"]),
        # Model 2 has a higher rate than 1 at the fourth slot, but not by a fifth; then it has.
        ("popularity", [0, 0, 1, 2, 2], ["01", "01", "01", "01", "02"]),
        ("keep-forever", [2, 2, 2, 2, 2], ["01"] * 5),
        ("cloud-only", [0, 1, 0, 1, 0], [""] * 5),
        ("greedy", [2, 2, 0, 0, 1], None),
    ],
)
def test_what_is_held(name, requests, held):
    s = box(*THREE)
    met, decision = followed(s, name, alike(s, requests))
    names = ["".join(map(str, np.flatnonzero(cache))) for cache in decision.cache[0]]
    if held is None:
        # The cache with the most hits among what was just asked for.
        assert all(str(asked) in name for asked, name in zip(requests, names, strict=True))
    else:
        assert names == held
    # A load takes the slot in which it begins.
    begun = np.asarray(loads(s.params, met.memory, decision.cache))[0]
    for t in range(len(requests) - 1):
        assert (met.memory.wait[0, t + 1][begun[t]] == 1).all()


def test_forecast_loads_what_popularity_will_pay_for_and_not_what_takes_too_long():
    quick = box(*THREE)
    slots = alike(quick, [2, 2, 2, 2, 2])
    swapped = np.array([2, 0, 1]) + np.zeros((1, 5, 1), int)
    popular = slots._replace(ranking=swapped)
    assert (followed(quick, "forecast", popular)[1].cache[0, :, 2]).all()
    slow = box(*(change.replace("load_s: 10", "load_s: 400") for change in THREE))
    assert not followed(slow, "forecast", popular)[1].cache[0, :, 2].any()


def test_steps_go_to_all_where_there_are_enough_and_to_nobody_where_there_are_none():
    plenty, none = box("server.total_steps=100000"), box("server.total_steps=1")
    slot = jax.tree.map(lambda x: x[:, 0], drawn(plenty))
    everything = np.ones((EPISODES, 5), bool)
    steps = share_steps(plenty.params, slot, everything) * float(plenty.params.S)
    np.testing.assert_allclose(steps, plenty.params.models.A3[slot.requests], rtol=1e-9)
    assert not share_steps(none.params, slot, everything).any()
    assert not share_steps(plenty.params, slot, ~everything).any()


def test_a_policy_of_ones_own_sees_the_memory(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from genedge.policies.box_shares import share\n"
        "def keep(params, slots, key):\n"
        "    assert slots.memory.held.shape == (6, 5)\n"
        "    return share(params, slots, slots.memory.held)\n"
    )
    s = box()
    slots = drawn(s)
    for ours, theirs in zip(
        followed(s, f"{file}:keep", slots)[1], followed(s, "keep-forever", slots)[1], strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


REMEMBERING = """
import numpy as np
from genedge.extend import EpisodePolicy
from genedge.policies.box_shares import share

def first(episodes):
    return 1, np.zeros((episodes, 5))

def decide(params, carry, slots, key):
    now, last = carry
    asked = ((slots.requests[..., None] == np.arange(5)) & slots.active[..., None]).sum(axis=1)
    last = np.where(asked > 0, now + asked / (1 + asked.sum(axis=1, keepdims=True)), last)
    rank, held = last + 1e-3 * (1 + slots.memory.held), np.zeros(last.shape, bool)
    for e, m in [(e, m) for e in range(len(rank)) for m in np.argsort(-rank[e], kind="stable")]:
        held[e, m] = held[e] @ params.models.storage_gb + params.models.storage_gb[m] <= params.C
    return (now + 1, last), share(params, slots, held)

recent = EpisodePolicy(first, decide)
broken = EpisodePolicy(lambda episodes: 1 / 0, decide)
forgetful = EpisodePolicy(lambda episodes: None, decide)
short = EpisodePolicy(first, lambda *asked: (None, decide(*asked)[1]._replace(steps=np.zeros(3))))
"""


def test_a_policy_of_ones_own_remembers(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(REMEMBERING)
    s = box("server.quality_floor=null")
    slots = drawn(s)
    met, ours = followed(s, f"{file}:recent", slots)
    assert breaches(s.params, met, ours) == []
    assert (np.diff(ours.cache.astype(int), axis=1) != 0).any()
    # Of models for which there is room alone, it holds one that was asked for last, as often as any.
    for e, t in np.ndindex(met.skew.shape):
        count = np.bincount(met.requests[e, t], minlength=5)
        assert ours.cache[e, t, count == count.max()].any()
    for name, message in {
        "broken": r"mine\.py line 19: broken fails: ZeroDivisionError",
        "forgetful": r"mine\.py line 10: forgetful fails: TypeError",
        "short": r"mine\.py: what short returns: decision\.steps has shape",
    }.items():
        with pytest.raises(InputError, match=message):
            followed(s, f"{file}:{name}", slots)


def never():
    raise AssertionError("nobody asked for the optimum")


def test_names_that_are_no_rule():
    s = box()
    with pytest.raises(InputError, match=r"knows nothing of boxes.*cost-aware"):
        box_policy("priced", s, never)
    with pytest.raises(InputError, match="did you mean lru"):
        box_policy("lruu", s, never)
    with pytest.raises(InputError, match="is of a box"):
        policy("knapsack", s)


def test_cloud_only_serves_nobody_at_the_box_where_it_may():
    s = box("server.pinned=[0, 1]")
    met, decision = followed(s, "cloud-only", drawn(s))
    assert (decision.cache == [True, True, False, False, False]).all()
    assert not score(s.params, met, decision).hit.any()
    # Where whoever asks for a pinned model must be served, they are.
    forced = box("server.pinned=[0, 1]", "server.offload=false", "server.quality_floor=null")
    met, decision = followed(forced, "cloud-only", drawn(forced))
    assert score(forced.params, met, decision).hit.any()


def test_the_optimum_is_solved_once_and_only_when_it_is_asked_for():
    s, asked = box(), []
    solve = solver(s.params, USERS, SLOTS)

    def counting():
        asked.append(1)
        return solve()

    made = box_policy("optimal", s, counting)
    assert asked == []
    follow(s.params, made, drawn(s), jax.random.key(1))
    assert asked
    assert solve() is solve()


def test_a_run_over_cells_of_any_size_has_never_seen_a_memory(tmp_path):
    settings = ["any_cell.users=[2, 3]", "any_cell.models=[2, 3]", "any_cell.width=4", "cell.slots_per_episode=4"]
    run = create_run(tmp_path / "run", load_scenario("paper", settings), None, "any-cell", 1, 0)
    with pytest.raises(InputError, match=r"it has never seen a memory, as that of scenario edge-box\. Train"):
        box_policy(str(run.folder), box(), never)


def test_leave_to_send_hits_away_costs_nothing():
    """Without a floor a hit may have hardly any steps, so that whoever may offload need not."""
    plain = (
        "server.quality_floor=null",
        "server.cache_every_slots=null",
        "models.load_s=0",
        "server.total_steps=20",
    )
    costs = {}
    for offload in ("false", "true"):
        s = box(*plain, f"server.offload={offload}")
        met, decision = followed(s, "knapsack", drawn(s))
        assert breaches(s.params, met, decision) == []
        costs[offload] = score(s.params, met, decision).utility.sum(axis=-1).mean()
    assert costs["true"] <= costs["false"] * (1 + 1e-6)


# Where a served request may have few steps or many, of tables and of three pieces.
GRADUAL = {
    "tables": (
        "models.catalogue=measured",
        "server.storage_gb=0.7",
        "server.quality_floor={least_steps: 1}",
        "server.total_steps=60",
        "backhaul.to_cloud_mbit_per_s=1000",
    ),
    "pieces": ("server.quality_floor={least_steps: 12}", "server.total_steps=120"),
}


@pytest.mark.parametrize("changes", GRADUAL.values(), ids=GRADUAL)
def test_sharing_steps_by_what_they_save_loses_little(changes):
    s = box(*changes)
    solution = solver(s.params, USERS, SLOTS)()
    met, decision = followed(s, "popularity", drawn(s))
    outcome = score(s.params, met, decision)
    radio = float(s.params.delay_weight) * (outcome.uplink_s + outcome.downlink_s)
    beyond = (outcome.utility - radio).sum(axis=-1)
    shared = regret(s.params, solution, met, decision, beyond)[1]
    assert shared.min() >= -1e-9
    assert shared.mean() < 0.02 * solution.value / SLOTS
    if s.params.models.curve is not None:
        # Neither as few steps as may be nor as many as there are.
        steps = decision.steps[outcome.hit] * float(s.params.S)
        assert ((steps > 1.5) & (steps < float(s.params.models.A3.min()) - 1e-6)).mean() > 0.5


def lasting_cost(s, slots, held):
    """Mean cost of a slot if a set is held for good, by a rule of one's own."""

    def decide(params, carry, slot, key):
        return carry, share(params, slot, np.broadcast_to(held, (len(slot.skew), len(held))))

    met, decision = follow(s.params, EpisodePolicy(lambda episodes: (), decide), slots, jax.random.key(0))
    return score(s.params, met, decision).utility.sum(axis=-1).mean()


@pytest.mark.parametrize("changes", [(), ("server.pinned=[4]", "requests.rank_drift=0.3"), ("models.load_s=200",)])
def test_no_set_held_for_good_costs_less_than_that_of_constant(changes):
    s = box(*changes)
    slots = drawn(s, seed=7)
    sets = fitting_caches(s.params)
    costs = np.array([lasting_cost(s, slots, held) for held in sets])
    np.testing.assert_allclose(costs_of_sets(s.params, slots, sets), costs, rtol=1e-5)
    best = best_set(s.params, slots)
    assert lasting_cost(s, slots, best) <= costs.min() * (1 + 1e-6)
    assert best[np.asarray(s.params.box.pinned)].all()


def test_the_set_of_constant_is_chosen_beforehand_and_held_in_all_slots():
    s = box("requests.rank_drift=0.3")
    met, decision = followed(s, "constant", drawn(s))
    assert breaches(s.params, met, decision) == []
    held = decision.cache[0, 0]
    assert (decision.cache == held).all()
    chosen_on = drawn(s, seed=0, episodes=20)
    np.testing.assert_array_equal(held, best_set(s.params, chosen_on))
    assert held.any()


def test_where_sets_are_many_the_set_of_constant_is_grown(monkeypatch):
    s = box("server.pinned=[4]")
    slots = drawn(s, seed=7)
    monkeypatch.setattr(box_constant, "MOST_SETS", 1)
    grown = best_set(s.params, slots)
    assert grown[4]
    assert grown @ s.params.models.storage_gb <= s.params.C
    # No model more makes it better.
    more = [grown | (np.arange(len(grown)) == m) for m in np.flatnonzero(~grown)]
    fits = [each for each in more if each @ s.params.models.storage_gb <= s.params.C]
    assert all(lasting_cost(s, slots, each) >= lasting_cost(s, slots, grown) * (1 - 1e-6) for each in fits)
    pinned = np.arange(len(grown)) == 4
    assert lasting_cost(s, slots, grown) < lasting_cost(s, slots, pinned)

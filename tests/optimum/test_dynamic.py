"""The optimum of a box against expectimax: every request, every cache, every choice of users, with loops."""

from functools import cache
from itertools import combinations, product

import jax
import numpy as np
import pytest

from genedge.cell.feasible import breaches
from genedge.cell.sampling import sample_episodes
from genedge.env.episodes import follow
from genedge.errors import InputError
from genedge.evaluation.scoring import score
from genedge.optimum.bandwidth import delay, links, split
from genedge.optimum.dynamic import regret, solve_box, solver
from genedge.policies.box_shares import share
from genedge.policies.boxes import box_policy, stateless
from genedge.scenario import load_scenario

SMALL = [
    "models.count=3",
    "server.storage_gb=17",
    "requests.skew_states=[0.5, 1.5]",
    "requests.transition=[[0.7, 0.3], [0.4, 0.6]]",
]
BOXES = {
    "every slot": ("server.cache_every_slots=1",),
    "every two slots": ("server.cache_every_slots=2", "models.load_s=[5, 45]"),
    "when known": ("server.cache_every_slots=null", "models.load_s=[0, 30]"),
    "free loads": ("server.cache_every_slots=null", "models.load_s=0", "requests.rank_drift=0"),
    "pinned": ("server.cache_every_slots=1", "server.pinned=[2]", "requests.rank_drift=0"),
    "alone": ("backhaul.shared=false", "backhaul.cloud_generators=null", "requests.rank_drift=0"),
    "few steps": ("server.total_steps=60", "backhaul.cloud_generators=1"),
    "energy": (
        "server.quality_floor={least_steps: 12}",
        "server.total_steps=70",
        "objective.energy_per_step=0.4",
        "backhaul.cloud_generators=1",
    ),
    "a lower floor": ("server.quality_floor={least_steps: 12}", "server.total_steps=50"),
}
# Each falls less and less from the floor on, the second after a flat start; the third has the paper's pieces.
TABLES = [
    {"storage_gb": 4, "load_s": 9, "B1_s_per_step": 0.2, "curve": {"steps": [1, 4, 9, 30], "tv": [99, 60, 40, 30]}},
    {"storage_gb": 6, "load_s": 25, "B1_s_per_step": 0.1, "curve": {"steps": [4, 9, 20], "tv": [90, 50, 45]}},
    {"storage_gb": 9, "load_s": 45, "B1_s_per_step": 0.1, "A1_steps": 4, "A2_tv": 80, "A3_steps": 25, "A4_tv": 20},
]
REST = {"output_size_mb": 7, "B2_s": 1}
TABLED = (f"models={[{**REST, **model} for model in TABLES]}", *SMALL[1:], "server.quality_floor={least_steps: 4}")
BOXES_OF_TABLES = {
    "tables": ("server.cache_every_slots=1",),
    "tables when known": ("server.cache_every_slots=null", "server.total_steps=50"),
    "tables with few steps": ("server.total_steps=21", "backhaul.cloud_generators=1", "requests.rank_drift=0"),
    "tables and energy": ("objective.energy_per_step=0.9", "server.total_steps=60"),
    "tables to their end": ("server.quality_floor={largest_tv: best}",),
}
USERS, SLOTS = 3, 4


def scenario(*changes):
    return load_scenario("edge-box", [*SMALL, *changes])


def tabled(*changes):
    return load_scenario("edge-box", [*TABLED, *changes])


def expectimax(s, users, slots):
    """Least expected cost of an episode, radio apart; from settings and models, with loops."""
    models, cell, server = s.models, s.settings.cell, s.settings.server
    alpha, M = s.settings.objective.alpha, len(s.models)
    every = server.cache_every_slots
    load = [0 if m.load_s == 0 else int(-(-m.load_s // cell.slot_duration_s)) for m in models]
    caches = [
        frozenset(c)
        for size in range(M + 1)
        for c in combinations(range(M), size)
        if sum(models[m].storage_gb + models[m].working_gb for m in c) <= server.storage_gb
        and set(server.pinned) <= set(c)
    ]
    skews, transition = s.settings.requests.skew_states, s.settings.requests.transition
    least_steps = server.quality_floor.least_steps
    input_mbit = s.settings.requests.input_size_mb[0] * 8
    rate = s.settings.backhaul.to_cloud_mbit_per_s
    generators = s.settings.backhaul.cloud_generators

    @cache
    def slot_cost(ready, requests):
        best = float("inf")
        here = [n for n, m in enumerate(requests) if m in ready]
        for size in range(len(here) + 1):
            for served in combinations(here, size):
                best = min(best, cost_of(served, requests))
        return best

    def ends(m):
        """Steps at which its quality changes its pace; the last are those that the cloud takes."""
        return [m.A3_steps] if m.curve is None else m.curve.steps

    def cost_of(served, requests):
        # Of piecewise linear costs the best is at a corner: all at ends of pieces, and one that takes what is left.
        floors = [ends(models[requests[n]])[-1] if least_steps is None else least_steps for n in served]
        if sum(floors) > server.total_steps * (1 + 1e-9):
            return float("inf")
        edge = float("inf") if served else 0.0
        levels = [
            [f, *(e for e in ends(models[requests[n]]) if e > f)] for n, f in zip(served, floors, strict=True)
        ]
        for steps in product(*levels):
            left = server.total_steps - sum(steps)
            for lucky in range(-1, len(served)):
                given = list(steps)
                if lucky >= 0:
                    given[lucky] = min(ends(models[requests[served[lucky]]])[-1], given[lucky] + max(left, 0))
                if sum(given) <= server.total_steps * (1 + 1e-9):
                    edge = min(edge, sum(own(models[requests[n]], x) for n, x in zip(served, given, strict=True)))
        away = [models[m] for n, m in enumerate(requests) if n not in served]
        k, cloud = len(away), 0.0
        waited = sum(j // generators for j in range(k)) / k if k and generators else 0.0
        for m in away:
            backhaul = (input_mbit + m.output_size_mb * 8) / rate * (k if s.settings.backhaul.shared else 1)
            generation = m.B1_s_per_step * ends(m)[-1] + m.B2_s
            cloud += alpha * (backhaul + generation) + (1 - alpha) * tv_of(m, ends(m)[-1])
        # Each waits for rounds of the misses' mean time.
        cloud += alpha * waited * sum(m.B1_s_per_step * ends(m)[-1] + m.B2_s for m in away)
        return edge + cloud

    def tv_of(m, steps):
        if m.curve is not None:
            return np.interp(steps, m.curve.steps, m.curve.tv)
        return m.A2_tv + (m.A4_tv - m.A2_tv) * min(max((steps - m.A1_steps) / (m.A3_steps - m.A1_steps), 0), 1)

    def own(m, steps):
        tv = tv_of(m, steps)
        energy = s.settings.objective.energy_per_step * steps
        return alpha * (m.B1_s_per_step * steps + m.B2_s) + (1 - alpha) * tv + energy

    def hold(memory, wanted):
        held = dict(memory)
        return tuple(sorted((m, held.get(m, load[m])) for m in wanted))

    def tick(memory):
        return tuple((m, max(wait - 1, 0)) for m, wait in memory)

    def ready(memory):
        return frozenset(m for m, wait in memory if wait == 0)

    @cache
    def value(t, memory, ranking, skew):
        if t == slots:
            return 0.0
        weights = [(rank + 1) ** -skews[skew] for rank in range(M)]
        chance = {m: weights[rank] / sum(weights) for rank, m in enumerate(ranking)}

        def after(memory):
            total = 0.0
            drift, moves = s.settings.requests.rank_drift, M - 1
            for following in range(len(skews)):
                stays = (1 - drift) * value(t + 1, memory, ranking, following)
                for pair in range(moves):
                    other = list(ranking)
                    other[pair], other[pair + 1] = other[pair + 1], other[pair]
                    stays += drift / moves * value(t + 1, memory, tuple(other), following)
                total += transition[skew][following] * stays
            return total

        expected = 0.0
        if every is None:
            tails = {c: after(tick(hold(memory, c))) for c in caches}
        elif (t + 1) % every == 0:
            tail = min(after(hold(tick(memory), c)) for c in caches)
        else:
            tail = after(tick(memory))
        for requests in product(range(M), repeat=users):
            probability = float(np.prod([chance[m] for m in requests]))
            if every is None:
                expected += probability * min(
                    slot_cost(ready(hold(memory, c)), requests) + tails[c] for c in caches
                )
            else:
                expected += probability * (slot_cost(ready(memory), requests) + tail)
        return expected

    held, left = set(server.pinned), server.storage_gb
    left -= sum(models[m].storage_gb + models[m].working_gb for m in held)
    for m in range(M):
        size = models[m].storage_gb + models[m].working_gb
        if m not in held and size <= left:
            held.add(m)
            left -= size
    start = tuple((m, 0) for m in sorted(held))
    first = s.params.first_skew
    return sum(first[skew] * value(0, start, tuple(range(M)), skew) for skew in range(len(skews)))


@pytest.mark.parametrize(
    "s",
    [
        *(scenario(*changes) for changes in BOXES.values()),
        *(tabled(*changes) for changes in BOXES_OF_TABLES.values()),
    ],
    ids=[*BOXES, *BOXES_OF_TABLES],
)
def test_the_value_is_that_of_expectimax(s):
    solution = solve_box(s.params, USERS, SLOTS)
    assert solution.value == pytest.approx(expectimax(s, USERS, SLOTS), rel=1e-9)
    assert solution.exact


def episodes_of(s, episodes):
    slots = sample_episodes(s.params, jax.random.key(5), USERS, USERS, SLOTS, episodes)
    return jax.tree.map(np.asarray, slots)


def beyond_radio(s, met, decision):
    outcome = score(s.params, met, decision)
    radio = float(s.params.delay_weight) * (outcome.uplink_s + outcome.downlink_s)
    return (outcome.utility - radio).sum(axis=-1)


@pytest.mark.parametrize(
    "changes",
    [
        (*SMALL, *BOXES["every two slots"]),
        (*SMALL, *BOXES["when known"]),
        (*TABLED, *BOXES_OF_TABLES["tables when known"]),
    ],
    ids=["ahead", "when known", "tables"],
)
def test_costs_are_the_optimum_and_the_regrets_on_average(changes):
    s = load_scenario("edge-box", [*changes, f"cell.slots_per_episode={SLOTS}"])
    solution = solve_box(s.params, USERS, SLOTS)
    slots = episodes_of(s, 2000)
    for name in ("optimal", "lru", "rcars"):
        met, decision = follow(s.params, box_policy(name, s, lambda: solution), slots, jax.random.key(2))
        assert breaches(s.params, met, decision) == []
        cost = beyond_radio(s, met, decision)
        held, shared = regret(s.params, solution, met, decision, cost)
        assert held.min() >= -1e-9
        assert shared.min() >= -1e-9
        if name == "optimal":
            np.testing.assert_allclose(held, 0, atol=1e-9)
            np.testing.assert_allclose(shared, 0, atol=1e-9)
        else:
            assert held.mean() > 0.1
        # The cost of an episode less its regrets is the optimum, but for the luck of the requests.
        luck = (cost - held - shared).sum(axis=1) - solution.value
        assert abs(luck.mean()) < 4 * luck.std() / len(luck) ** 0.5


def test_the_optimal_bandwidth_leaves_no_regret():
    s = scenario()
    met, decision = follow(
        s.params, box_policy("optimal", s, solver(s.params, USERS, SLOTS)), episodes_of(s, 3), jax.random.key(2)
    )
    flat, shares = (jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), tree) for tree in (met, decision.bandwidth))
    link = links(s.params, flat)
    np.testing.assert_allclose(delay(link, shares)[0].sum(), delay(link, split(link, False))[0].sum(), rtol=1e-9)


def test_sizes_that_vary_make_it_a_lower_bound():
    fixed, varied = (scenario(f"requests.input_size_mb={size}") for size in ("[2, 2]", "[2, 9]"))
    low, bound = (solve_box(s.params, USERS, SLOTS) for s in (fixed, varied))
    assert low.exact
    assert not bound.exact
    assert bound.value == pytest.approx(low.value, rel=1e-12)
    met, decision = follow(
        varied.params, box_policy("optimal", varied, lambda: bound), episodes_of(varied, 50), jax.random.key(2)
    )
    assert breaches(varied.params, met, decision) == []
    shared = regret(varied.params, bound, met, decision, beyond_radio(varied, met, decision))[1]
    assert shared.min() >= -1e-9
    assert shared.max() > 0


def test_deadlines_and_fairness_make_it_a_lower_bound():
    plain, more = (scenario(*changes) for changes in ((), ("objective.deadline_s=9", "objective.fairness_per_s=1")))
    low, bound = (solve_box(s.params, USERS, SLOTS) for s in (plain, more))
    assert (low.exact, bound.exact) == (True, False)
    assert bound.value == low.value
    met, decision = follow(
        more.params, box_policy("optimal", more, lambda: bound), episodes_of(more, 20), jax.random.key(2)
    )
    shared = regret(more.params, bound, met, decision, beyond_radio(more, met, decision))[1]
    assert shared.min() > 0


@pytest.mark.parametrize(
    ("preset", "changes", "because"),
    [
        ("paper", (), "only a box"),
        ("edge-box", ("server.quality_floor=null",), "quality_floor"),
        ("edge-box", ("server.quality_floor=null", "server.offload=false"), "offload"),
        ("edge-box", ("models.count=9",), "9 models"),
        ("edge-box", ("radio.outage_gain_db=-90",), "where everybody is served; leave radio.outage_gain_db out"),
        ("edge-box", ("models.count=40",), "40 models"),
        ("edge-box", ("models.load_s=1000000", "cell.slot_duration_s=0.001"), "too many slots"),
    ],
)
def test_what_has_no_such_optimum(preset, changes, because):
    with pytest.raises(InputError, match=because):
        solve_box(load_scenario(preset, changes).params, 8, 50)


@pytest.mark.parametrize(("users", "slots"), [(0, 5), (-1, 5), (2, 0)])
def test_an_episode_has_users_and_slots(users, slots):
    with pytest.raises(InputError, match="at least one of each"):
        solve_box(scenario().params, users, slots)


def test_what_breaches_let_pass_has_a_value_too():
    """Models that exceed the storage by less than the tolerance."""
    s = scenario("models.storage_gb=4", "models.working_gb=0", "server.storage_gb=11.99999")
    solution = solve_box(s.params, USERS, SLOTS)
    assert solution.caches.all(axis=1).any()
    met, decision = follow(s.params, stateless(everything), episodes_of(s, 2), jax.random.key(0))
    assert breaches(s.params, met, decision) == []
    assert (regret(s.params, solution, met, decision, beyond_radio(s, met, decision))[0] >= 0).all()


def everything(params, slot, key):
    return share(params, slot, np.ones(slot.memory.held.shape, bool))

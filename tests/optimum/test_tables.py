"""Models whose TV falls along a table: the optimum against brute force, and a bound where it is not exact."""

import itertools

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genedge import serve
from genedge.cell.feasible import breaches
from genedge.cell.generation import tv_quality
from genedge.cell.types import Curve, Params, Slot, of_requests
from genedge.errors import InputError
from genedge.evaluation.scoring import outcome
from genedge.optimum import certify, solve, solve_optimal, solve_priced
from genedge.optimum.certificate import certified, objective, radio_cost
from genedge.optimum.dynamic import solve_box
from genedge.policies.knapsack import knapsack
from genedge.scenario import load_scenario

FLOORS = ("null", "{largest_tv: best}", "{largest_tv: 60}", "{least_steps: 12}")
REST = {"storage_gb": 4.0, "output_size_mb": 7.0, "B2_s": 1.0}


def table(random, kind):
    """A table of TV: `convex` falls less and less from 0 steps on, `late` is flat at first, `any` falls anyhow."""
    count = int(random.integers(2, 6))
    steps = np.cumsum(random.uniform(3, 40, count))
    falls = random.uniform(0.1, 1, count)
    if kind != "any":
        slopes = np.sort(falls / np.diff(steps, prepend=0))[::-1]
        falls = slopes * np.diff(steps, prepend=0)
    tv = 120 - 90 * np.cumsum(falls) / falls.sum()
    if kind == "late":
        begin = random.uniform(1, 20)
        return {"steps": [begin, *(begin + steps).tolist()], "tv": [120.0, *tv.tolist()]}
    return {"steps": [0.0, *steps.tolist()], "tv": [120.0, *tv.tolist()]}


def cell(random, kinds, steps, floor="null", energy=0.0, users=4):
    models = []
    for kind in kinds:
        curve = (
            {"A1_steps": 15.0, "A2_tv": 110.0, "A3_steps": float(random.uniform(40, 90)), "A4_tv": 28.0}
            if kind == "pieces"
            else {"curve": table(random, kind)}
        )
        models.append(
            {
                **REST,
                "storage_gb": float(random.uniform(3, 6)),
                "B1_s_per_step": float(random.uniform(0, 0.3)),
                **curve,
            }
        )
    return load_scenario(
        "paper",
        [
            f"models={models}",
            "server.storage_gb=11",
            f"server.total_steps={steps}",
            f"server.quality_floor={floor}",
            f"objective.energy_per_step={energy}",
            f"cell.users={users}",
            f"cell.places={users}",
        ],
    ).params


def slots_of(params: Params, count: int, places: int, random) -> Slot:
    return Slot(
        skew=np.ones(count, np.float32),
        requests=random.integers(0, len(params.models.A1), (count, places)),
        input_bits=random.uniform(4e7, 8e7, (count, places)).astype(np.float32),
        gain=(10 ** random.uniform(-12, -8, (count, places))).astype(np.float32),
        position_m=np.zeros((count, places, 2), np.float32),
        active=random.random((count, places)) < 0.85,
    )


def at(slots, k):
    return Slot(*(None if x is None else x[k] for x in slots))


def cost_of(params, slot, n, hit, steps):
    """Eq. (14) of one user without its radio delays, from the table as it stands."""
    m = slot.requests[n]
    steps_of, tv = np.asarray(params.models.curve.steps)[m], np.asarray(params.models.curve.tv)[m]
    backhaul = 0.0
    if not hit:
        steps = steps_of[-1]
        backhaul = float(slot.input_bits[n]) / float(params.R_bc)
        backhaul += float(params.models.output_bits[m]) / float(params.R_cb)
    delay = backhaul + float(params.models.B1[m]) * steps + float(params.models.B2[m])
    energy = float(params.costs.energy) * steps if hit and params.costs is not None else 0.0
    return (
        float(params.delay_weight) * delay
        + float(params.tv_weight) * float(np.interp(steps, steps_of, tv))
        + energy
    )


def brute_force(params, slot):
    """The least cost without radio: all caches, hits at floors or at steps of their tables, and one gets the rest.

    A second pass over multiples of S/24 does not assume that this is enough.
    """
    S, best = float(params.S), np.inf
    users = np.flatnonzero(slot.active)
    for cache in itertools.product((False, True), repeat=len(params.models.A1)):
        if np.array(cache) @ params.models.storage_gb > float(params.C):
            continue
        hits = [n for n in users if cache[slot.requests[n]]]
        misses = sum(cost_of(params, slot, n, False, 0) for n in users if n not in hits)
        floors = [float(params.models.floor_steps[slot.requests[n]]) for n in hits]
        levels = [
            [floor, *(s for s in np.unique(params.models.curve.steps[slot.requests[n]]) if s > floor)]
            for floor, n in zip(floors, hits, strict=True)
        ]
        ways = itertools.product(*levels)
        if len(hits) <= 2:
            grid = np.arange(0, S + 1e-9, S / 24)
            ways = itertools.chain(ways, itertools.product(grid, repeat=len(hits)))
        for way in ways:
            if sum(way) > S or any(steps < floor for steps, floor in zip(way, floors, strict=True)):
                continue
            costs = [cost_of(params, slot, n, True, steps) for n, steps in zip(hits, way, strict=True)]
            best = min(best, misses + sum(costs))
            for i, n in enumerate(hits):
                with_rest = cost_of(params, slot, n, True, way[i] + S - sum(way))
                best = min(best, misses + sum(costs) - costs[i] + with_rest)
    return best


@pytest.mark.parametrize(
    ("kinds", "floor", "energy"),
    [
        *((("convex", "convex", "convex"), floor, 0.0) for floor in FLOORS),
        (("convex", "convex", "convex"), "null", 0.05),
        *((("convex", "pieces", "convex"), floor, 0.0) for floor in FLOORS),
        (("pieces", "convex", "pieces"), "null", 0.02),
    ],
)
def test_brute_force_agrees(kinds, floor, energy):
    for seed in range(5):
        random = np.random.default_rng(seed)
        params = cell(random, kinds, (25, 60, 90, 140, 200)[seed], floor, energy)
        assert certified(params) == "exact"
        slots = slots_of(params, 4, 4, random)
        solved = solve_optimal(params, slots)
        assert breaches(params, slots, solved.decision) == []
        found = objective(params, slots, solved.decision) - radio_cost(params, slots, solved.decision)
        least = [brute_force(params, at(slots, k)) for k in range(4)]
        np.testing.assert_allclose(found, least, rtol=1e-9)
        certificate = certify(params, slots, solved.decision, solved.lower_bound)
        assert (certificate.gap <= 1e-8).all()
        assert (certificate.gap >= -1e-12).all()


@pytest.mark.parametrize("kinds", [("any", "any", "any"), ("late", "any", "pieces"), ("late", "late", "convex")])
def test_whatever_the_table_no_decision_is_below_the_bound(kinds):
    inexact = 0
    for seed in range(8):
        random = np.random.default_rng(seed)
        params = cell(random, kinds, (25, 60, 90, 140)[seed % 4])
        inexact += certified(params) == "bound"
        slots = slots_of(params, 3, 4, random)
        for solved in (solve_optimal(params, slots), solve_priced(params, slots)):
            assert breaches(params, slots, solved.decision) == []
            radio = radio_cost(params, slots, solved.decision)
            found = objective(params, slots, solved.decision) - radio
            least = np.array([brute_force(params, at(slots, k)) for k in range(3)])
            assert (solved.lower_bound - radio <= least * (1 + 1e-9)).all()
            assert (found >= least * (1 - 1e-9)).all()
    assert inexact > 0 or kinds[0] == "late"


def test_a_flat_start_alone_leaves_it_exact():
    """Steps before a table begins to fall are of no use, as those before A1 are not."""
    curve = {"steps": [10, 20, 60], "tv": [110, 60, 30]}
    steeper_later = {"steps": [0, 20, 30, 60], "tv": [110, 100, 40, 30]}
    for told, word in ((curve, "exact"), (steeper_later, "bound")):
        models = [{**REST, "B1_s_per_step": 0.1, "curve": told}]
        assert certified(load_scenario("paper", [f"models={models}"]).params) == word


@pytest.mark.parametrize("steps", [90, 160, 260, 500])
def test_a_table_of_two_steps_is_the_three_pieces(steps):
    """Two ways of saying one cell: the same TV, the same optimum."""
    random = np.random.default_rng(steps)
    told = [
        (float(a), float(a + d)) for a, d in zip(random.uniform(0, 60, 4), random.uniform(20, 90, 4), strict=True)
    ]
    rest = [{**REST, "B1_s_per_step": float(random.uniform(0, 0.3))} for _ in told]
    as_pieces = [
        {**r, "A1_steps": A1, "A2_tv": 110, "A3_steps": A3, "A4_tv": 28}
        for r, (A1, A3) in zip(rest, told, strict=True)
    ]
    as_tables = [
        {**r, "curve": {"steps": [A1, A3], "tv": [110, 28]}} for r, (A1, A3) in zip(rest, told, strict=True)
    ]
    cells = [
        load_scenario("paper", [f"models={models}", "server.storage_gb=9", f"server.total_steps={steps}"])
        for models in (as_pieces, as_tables)
    ]
    assert cells[0].id != cells[1].id
    pieces, tables = (each.params for each in cells)
    assert pieces.models.curve is None
    np.testing.assert_array_equal(pieces.models[:-1], tables.models[:-1])
    steps_of = np.repeat(np.linspace(0, 200, 301)[:, None], 4, axis=1)
    np.testing.assert_allclose(tv_quality(tables.models, steps_of), tv_quality(pieces.models, steps_of), rtol=1e-12)
    slots = slots_of(pieces, 40, 8, random)
    solved = [solve_optimal(params, slots) for params in (pieces, tables)]
    costs = [objective(p, slots, s.decision) for p, s in zip((pieces, tables), solved, strict=True)]
    np.testing.assert_allclose(costs[0], costs[1], rtol=1e-9)
    np.testing.assert_allclose(solved[0].lower_bound, solved[1].lower_bound, rtol=1e-8)


def test_many_caches_and_compiled_code_change_nothing(monkeypatch):
    random = np.random.default_rng(7)
    params = cell(random, ["convex"] * 5 + ["pieces"] * 2, 150, users=8)
    slots = slots_of(params, 20, 8, random)
    known = solve_optimal(params, slots)
    cost = objective(params, slots, known.decision)
    with monkeypatch.context() as patch:
        patch.setattr(solve, "COMPILED_FROM", 1)
        compiled = solve_optimal(params, slots)
    np.testing.assert_allclose(objective(params, slots, compiled.decision), cost, rtol=1e-9)
    with monkeypatch.context() as patch:
        patch.setattr(solve, "MOST_CACHES", 3)
        searched = solve_optimal(params, slots)
    np.testing.assert_allclose(objective(params, slots, searched.decision), cost, rtol=1e-2)
    assert (searched.lower_bound <= cost * (1 + 1e-9)).all()
    priced = solve_priced(params, slots)
    assert (priced.lower_bound <= cost * (1 + 1e-9)).all()


# --- TV and floors ------------------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.sampled_from(["convex", "late", "any"]))
@settings(max_examples=60, deadline=None)
def test_tv_is_read_off_the_table(seed, kind):
    random = np.random.default_rng(seed)
    params = cell(random, [kind, "pieces"], 100)
    steps = random.uniform(0, 300, (7, 2))
    tv = tv_quality(params.models, steps)
    for m in range(2):
        curve = params.models.curve
        np.testing.assert_allclose(tv[:, m], np.interp(steps[:, m], curve.steps[m], curve.tv[m]), rtol=1e-12)
    A1, A2, A3, A4 = (np.asarray(getattr(params.models, key)) for key in ("A1", "A2", "A3", "A4"))
    np.testing.assert_allclose(tv_quality(params.models, A1), A2)
    np.testing.assert_allclose(tv_quality(params.models, A3), A4)
    assert (tv_quality(params.models, A3 - 1e-3) > A4).all()


def test_policies_and_certificates_reckon_alike():
    random = np.random.default_rng(3)
    params = cell(random, ["any", "late", "pieces", "convex"], 120, users=6)
    slots = slots_of(params, 30, 6, random)
    decision = solve_priced(params, slots).decision
    told = np.asarray(outcome(params, slots, decision).utility).sum(axis=-1)
    np.testing.assert_allclose(told, objective(params, slots, decision), rtol=1e-5)
    asked = of_requests(params.models, slots.requests)
    np.testing.assert_array_equal(asked.curve.steps, np.float32(params.models.curve.steps)[slots.requests])


@pytest.mark.parametrize(("tv", "steps"), [(120, 0), (110, 0), (80, 15), (50, 25), (45, 42.5), ("best", 60)])
def test_a_floor_is_where_the_table_reaches_it(tv, steps):
    curve = {"steps": [10, 20, 25, 40, 60], "tv": [110, 50, 50, 50, 10]}
    models = [{**REST, "B1_s_per_step": 0.1, "curve": curve}]
    params = load_scenario("paper", [f"models={models}", f"server.quality_floor={{largest_tv: {tv}}}"]).params
    assert float(params.models.floor_steps[0]) == pytest.approx({50: 20}.get(tv, steps))


def test_what_no_table_reaches_is_sent_away():
    models = [{**REST, "B1_s_per_step": 0.1, "curve": {"steps": [0, 20], "tv": [90, 40]}}]
    params = load_scenario("paper", [f"models={models}", "server.quality_floor={largest_tv: 30}"]).params
    assert np.isinf(params.models.floor_steps[0])


# --- Policies -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [40, 120, 5000])
def test_knapsack_gives_steps_piece_by_piece(steps):
    """With tables that fall less and less its steps are the best for its cache."""
    random = np.random.default_rng(steps)
    params = cell(random, ["convex"] * 3, steps, users=6)
    slots = slots_of(params, 50, 6, random)
    decision = knapsack(params, slots, jax.random.key(0))
    assert breaches(params, slots, decision) == []
    cost = objective(params, slots, decision) - radio_cost(params, slots, decision)
    for k in range(50):
        slot = at(slots, k)
        hits = [n for n in np.flatnonzero(slot.active) if decision.cache[k][slot.requests[n]]]
        least = _best_steps(params, slot, hits)
        misses = sum(cost_of(params, slot, n, False, 0) for n in np.flatnonzero(slot.active) if n not in hits)
        assert cost[k] == pytest.approx(least + misses, rel=1e-5)


def _best_steps(params, slot, hits):
    """Cost of hits with the best steps: pieces by what a step of them saves, the optimum for such tables."""
    left, pieces = float(params.S), []
    total = sum(cost_of(params, slot, n, True, 0.0) for n in hits)
    for n in hits:
        ends = np.unique(params.models.curve.steps[slot.requests[n]])
        costs = [cost_of(params, slot, n, True, s) for s in ends]
        pieces += [((a - b) / d, d) for a, b, d in zip(costs, costs[1:], np.diff(ends), strict=False)]
    for saves, length in sorted(pieces, reverse=True):
        if saves > 0:
            total -= saves * min(left, length)
            left -= min(left, length)
    return total


# --- What is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("curve", "message"),
    [
        ({"steps": [0, 5], "tv": [9, 3, 1]}, "2 steps and 3 values of TV; give one for each"),
        ({"steps": [0, 5, 5], "tv": [9, 3, 1]}, "steps must rise, and 5 comes after 5"),
        ({"steps": [0, 5, 9], "tv": [9, 3, 4]}, "TV must not rise with steps, and is 3 at 5 of them and 4 at 9"),
        ({"steps": [0, 5], "tv": [9, 9]}, "TV is 9 with all steps"),
        ({"steps": [0], "tv": [9]}, "models.0.curve.steps must be a list of at least 2"),
        ({"steps": [0, 1e6, 1000000.01], "tv": [9, 8, 7]}, "two steps of its curve are alike in single precision"),
        ({"step": [0, 5], "tv": [9, 1]}, "models.0.curve"),
        ([1, 2], "models.0.curve must be"),
    ],
)
def test_what_is_no_falling_table_is_told(curve, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        load_scenario("paper", [f"models={[{**REST, 'B1_s_per_step': 0.1, 'curve': curve}]}"])


def test_a_table_and_pieces_exclude_each_other():
    models = [{**REST, "B1_s_per_step": 0.1, "A1_steps": 3, "curve": {"steps": [0, 5], "tv": [9, 1]}}]
    with pytest.raises(InputError, match="leave out A1_steps, or the curve"):
        load_scenario("paper", [f"models={models}"])


def test_params_with_a_wrong_table_are_told():
    params = cell(np.random.default_rng(0), ["convex", "convex"], 100)
    slots = slots_of(params, 2, 3, np.random.default_rng(0))
    decision = solve_priced(params, slots).decision
    curve = params.models.curve
    for wrong, message in (
        (Curve(curve.steps[:1], curve.tv), "params.models.curve.steps has shape"),
        (Curve(curve.steps, curve.tv * np.nan), "params.models.curve.tv"),
        ((curve.steps, curve.tv), "params.models must be"),
    ):
        with pytest.raises(InputError, match=message):
            serve(params._replace(models=params.models._replace(curve=wrong)), slots, decision)


def test_the_optimum_of_a_box_is_known_where_returns_diminish_above_the_floor():
    again = {"steps": [0, 10, 20, 30], "tv": [90, 60, 55, 20]}
    models = [{**REST, "B1_s_per_step": 0.1, "curve": again}]
    for floor, known in ((0, False), (10, False), (20, True)):
        changes = [f"models={models}", "server.pinned=[]", f"server.quality_floor={{least_steps: {floor}}}"]
        params = load_scenario("edge-box", changes).params
        if known:
            assert solve_box(params, 2, 4).exact
        else:
            with pytest.raises(InputError, match="falls steeper again"):
                solve_box(params, 2, 4)


def test_traced_params_with_a_table_are_told_in_a_line():
    params = cell(np.random.default_rng(0), ["convex"], 100)
    slots = slots_of(params, 2, 2, np.random.default_rng(0))
    with pytest.raises(InputError, match="knapsack"):
        jax.jit(lambda C: solve_priced(params._replace(C=C), slots).lower_bound)(20.0)

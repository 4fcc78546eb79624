"""Waits at a base station that generates few at once, and fixed costs of transfers."""

import math

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stations import simulated

import genedge
from genedge.cell.service import serve, total_utility
from genedge.cell.station import Station, waits
from genedge.cell.types import Decision
from genedge.errors import InputError
from genedge.scenario import load_scenario

K, N = 4, 7
OVERHEADS = ("radio.transfer_overhead_s=0.5", "backhaul.transfer_overhead_s=0.25")

compiled = jax.jit(waits)

# Of which many are alike, so that requests tie; and any.
times = st.one_of(st.integers(0, 4).map(float), st.floats(0, 50, allow_subnormal=False))


def station(generators, shortest_first=False, radio_s=0.0, backhaul_s=0.0):
    return Station(np.array(float(generators)), np.array(shortest_first), np.array(radio_s), np.array(backhaul_s))


@settings(max_examples=300)
@given(
    generators=st.integers(1, N + 2),
    shortest_first=st.booleans(),
    users=st.lists(st.tuples(st.booleans(), times, times), min_size=N, max_size=N),
)
def test_waits_against_a_simulation(generators, shortest_first, users):
    served, arrival_s, takes_s = (np.array(each) for each in zip(*users, strict=True))
    expected = np.zeros(N)
    expected[served] = simulated(generators, shortest_first, arrival_s[served], takes_s[served])
    with jax.enable_x64(True):
        found = compiled(station(generators, shortest_first), served, arrival_s, takes_s)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_by_hand():
    """The first takes 5 s; meanwhile two more arrive, of which the later one is the shorter."""
    served, arrival_s, takes_s = (
        np.array([True, True, False, True]),
        np.array([1.0, 2, 2, 3]),
        np.array([5.0, 4, 9, 1]),
    )
    first_come = compiled(station(1), served, arrival_s, takes_s)
    shortest = compiled(station(1, True), served, arrival_s, takes_s)
    assert np.asarray(first_come).tolist() == [0, 4, 0, 7]
    assert np.asarray(shortest).tolist() == [0, 5, 0, 3]
    assert np.asarray(compiled(station(2), served, arrival_s, takes_s)).tolist() == [0, 0, 0, 3]
    assert not np.asarray(compiled(station(3), served, arrival_s, takes_s)).any()


def test_who_never_arrives_keeps_nobody_waiting():
    served, arrival_s, takes_s = np.ones(3, bool), np.array([math.inf, 1, 2]), np.array([1.0, 3, 3])
    assert np.asarray(compiled(station(1, True), served, arrival_s, takes_s)).tolist() == [0, 0, 2]


@pytest.fixture(scope="module")
def decided():
    """Slots of the paper's cell, and decisions that serve most requests at the base station."""
    scenario = load_scenario("paper", ["server.storage_gb=60"])
    slots = jax.tree.map(
        np.asarray, genedge.sample_episode(scenario.params, jax.random.key(0), users=6, places=N, slots=K)
    )
    rng = np.random.default_rng(0)
    share = np.where(slots.active, rng.random((K, N)) + 0.1, 0.0)
    share /= share.sum(axis=-1, keepdims=True)
    return slots, Decision(rng.random((K, 10)) < 0.7, share, share[:, ::-1] * slots.active)


def cell(*changes):
    return load_scenario("paper", ["server.storage_gb=60", *changes]).params


@pytest.mark.parametrize("order", ["as-they-arrive", "shortest-first"])
@pytest.mark.parametrize("generators", [1, 2])
def test_an_outcome_is_that_of_the_paper_and_waits_and_overheads(decided, generators, order):
    slots, decision = decided
    plain = genedge.score(cell(), slots, decision)
    params = cell(f"server.generates_at_once={generators}", f"server.generation_order={order}", *OVERHEADS)
    found = genedge.score(params, slots, decision)
    assert plain.wait_s is None
    miss = slots.active & ~plain.hit
    arrival_s = np.where(slots.active, plain.uplink_s + 0.5, 0.0)
    waits_s = np.zeros((K, N))
    for k in range(K):
        here = plain.hit[k]
        waits_s[k, here] = simulated(
            generators, order == "shortest-first", arrival_s[k, here], plain.generation_s[k, here]
        )
    assert (waits_s > 0).sum() > K
    np.testing.assert_allclose(found.wait_s, waits_s, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.uplink_s, arrival_s, rtol=1e-12)
    np.testing.assert_allclose(found.downlink_s, plain.downlink_s + 0.5 * slots.active, rtol=1e-12)
    np.testing.assert_allclose(found.backhaul_s, plain.backhaul_s + 0.5 * miss, rtol=1e-12)
    for same in ("generation_s", "tv", "hit"):
        np.testing.assert_allclose(getattr(found, same), getattr(plain, same), rtol=1e-12)
    more_s = slots.active * 1.0 + miss * 0.5 + waits_s
    np.testing.assert_allclose(found.delay_s, plain.delay_s + more_s, rtol=1e-12)
    np.testing.assert_allclose(found.utility, plain.utility + 0.7 * more_s, rtol=1e-12)


def test_generators_for_all_are_the_papers(decided):
    slots, decision = decided
    plain, all_at_once = (
        jax.tree.map(np.asarray, jax.jit(serve)(params, slots, decision))
        for params in (cell(), cell(f"server.generates_at_once={N}"))
    )
    assert not all_at_once.wait_s.any()
    np.testing.assert_allclose(all_at_once.utility, plain.utility, rtol=1e-6)


def test_batches_are_slots_side_by_side_and_derivatives_are_numbers(decided):
    slots, decision = decided
    params = cell("server.generates_at_once=1", *OVERHEADS)
    together = serve(params, slots, decision)
    mapped = jax.vmap(serve, in_axes=(None, 0, 0))(params, slots, decision)
    np.testing.assert_allclose(mapped.wait_s, together.wait_s, rtol=1e-5, atol=1e-4)
    slope = jax.grad(lambda steps: total_utility(params, slots, decision._replace(steps=steps)).sum())(
        decision.steps
    )
    assert np.isfinite(slope).all()
    assert np.asarray(slope)[np.asarray(together.hit)].any()


@pytest.mark.parametrize(
    "change",
    ["server.generates_at_once=2", "radio.transfer_overhead_s=1", "backhaul.transfer_overhead_s=1"],
)
def test_a_box_takes_none_of_it(change):
    with pytest.raises(InputError, match=r"server\.generates_at_once, radio.* this is a box"):
        load_scenario("paper", [change, "backhaul.shared=true"])


def test_waits_beyond_single_precision_are_refused():
    with pytest.raises(InputError, match=r"server\.generates_at_once: the last of cell\.places"):
        load_scenario(
            "paper",
            [
                "server.generates_at_once=1",
                "server.total_steps=1e9",
                "models.B1_s_per_step=1e6",
                "cell.places=100000",
                "cell.slots_per_episode=10",
            ],
        )


def test_a_station_that_makes_no_sense(decided):
    slots, decision = decided
    params = cell("server.generates_at_once=1")
    for field, message in (
        ("generators", "a finite number of single precision above 0"),
        ("radio_overhead_s", "from 0"),
    ):
        wrong = params._replace(station=params.station._replace(**{field: np.array(-1.0)}))
        with pytest.raises(InputError, match=rf"^params.station.{field} is -1.0; it must be .*{message}"):
            genedge.score(wrong, slots, decision)

"""Users whose channels are too weak: not served, at a stated cost, whoever decides."""

import math

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import genedge as package
from genedge.cell.feasible import action_size, breaches, decode
from genedge.cell.sampling import sample_episode
from genedge.cell.service import hit_ratio, serve
from genedge.cell.types import present, with_outage, with_places
from genedge.draw.picture import OUTAGE, draw_map
from genedge.draw.slot import draw_cell
from genedge.draw.watch import draw_frame
from genedge.env.observation import observe
from genedge.errors import InputError
from genedge.evaluation.watched import episode
from genedge.optimum import certify, solve_optimal, solve_priced
from genedge.optimum.certificate import objective, radio_cost
from genedge.policies import policy
from genedge.scenario import load_scenario

DELAY_S = 33.0
OFF = ("radio.outage_gain_db=-97", f"radio.outage_delay_s={DELAY_S}")
USERS, COUNT = 5, 6


@pytest.fixture(scope="module")
def scenario():
    return load_scenario("paper", OFF)


@pytest.fixture(scope="module")
def slots(scenario):
    drawn = sample_episode(scenario.params, jax.random.key(3), USERS, USERS, COUNT)
    drawn = jax.tree.map(np.asarray, drawn)
    assert drawn.outage.any()
    assert drawn.active.any()
    return drawn


def test_off_it_is_nowhere(paper):
    assert paper.params.outage is None
    assert "outage" not in paper.as_json()
    assert sample_episode(paper.params, jax.random.key(3), USERS, USERS, COUNT).outage is None
    # Of no account without a threshold.
    assert load_scenario("paper", ["radio.outage_delay_s=1"]).id == paper.id


def test_the_same_users_are_drawn_and_the_weak_ones_not_served(paper, scenario, slots):
    everybody = sample_episode(paper.params, jax.random.key(3), USERS, USERS, COUNT)
    for field in ("gain", "requests", "input_bits", "position_m", "skew"):
        # Of two compiled programs, which round differently.
        np.testing.assert_allclose(getattr(everybody, field), getattr(slots, field), rtol=1e-5, err_msg=field)
    weak = slots.gain < 10**-9.7
    assert np.array_equal(slots.outage, weak)
    assert np.array_equal(slots.active, ~weak)


def test_the_share_is_that_of_an_exponential_gain():
    """Of users at one place the gains are exponential: 1 − exp(−threshold / mean) of them are in an outage."""
    # All users at least_distance_m, whatever their place.
    at_100_m = ["radio.least_distance_m=177", "cell.slots_per_episode=2000", "radio.outage_gain_db=-100"]
    drawn = sample_episode(load_scenario("paper", at_100_m).params, jax.random.key(0), 8, 8, 2000)
    mean_gain = 10 ** -((128.1 + 37.6 * math.log10(0.177)) / 10)
    expected = 1 - math.exp(-1e-10 / mean_gain)
    assert 0.2 < expected < 0.8
    found, draws = np.asarray(drawn.outage).mean(), drawn.outage.size
    # Four standard deviations; the seed is fixed.
    assert abs(found - expected) < 4 * math.sqrt(expected * (1 - expected) / draws)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_decision_changes_what_they_cost_and_they_change_no_decision(seed, scenario):
    params, rng = scenario.params, np.random.default_rng(seed)
    drawn = sample_episode(params, jax.random.key(seed), USERS, USERS, COUNT)
    slot = jax.tree.map(lambda x: np.asarray(x[0]), drawn)
    action = rng.uniform(-1, 1, action_size(10, USERS)).astype(np.float32)
    decision = jax.tree.map(np.asarray, decode(params, slot, action))
    assert breaches(params, slot, decision) == []
    assert not decision.bandwidth[slot.outage].any()
    outcome = jax.tree.map(np.asarray, serve(params, slot, decision))
    weight = float(params.delay_weight)
    assert outcome.delay_s[slot.outage] == pytest.approx(DELAY_S)
    assert outcome.utility[slot.outage] == pytest.approx(weight * DELAY_S)
    assert not outcome.tv[slot.outage].any()
    assert not outcome.hit[slot.outage].any()
    # Whatever an absent user's numbers are, all others decide and cost the same.
    gone = slot._replace(
        requests=np.where(slot.outage, -1, slot.requests), gain=np.where(slot.outage, np.float32(1e-30), slot.gain)
    )
    again = jax.tree.map(np.asarray, decode(params, gone, action))
    assert all(np.array_equal(a, b) for a, b in zip(decision, again, strict=True))
    assert np.array_equal(serve(params, gone, decision).utility, outcome.utility)
    assert np.array_equal(observe(params, gone), observe(params, slot))
    hits = hit_ratio(slot, serve(params, slot, decision))
    assert float(hits) == pytest.approx(outcome.hit.sum() / present(slot).sum())


@pytest.mark.parametrize("solve", [solve_optimal, solve_priced])
def test_the_optimum_is_that_of_the_others_and_what_nobody_changes(solve, paper, scenario, slots):
    solved = solve(scenario.params, slots)
    certificate = certify(scenario.params, slots, *solved)
    constant = float(scenario.params.delay_weight) * DELAY_S * slots.outage.sum(axis=-1)
    # In the paper's cell those users are absent.
    others = slots._replace(outage=None)
    alone = solve(paper.params, others)
    assert certificate.lower_bound == pytest.approx(alone.lower_bound + constant, rel=1e-12)
    assert certificate.objective == pytest.approx(
        objective(paper.params, others, alone.decision) + constant, rel=1e-12
    )
    assert (certificate.gap >= 0).all()
    assert package.score(scenario.params, slots, solved.decision).utility.sum(axis=-1) == pytest.approx(
        certificate.objective, rel=1e-12
    )
    assert (radio_cost(scenario.params, slots, solved.decision) < certificate.objective).all()


def test_a_slot_in_which_nobody_is_served(scenario, slots):
    nobody = slots._replace(
        active=np.zeros_like(slots.active), outage=np.ones_like(slots.active), gain=slots.gain * 0 + 1e-20
    )
    certificate = certify(scenario.params, nobody, *solve_optimal(scenario.params, nobody))
    assert certificate.objective == pytest.approx(0.7 * DELAY_S * USERS)
    assert certificate.gap == pytest.approx(0, abs=1e-11)


def test_more_places_stay_empty(slots):
    wider = with_places(slots, USERS + 2)
    assert not wider.outage[:, USERS:].any()
    assert np.array_equal(wider.outage[:, :USERS], slots.outage)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: s._replace(outage=None),
            "slots.outage is None, but the scenario has an outage: it must be True where a user is there whose "
            "gain is below params.outage.least_gain, and active False there",
        ),
        (
            lambda s: s._replace(active=np.ones_like(s.active), outage=np.zeros_like(s.outage)),
            "slots.active[0, 2] is True; it must be False where the gain is below 1.99526e-10, which is an outage",
        ),
        (
            lambda s: s._replace(active=np.zeros_like(s.active), outage=np.ones_like(s.outage)),
            "slots.outage[0, 0] is True; it must be False where the gain is at least 1.99526e-10",
        ),
        (
            lambda s: s._replace(active=np.ones_like(s.active)),
            "slots.outage[0, 2] is True; it must be False where a user is active",
        ),
    ],
)
def test_slots_that_contradict_the_scenario(change, message, scenario, slots):
    decision = solve_priced(scenario.params, slots).decision
    with pytest.raises(InputError) as error:
        package.score(scenario.params, change(slots), decision)
    assert str(error.value) == message


def test_a_slot_of_an_outage_in_a_cell_without(paper, slots):
    with pytest.raises(InputError, match=r"^slots.outage is given, but the scenario has no outage; leave it out$"):
        package.score(paper.params, slots, solve_priced(paper.params, slots._replace(outage=None)).decision)


def test_pictures_show_who_is_not_served(scenario, slots, monkeypatch):
    cell = load_scenario("paper", [*OFF, f"cell.slots_per_episode={COUNT}"])
    shown = episode(cell, "rcars", policy("rcars", cell), USERS, 3, 3)
    k = int(shown.slots.outage.any(axis=-1).argmax())
    seen = []

    def watched_map(axes, scenario, slot, users, kinds):
        seen.append(list(kinds))
        draw_map(axes, scenario, slot, users, kinds)

    monkeypatch.setattr("genedge.draw.watch.draw_map", watched_map)
    monkeypatch.setattr("genedge.draw.slot.draw_map", watched_map)
    text = draw_frame(shown, k).text
    assert [kind == OUTAGE for kind in seen[0]] == shown.slots.outage[k].tolist()
    assert "nan" not in text
    draw_cell(scenario, jax.tree.map(lambda x: x[0], slots), None, 1)
    assert [kind == OUTAGE for kind in seen[1]] == slots.outage[0].tolist()


def test_without_an_outage_slots_stay_as_they_are(paper, slots):
    plain = slots._replace(outage=None)
    assert with_outage(paper.params, plain) is plain


def test_an_outage_that_makes_no_sense(scenario, slots):
    decision = solve_priced(scenario.params, slots).decision
    for field in ("least_gain", "delay_s"):
        wrong = scenario.params._replace(outage=scenario.params.outage._replace(**{field: np.array(-1.0)}))
        with pytest.raises(InputError, match=rf"^params.outage.{field} is -1.0; it must be a finite number"):
            package.score(wrong, slots, decision)

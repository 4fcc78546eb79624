"""Drawn traces: as before where nothing else is asked for, and with the moments that are."""

import hashlib
import json
from collections import Counter
from importlib.resources import files
from itertools import islice, pairwise

import numpy as np
import pytest
import yaml

from genedge.errors import InputError
from genedge.replay.gaps import DAY_S, AtRandom, InBursts
from genedge.replay.generate import generate, papers_skews
from genedge.replay.habits import Habits, hours_of, models_of
from genedge.replay.shown import show
from genedge.replay.trace import write_trace

EVENINGS = [2, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 6, 8, 9, 9, 6]
NOONS = [0.0] * 12 + [1.0] * 12
FLAT = [1.0] * 24
# Of chi-squared with so many degrees of freedom, what one in a thousand exceeds.
ONE_IN_1000 = {3: 16.27, 9: 27.88, 11: 31.26, 15: 37.70, 23: 49.73}


def shown(path, *sizes, **habits):
    write_trace(path, generate(*sizes, Habits(**habits)))
    return show(path)


def too_far(counts, shares):
    """Whether counts are further from what is expected than one sample in a thousand."""
    counts, shares = np.asarray(counts, float), np.asarray(shares, float)
    expected = counts.sum() * shares / shares.sum()
    assert (counts[expected == 0] == 0).all()
    there = expected > 0
    chi_squared = ((counts - expected)[there] ** 2 / expected[there]).sum()
    return chi_squared > ONE_IN_1000[there.sum() - 1]


@pytest.mark.parametrize(
    ("sizes", "digest"),
    [
        ((20000, 50, 1000, 0.1, 0), "e41881b13f6b0bdc"),
        ((9000, 12, 60, 0.05, 7), "1dbec132f587eff8"),
        ((500, 3, 4, 20.0, 3), "98ac9b03f46a91ac"),
    ],
)
def test_without_habits_traces_are_what_they_were(tmp_path, sizes, digest):
    write_trace(tmp_path / "t.csv", generate(*sizes))
    assert hashlib.sha256((tmp_path / "t.csv").read_bytes()).hexdigest()[:16] == digest


def test_skews_are_those_of_the_papers_cell():
    said = yaml.safe_load((files("genedge") / "scenarios" / "paper.yaml").read_text())
    skews = papers_skews()
    assert skews.states == said["requests"]["skew_states"]["value"] == [0.4, 0.8, 1.2]
    chain = np.diff(skews.transition, axis=1, prepend=0)
    assert chain == pytest.approx(np.array(said["requests"]["transition"]["value"]))
    assert skews.slot_s == said["cell"]["slot_duration_s"]["value"] == 20
    assert skews.first == 1


# --- When requests come


def times(blocks, seed, *of):
    clock, rng = InBursts(*of), np.random.default_rng(seed)
    return np.concatenate([clock.times(rng, 8192) for _ in range(blocks)])


@pytest.mark.parametrize("by_hour", [FLAT, EVENINGS, NOONS])
@pytest.mark.parametrize("wanted", [16, 20])
def test_gaps_vary_as_much_as_is_asked_for(wanted, by_hour):
    found = [np.diff(times(20, seed, 0.0109, wanted, by_hour)) for seed in range(4)]
    variations = [gaps.std() / gaps.mean() for gaps in found]
    assert variations == pytest.approx([wanted] * 4, rel=0.15)
    assert np.mean(variations) == pytest.approx(wanted, rel=0.05)
    assert np.mean([gaps.mean() for gaps in found]) == pytest.approx(1 / 0.0109, rel=0.02)


@pytest.mark.parametrize(("wanted", "tolerance"), [(1, 0.03), (2, 0.03), (5, 0.06), (11.9, 0.2)])
def test_a_short_trace_has_the_variation_too(tmp_path, wanted, tolerance):
    for seed in (0, 1):
        found = shown(tmp_path / "t.csv", 8192, 20, 300, 0.0109, seed, gaps_cv=wanted)
        assert found.gaps_variation == pytest.approx(wanted, rel=tolerance)
        assert found.requests / (3600 * found.hours) == pytest.approx(0.0109, rel=0.06)


def test_gaps_at_random_on_a_clock_that_rests_half_the_day():
    """Against the moments by hand: one gap a day goes on through the rest."""
    a_day, resting_s = 200.0, DAY_S / 2
    mean_s = resting_s / a_day
    # The gap that meets the beginning of the rest is twice as long as others.
    second = 2 * mean_s**2 + (2 * resting_s * 2 * mean_s + resting_s**2) / a_day
    by_hand = (second / (DAY_S / a_day) ** 2 - 1) ** 0.5
    clock = InBursts(a_day / DAY_S, None, NOONS)
    assert clock._variation(1.0) == pytest.approx(by_hand, rel=1e-6)
    assert InBursts(a_day / DAY_S, None, FLAT)._variation(1.0) == pytest.approx(1, rel=1e-6)
    assert InBursts(a_day / DAY_S, None, FLAT)._variation(7.0) == pytest.approx(7, rel=1e-6)
    gaps = np.diff(times(40, 0, a_day / DAY_S, None, NOONS))
    assert gaps.std() / gaps.mean() == pytest.approx(by_hand, rel=0.03)
    with pytest.raises(
        InputError, match=rf"have a coefficient of variation of {by_hand:.2f} where they are at random"
    ):
        InBursts(a_day / DAY_S, by_hand - 1, NOONS)


def test_at_random_is_what_it_says():
    clock = AtRandom(0.25)
    found = np.diff(clock.times(np.random.default_rng(0), 20_000) + clock.times(np.random.default_rng(1), 20_000))
    assert (found.mean(), found.std()) == pytest.approx((4, 4), rel=0.02)


@pytest.mark.parametrize("by_hour", [EVENINGS, NOONS, FLAT])
def test_the_day_has_its_rhythm(tmp_path, by_hour):
    found = shown(tmp_path / "t.csv", 20_000, 5, 100, 0.02, 3, by_hour=by_hour)
    days = found.hours / 24
    assert found.requests / days == pytest.approx(0.02 * DAY_S, rel=0.03)
    # Whole days alone, of which each hour has its share.
    rows = [
        row for row in generate(20_000, 5, 100, 0.02, 3, Habits(by_hour=by_hour)) if row.time < int(days) * DAY_S
    ]
    counts = np.bincount([int(row.time // 3600 % 24) for row in rows], minlength=24)
    assert not too_far(counts, by_hour)
    in_bursts = shown(tmp_path / "t.csv", 40_000, 5, 100, 0.01, 3, by_hour=by_hour, gaps_cv=20)
    shares = np.array(in_bursts.by_hour) / in_bursts.requests
    assert np.abs(shares - np.array(by_hour) / sum(by_hour)).max() < 0.06
    assert in_bursts.gaps_variation == pytest.approx(20, rel=0.15)


# --- Which models, and who


def first_requests(**habits):
    """Those by users who ask for the first time, whose models are drawn anew, each alone."""
    rows = generate(20_000, len(habits.get("names", "m" * 10)), 10_000_000, 1.0, 5, Habits(**habits))
    seen = {}
    for row in rows:
        seen.setdefault(row.user, row.model)
    assert len(seen) > 15_000 / (habits.get("session_requests") or 5)
    return Counter(seen.values())


@pytest.mark.parametrize("session_requests", [None, 1, 4])
def test_models_have_the_shares_of_their_weights(session_requests):
    weights = {"sdxl": 5, "flux, new": 2.5, "none": 0, "pony": 1, "sd15": 0.25}
    habits = {"names": [*weights], "weights": [*weights.values()], "session_requests": session_requests}
    counts = first_requests(**habits)
    assert not too_far([counts[name] for name in weights], [*weights.values()])


@pytest.mark.parametrize("skew", [0, 0.8, 1.5])
def test_a_fixed_skew_is_that_of_zipfs_law(skew):
    counts = first_requests(skew=skew)
    assert not too_far([counts[f"M{m:04d}"] for m in range(10)], np.arange(1, 11.0) ** -skew)


def test_the_shares_are_seen_to_be_wrong_where_they_are():
    counts = first_requests(skew=0.8)
    assert too_far([counts[f"M{m:04d}"] for m in range(10)], np.arange(1, 11.0) ** -1.0)


@pytest.mark.parametrize(("mean", "more"), [(1, {}), (2, {}), (4, {"by_hour": EVENINGS}), (8, {"gaps_cv": 3})])
def test_sessions_have_as_many_requests_as_is_asked_for(tmp_path, mean, more):
    """As `genedge trace show` counts them, where some session is open nearly always."""
    found = shown(tmp_path / "t.csv", 30_000, 20, 5000, 0.3, 2, session_requests=mean, **more)
    assert found.requests / found.sessions == pytest.approx(mean, rel=0.05)
    assert 0.72 < found.same_again < 0.85


def test_after_a_silence_all_sessions_are_over(tmp_path):
    rows = list(generate(3000, 20, 100_000, 0.002, 2, Habits(session_requests=1000)))
    met = {}
    for before, row in pairwise(rows):
        met[before.user] = before.time
        goes_on = any(row.time - asked <= 600 for asked in met.values())
        assert (row.user in met and row.time - met[row.user] <= 600) == goes_on or not goes_on


def test_few_users_who_are_all_at_work():
    rows = list(generate(2000, 5, 2, 1.0, 0, Habits(session_requests=1)))
    assert {row.user for row in rows} == {"G00000", "G00001"}


def test_habits_change_nothing_else_that_is_drawn():
    def columns(**habits):
        rows = list(generate(9000, 20, 100, 0.002, 4, Habits(skew=1, **habits)))
        return {name: [getattr(row, name) for row in rows] for name in ("time", "model", "user", "steps")}

    usual = columns()
    assert columns() == usual
    in_bursts = columns(gaps_cv=10, by_hour=EVENINGS)
    assert in_bursts["time"] != usual["time"]
    assert all(in_bursts[name] == usual[name] for name in ("model", "user", "steps"))
    sessions = columns(session_requests=3)
    assert sessions["user"] != usual["user"]
    assert all(sessions[name] == usual[name] for name in ("time", "steps"))


def test_a_trace_of_any_length_begins_at_once():
    habits = Habits(gaps_cv=20, by_hour=EVENINGS, session_requests=4, skew=1)
    first = list(islice(generate(10**15, 50, 10**7, 0.01, 0, habits), 100))
    assert first == list(islice(generate(10**5, 50, 10**7, 0.01, 0, habits), 100))
    assert first != list(islice(generate(10**5, 50, 10**7, 0.01, 1, habits), 100))


# --- As they are written


def test_models_and_hours_as_they_are_written():
    assert models_of("12") == (None, None, 12)
    assert models_of("sdxl=5, a=b=2.5,pony=0") == (["sdxl", "a=b", "pony"], [5, 2.5, 0], 3)
    assert models_of("sdxl,flux") == (["sdxl", "flux"], None, 2)
    assert hours_of(json.dumps(EVENINGS)) == EVENINGS

"""The truth is recovered, and what measurements do not tell is not invented."""

import json

import numpy as np
import pytest
from measured import B1, B2, DECAYS, EXPONENTIAL, PAPER, POWER, drawn

from genedge.calibrate.delay import line
from genedge.calibrate.fit import fit_of
from genedge.calibrate.measurements import Measurement
from genedge.calibrate.table import table_of
from genedge.calibrate.verdict import strongest, verdict_of
from genedge.errors import InputError

NAMES = {"three_pieces": ("A1", "A2", "A3", "A4"), "exponential": tuple("abc"), "power": tuple("abc")}
FLAT = ("three_pieces", (22.0, 50.0, 63.0, 50.0), PAPER[2], 4.0)
RISES = ("three_pieces", (22.0, 28.0, 63.0, 40.0), PAPER[2], 4.0)


def fitted(truth, images=12, seed=0, **more):
    return fit_of(table_of(drawn(truth, images, seed, **more), "measurements"))


def recovered(truth, images, draws):
    """In how many draws each interval holds the truth."""
    held = dict.fromkeys((*NAMES[truth[0]], "b1", "b2"), 0)
    for seed in range(draws):
        fit = fitted(truth, images, seed)
        intervals = dict(fit.families[truth[0]].intervals) | dict(zip(("b1", "b2"), fit.delay.ends, strict=True))
        true = dict(zip(NAMES[truth[0]], truth[1], strict=True)) | {"b1": B1, "b2": B2}
        for name in held:
            interval = intervals[name]
            held[name] += interval is not None and interval[0] <= true[name] <= interval[1]
    return held


@pytest.mark.parametrize("truth", [PAPER, EXPONENTIAL, POWER], ids=lambda truth: truth[0])
def test_the_truth_is_recovered(truth):
    """An interval that holds it 95 times in a hundred misses more than 3 of 12 once in 400 times."""
    held = recovered(truth, 12, 12)
    assert {name: count for name, count in held.items() if count < 9} == {}


@pytest.mark.heavy
@pytest.mark.parametrize("truth", [PAPER, EXPONENTIAL, POWER], ids=lambda truth: truth[0])
@pytest.mark.parametrize("images", [8, 20])
def test_the_truth_is_recovered_in_95_of_100(truth, images):
    held = recovered(truth, images, 100)
    assert {name: count for name, count in held.items() if count < 95} == {}


@pytest.mark.parametrize(("truth", "word"), [(PAPER, "falls"), (POWER, "falls"), (RISES, "rises"), (FLAT, "flat")])
def test_the_verdict_is_right(truth, word):
    fit = fitted(truth)
    assert fit.verdict.word == fit.as_json()["verdict"] == word
    assert fit.verdict.against is None
    assert fit.best == {"falls": truth[0], "rises": "three_pieces", "flat": None}[word]


@pytest.mark.parametrize("images", [6, 7, 13])
def test_chance_is_called_a_change_in_one_of_twenty_flat_models(images):
    """Of 400; more than 33 would be a chance of one in 500."""
    rng = np.random.default_rng(1)
    shape = (400, images, 9)
    quality = rng.normal(0, 1, shape).cumsum(axis=-1) + rng.normal(0, 9, (400, images, 1))
    words = [verdict_of(each).word for each in quality]
    assert len(words) - words.count("flat") <= 33


def test_the_strongest_change_is_that_of_all_flips():
    """Against a plain enumeration, for seven images."""
    quality = np.random.default_rng(5).normal(0, 1, (7, 4)) + np.array([0, 0.2, 2.1, 1.9])
    pairs = [(k, j) for k in range(4) for j in range(k + 1, 4)]

    def strength(signs, k, j):
        rises = quality[:, j] - quality[:, k]
        return (signs * rises).sum() / np.sqrt((rises**2).sum())

    signs = [np.array([1 - 2 * (n >> i & 1) for i in range(7)]) for n in range(128)]
    most = np.array([max(strength(each, *pair) for pair in pairs) for each in signs])
    strong = [p for p in pairs if (most >= strength(np.ones(7), *p) - 1e-9).mean() <= 0.025]
    by = {pair: (quality[:, pair[1]] - quality[:, pair[0]]).mean() for pair in strong}
    assert strong
    found = strongest(quality)
    assert (found.first, found.last) == max(by, key=by.get)
    assert found.by == pytest.approx(max(by.values()))


@pytest.mark.parametrize(
    ("curve", "word", "way"),
    [((9, 4, 1, 2, 3, 3.5), "falls", "rises by"), ((4, 1, 3, 6, 8, 9), "rises", "falls by")],
)
def test_what_goes_both_ways_gets_the_nearer_word_and_a_remark(curve, word, way):
    rng = np.random.default_rng(0)
    rows = [
        Measurement(str(i), steps, steps, level + rng.normal(0, 0.1), 1 + steps)
        for i in range(8)
        for steps, level in zip((1, 2, 5, 10, 20, 50), curve, strict=True)
    ]
    fit = fit_of(table_of(rows, "measurements"))
    assert fit.verdict.word == word
    (told,) = [line for line in fit.remarks if "one way only" in line]
    assert way in told
    first, last = fit.verdict.against.first, fit.verdict.against.last
    assert (curve[last] - curve[first] > 0) == (word == "falls")


# --- What is not identified ---------------------------------------------------------------------------------


def unidentified(truth, images=12):
    pieces = fitted(truth, images).families["three_pieces"]
    missing = {name for name, value in pieces.parameters.items() if value is None}
    assert missing == set(pieces.unidentified) == {name for name, ends in pieces.intervals.items() if ends is None}
    return missing


def test_breakpoints_outside_of_what_was_measured_are_not_invented():
    family, parameters, _, noise = PAPER
    assert unidentified(PAPER) == set()
    assert unidentified((family, parameters, (25, 30, 35, 40, 45, 50, 60, 80, 100), noise)) == {"A1", "A2"}
    assert unidentified((family, parameters, (5, 10, 15, 20, 25, 30, 40, 50, 60), noise)) == {"A3", "A4"}
    assert unidentified((family, parameters, (25, 30, 40, 50, 60), noise)) == {"A1", "A2", "A3", "A4"}


def test_a_jump_between_two_steps_has_no_breakpoints():
    family, parameters, _, noise = PAPER
    assert unidentified((family, parameters, (5, 10, 20, 70, 80, 100), noise)) == {"A1", "A3"}
    assert unidentified((family, parameters, (5, 10, 20, 45, 70, 80, 100), noise)) == {"A1", "A3"}


def test_where_nothing_changes_nothing_is_identified():
    fit = fitted(FLAT)
    for name, family in fit.families.items():
        assert set(family.unidentified) == set(NAMES[name])
        assert set(family.parameters.values()) == {None}
    assert "No change of quality with steps is told from chance" in fit.remarks[0]


def test_a_smooth_fall_is_no_three_pieces():
    fit = fitted(POWER, 16)
    assert {"A1", "A2"} <= set(fit.families["three_pieces"].unidentified)
    assert any("is power rather than three pieces" in told for told in fit.remarks)


@pytest.mark.parametrize(
    ("curve", "why"),
    [(lambda s: 50 - 0.2 * s, "straight line over steps"), (lambda s: 9.0 * (s == 1), "jump after the least")],
)
def test_a_rate_that_is_none_is_not_invented(curve, why):
    rng = np.random.default_rng(0)
    rows = [
        Measurement(str(i), s, s, curve(s) + rng.normal(0, 0.3), s)
        for i in range(10)
        for s in (1, 20, 50, 100, 200)
    ]
    exponential = fit_of(table_of(rows, "measurements")).families["exponential"]
    assert set(exponential.parameters.values()) == {None}
    assert all(why in each for each in exponential.unidentified.values())


def test_values_that_are_all_alike_are_flat():
    rows = [Measurement(str(i), s, s, 0.1, 0.5) for i in range(6) for s in (1, 2, 3, 4, 5, 6)]
    fit = fit_of(table_of(rows, "measurements"))
    assert fit.verdict.word == "flat"
    assert {family.r2 for family in fit.families.values()} == {None}
    assert (fit.delay.b1, fit.delay.b2, fit.delay.r2) == (0, 0.5, None)
    json.dumps(fit.as_json(), allow_nan=False)


# --- Criteria -----------------------------------------------------------------------------------------------


def test_r2_and_aicc_are_those_of_the_books():
    fit = fitted(POWER)
    means = fit.table.quality.mean(axis=0)
    for name, family in fit.families.items():
        left = ((means - family.fitted) ** 2).sum()
        n, k = len(DECAYS), len(NAMES[name]) + 1
        assert family.r2 == pytest.approx(1 - left / (n * means.var()))
        assert family.aicc == pytest.approx(n * np.log(left / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1))
    few = fitted((*POWER[:2], (1, 2, 5, 10, 20, 50), 0.3))
    assert few.families["three_pieces"].aicc is None
    assert few.families["power"].aicc is not None


def test_the_same_measurements_have_the_same_fit():
    assert fitted(PAPER).as_json() == fitted(PAPER).as_json()


# --- Delay --------------------------------------------------------------------------------------------------


def jumping(steps, jump=10, times=10):
    """Evaluations with jumps of length j and r resamplings."""
    return steps + jump * (times - 1) * max(0, -(-(steps - jump) // jump))


def test_delay_is_linear_in_evaluations_where_it_is_not_in_steps():
    fit = fitted(PAPER, evaluations=jumping)
    assert fit.delay.b1 == pytest.approx(B1, rel=0.02)
    assert fit.delay.r2 > 0.99
    steps, takes = fit.table.steps, fit.delay.b2 + fit.delay.b1 * fit.table.evaluations
    B = np.polyfit(steps, takes, 1)
    assert B[1] < 0  # Which no model's delay is, so the line goes through 0.
    np.testing.assert_allclose([fit.delay.B1, fit.delay.B2], [(steps @ takes) / (steps @ steps), 0])
    assert fit.delay.off_s == pytest.approx(np.abs(takes - fit.delay.B1 * steps).max())
    assert any("Evaluations are not linear in steps" in told for told in fit.remarks)


def test_without_jumps_a_step_takes_what_its_evaluations_do():
    fit = fitted(PAPER, evaluations=lambda steps: 2 * steps)
    np.testing.assert_allclose([fit.delay.B1, fit.delay.B2], [2 * fit.delay.b1, fit.delay.b2])
    assert fit.delay.off_s == pytest.approx(0, abs=1e-9)
    assert not any("linear" in told for told in fit.remarks)


def test_a_first_run_that_warms_up_changes_next_to_nothing():
    rows = drawn(PAPER, 12, 0)
    cold = fit_of(table_of(rows, "measurements")).delay
    warm = fit_of(table_of([rows[0]._replace(seconds=rows[0].seconds / 10), *rows[1:]], "measurements")).delay
    assert (cold.b1, cold.b2) == (pytest.approx(warm.b1, rel=1e-3), pytest.approx(warm.b2, rel=1e-2))


@pytest.mark.parametrize("seed", range(20))
def test_the_line_is_the_nearest_that_is_not_negative(seed):
    from scipy.optimize import nnls

    rng = np.random.default_rng(seed)
    x, y = rng.uniform(1, 10, 6), np.abs(rng.normal(3, 3, (8, 6)))
    design = np.stack([x, np.ones(6)], axis=-1)
    np.testing.assert_allclose(line(x, y), [nnls(design, each)[0] for each in y], atol=1e-9)


# --- Tables -------------------------------------------------------------------------------------------------


def test_runs_of_one_image_are_taken_together_and_half_measured_images_left_out():
    rows = [Measurement(str(i), s, s, i + s, s) for i in range(7) for s in (1, 2, 4)]
    rows += [
        Measurement("0", 2, 2, 8.0, 50.0),
        Measurement("0", 2, 2, 2.0, 3.0),
        Measurement("new", 1, 1, 0.0, 0.0),
    ]
    table = table_of(rows[::-1], "measurements")
    assert table.steps.tolist() == [1, 2, 4]
    assert table.left_out == ("new",)
    first = table.images.index("0")
    assert table.quality[first].tolist() == [1, 4, 4]
    assert table.seconds[first].tolist() == [1, 3, 4]
    assert "1 images lack" in fit_of(table).remarks[-1]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(i, s, s) for i in range(6) for s in (1, 2)], "with 2 different numbers of steps; a curve takes 3 to 40"),
        ([("a", s, s) for s in (1, 2, 3, 4)], "1 of 1 images were measured with every number of steps; 6 to"),
        (
            [(i, s, s) for i in range(6) for s in (1, 2, 3) if (i, s) != (4, 2)],
            r"5 of 6 images .* \('4' was not measured with 2 steps\); 6 to 5000 are needed",
        ),
        (
            [(i, s, s + i) for i in range(6) for s in (1, 2, 3)],
            "1 steps take 1 evaluations in one run, 2 in another",
        ),
        ([(i, s, 7) for i in range(6) for s in (1, 2, 3)], "every number of steps takes 7 evaluations"),
        ([(i, s, s) for i in range(6) for s in range(1, 60)], "with 59 different numbers of steps"),
    ],
)
def test_too_little_to_fit_is_told(rows, message):
    with pytest.raises(InputError, match=message):
        table_of([Measurement(str(i), s, e, 1.0, 1.0) for i, s, e in rows], "measurements")

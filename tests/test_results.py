"""Results of comparisons: each interval computed once, and the same numbers in tables, JSON and figures."""

import json
from collections import Counter

import numpy as np
import pytest
from pictures import dots, intervals, legend, levels, names, numbers

from genedge import results as module
from genedge.cli.table import cell, print_results
from genedge.draw.cells import over_users_figure
from genedge.draw.dots import dots_figure
from genedge.errors import InputError
from genedge.evaluation.results import METRICS, OPTIMUM, Bounds, assembled
from genedge.results import Measured, Metric, mean_of, plain, single
from genedge.scenario import load_scenario
from genedge.statistics import Interval, interval_of, mean

POLICIES = ("rcars", "hcras", "mine")


def invented(users=(3,), policies=POLICIES, episodes=5):
    """Results that nobody has measured."""
    rng = np.random.default_rng(1)
    rows = [
        Measured(
            name,
            n,
            {metric: rng.uniform(1, 2, episodes) for metric in METRICS},
            {"decision_ms": single(0.125), "first_s": single(2.5)},
        )
        for n in users
        for name in policies
    ]
    bounds = [Bounds(n, rng.uniform(0.5, 1, episodes), rng.uniform(2, 3, episodes)) for n in users]
    return assembled(load_scenario("paper"), episodes, 0, rows, bounds)


def test_every_interval_is_computed_once_whoever_reads_it(monkeypatch, capsys):
    results, computed = invented(users=(3, 4)), Counter()

    def counted(statistic, *samples):
        computed[id(statistic), *map(id, samples)] += 1
        return interval_of(statistic, *samples)

    monkeypatch.setattr(module, "interval_of", counted)
    results.as_json()
    everything = computed.total()
    assert everything == len(computed) > 100
    for _ in range(2):
        print_results(results)
        over_users_figure(results)
        results.as_json()
    assert computed.total() == everything
    assert capsys.readouterr().out.count("certified optimum") == 4


def test_values_are_those_of_the_samples():
    results = invented()
    for row in results.rows:
        for metric, sample in row.samples.items():
            assert results.value(row.policy, 3, metric) == interval_of(mean, sample)
        assert row.value("decision_ms")[0] == 0.125
        assert np.isnan(row.value("decision_ms")[1:]).all()


def test_what_follows_from_several_samples():
    results = invented()
    optimum = results.optimum(3).mean
    for row in results.rows:
        utility = row.samples["utility"].mean()
        assert results.gaps(row.policy, 3)["of_optimum"].mean == pytest.approx(utility / optimum - 1)
        most = results.largest_advantage(row.policy, 3)
        assert most["better_by_of_base"].mean == pytest.approx(1 - optimum / utility)
        assert most["better_by_of_ours"].mean == pytest.approx(utility / optimum - 1)
    ours, base = (results.of(name, 3).samples["hit_ratio"].mean() for name in ("mine", "rcars"))
    against = results.compare("mine", "rcars", 3)
    assert against["hit_ratio_better_by_of_base"].mean == pytest.approx(ours / base - 1)
    with pytest.raises(InputError, match="'mine' at users 9 was not evaluated; there are rcars, hcras, mine at 3"):
        results.of("mine", 9)


def test_a_table_has_a_row_for_each_policy_and_level_and_says_their_values(capsys):
    results = invented()
    print_results(results)
    out = capsys.readouterr().out
    means, against_rcars, against_hcras = results.sheets
    lines = [[part.strip() for part in line.split("│")[1:-1]] for line in out.splitlines() if "│" in line]
    assert [line[0] for line in lines] == [
        *(*POLICIES, "certified optimum"),
        *("hcras", "mine", "most any policy could"),
        *("rcars", "mine", "most any policy could"),
    ]
    for line, row in zip(lines, results.rows, strict=False):
        expected = [cell(row.value(key), results.metrics[key].digits) for key in means.columns]
        assert line == [row.policy, *expected]
    assert lines[3][1:] == [cell(results.optimum(3), ".1f"), *[""] * (len(means.columns) - 1)]
    values = [results.of("mine", 3).value(key) for key in against_rcars.columns]
    digits = ("+.1f", "+.1%", "+.1%", "+.1%")
    assert lines[5] == ["mine", *(cell(value, each) for value, each in zip(values, digits, strict=True))]
    assert against_hcras.title == "against hcras on the same slots, 3 users"
    most = results.largest_advantage("rcars", 3)
    assert lines[6][1:] == ["", *(cell(value, "+.1%") for value in most.values()), ""]
    assert "delay [s]" in out
    assert "decision [ms]" in out


def test_dots_lie_at_the_values_and_lines_at_the_levels():
    results = invented()
    figure = dots_figure(results)
    assert len(figure.axes) == len(results.panels) == 4
    for axes, metric in zip(figure.axes, results.panels, strict=True):
        values = [row.value(metric) for row in results.rows]
        assert dots(axes) == {i: value.mean for i, value in enumerate(values)}
        assert intervals(axes) == {i: (value.low, value.high) for i, value in enumerate(values)}
        assert numbers(axes) == [f"{value.mean:{results.metrics[metric].digits}}" for value in values]
        assert axes.get_xlabel() == results.metrics[metric].axis
        assert levels(axes) == ({OPTIMUM: results.optimum(3).mean} if metric == "utility" else {})
    assert names(figure.axes[0]) == ["rcars", "hcras", "mine"]
    assert legend(figure) == [OPTIMUM]
    assert figure.get_suptitle() == "scenario paper, 3 users, 5 episodes of 50 slots, 95 % intervals"


def test_where_there_is_no_value_there_is_no_dot():
    results = invented(policies=("rcars", "none"))
    results.rows[1].samples["hit_ratio"][:] = np.nan
    axes = dict(zip(results.panels, dots_figure(results).axes, strict=True))
    assert list(dots(axes["hit_ratio"])) == [0]
    assert list(dots(axes["utility"])) == [0, 1]


def test_over_users_there_is_a_line_for_each_policy_and_one_for_the_optimum():
    results = invented(users=(3, 5, 9))
    figure = over_users_figure(results)
    for axes, metric in zip(figure.axes, results.panels, strict=True):
        drawn = {container.get_label(): container.lines[0].get_ydata().tolist() for container in axes.containers}
        assert drawn == {name: [results.value(name, n, metric).mean for n in (3, 5, 9)] for name in POLICIES}
        assert axes.get_ylabel() == results.metrics[metric].axis
        optimum = [line for line in axes.get_lines() if line.get_label() == OPTIMUM]
        assert len(optimum) == (metric == "utility")
        for line in optimum:
            assert line.get_ydata().tolist() == [results.optimum(n).mean for n in (3, 5, 9)]
    assert legend(figure) == [OPTIMUM, "rcars", "hcras", "mine"]


def test_headings_and_axes_say_unit_and_direction():
    metric = Metric("delay", ".2f", "s", "lower")
    assert (metric.heading, metric.axis) == ("delay [s]", "delay [s]\n(lower is better)")
    assert Metric("share", ".2f").axis == "share"


def test_json_has_null_where_nothing_is_defined():
    value = {"a": Interval(1.0, np.nan, np.nan), "b": [np.array([1.5, np.nan]), (2, True, None, "x")]}
    told = plain(value)
    assert told == {"a": {"mean": 1.0, "low": None, "high": None}, "b": [[1.5, None], [2, True, None, "x"]]}
    json.dumps(told, allow_nan=False)
    assert plain(mean_of(np.array([np.nan])).interval) == {"mean": None, "low": None, "high": None}

"""Results of comparisons: each interval computed once, and the same numbers in tables, JSON and figures."""

import json
import re
import sys
from collections import Counter
from xml.etree import ElementTree

import numpy as np
import pytest
from pictures import dots, intervals, legend, levels, names, numbers

from genedge import results as module
from genedge.cli.table import print_results
from genedge.draw.cells import over_users_figure
from genedge.draw.dots import dots_figure
from genedge.errors import InputError
from genedge.evaluation.results import METRICS, OPTIMUM, RADIO, TAILED, Bounds, assembled
from genedge.results import Measured, Metric, cell, mean_of, plain, single, tail_quantities
from genedge.scenario import load_scenario
from genedge.spread import Tail
from genedge.statistics import Interval, interval_of, mean

POLICIES = ("rcars", "hcras", "mine")


def invented(users=(3,), policies=POLICIES, episodes=5, share=0.1, equals=()):
    """Results that nobody has measured."""
    rng = np.random.default_rng(1)
    once = {"decision_ms": 0.125, "first_s": 2.5, "caches": 7, "decisions": 9}
    derived = {key: single(value) for key, value in once.items()}
    for metric in TAILED:
        derived |= tail_quantities(metric, Tail(30.0, share, 20.0, 21.0))
    rows = [
        Measured(name, n, {metric: rng.uniform(1, 2, episodes) for metric in METRICS}, derived, equals)
        for n in users
        for name in policies
    ]
    bounds = [
        Bounds(n, *(rng.uniform(*ends, episodes) for ends in ((0.5, 1), (2, 3), (0.1, 0.3), (0.2, 0.4))))
        for n in users
    ]
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
        utility, radio = row.samples["utility"].mean(), results.levels_at(3)[RADIO]["utility"].mean
        assert results.gaps(row.policy, 3)["of_optimum"].mean == pytest.approx(utility / optimum - 1)
        beyond = results.gaps(row.policy, 3)["beyond_radio"].mean
        assert beyond == pytest.approx((utility - optimum) / (optimum - radio))
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
    means, gaps, against_rcars, against_hcras = results.sheets
    lines = [[part.strip() for part in line.split("│")[1:-1]] for line in out.splitlines() if "│" in line]
    assert [line[0] for line in lines] == [
        *(*POLICIES, "certified optimum", RADIO),
        *POLICIES,
        *("hcras", "mine", "most any policy could"),
        *("rcars", "mine", "most any policy could"),
    ]
    for sheet, below in ((means, lines), (gaps, lines[5:])):
        for line, row in zip(below, results.rows, strict=False):
            expected = [cell(row.value(key), results.metrics[key].digits) for key in sheet.columns]
            assert line == [row.policy, *expected]
    assert lines[3][1:] == [cell(results.optimum(3), ".1f"), *[""] * (len(means.columns) - 1)]
    values = [results.of("mine", 3).value(key) for key in against_rcars.columns]
    digits = ("+.1f", "+.1%", "+.1%", "+.1%")
    assert lines[9] == ["mine", *(cell(value, each) for value, each in zip(values, digits, strict=True))]
    over = "mean and 95 % interval over 5 episodes"
    assert against_hcras.title == f"against hcras on the same slots, 3 users: {over}"
    most = results.largest_advantage("rcars", 3)
    assert lines[10][1:] == ["", *(cell(value, "+.1%") for value in most.values()), ""]
    assert "delay [s]" in out
    assert "decision [ms]" in out


@pytest.mark.parametrize("width", [60, 80, 100, 120, 240])
def test_a_table_fits_the_terminal_and_cuts_no_number_and_no_name(width, capsys, monkeypatch):
    names = ("rcars", "sweep/ddpg.actor_learning_rate=0.00001,ddpg.soft_update=0.05/seed-0", "mine [of ours]")
    results = invented(policies=names)
    results.rows[1].samples["utility"][:] *= 1e7
    results.rows[1].samples["delay_s"][:] *= 2e9
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_results(results)
    out = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    lines = out.splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in out
    told = Counter(word.strip("[],") for word in re.split(r"[\s│┃]+", out))
    for sheet in results.sheets:
        for row in results.rows:
            for key in sheet.columns:
                for number in row.value(key) if key in row.quantities else ():
                    text = cell(Interval(number, np.nan, np.nan), results.metrics[key].digits)
                    assert np.isnan(number) or told[text], (row.policy, key)
    first = [line.split("│")[1].strip() for line in lines if line.startswith("│")]
    # A name of words is broken between them, any other where the column ends.
    assert names[1] in "".join(first)
    assert "mine [of ours] certified optimum" in " ".join(first)
    assert all(len(set(map(len, table.splitlines()))) == 1 for table in re.findall(r"┏(?:.|\n)*?┘", out))


def test_no_zero_is_negative():
    assert cell(Interval(-1e-9, -0.0012, 1e-9), "+.1%") == "+0.0% [-0.1%, +0.0%]"
    assert cell(Interval(-0.04, np.nan, np.nan), ".1f") == "0.0"
    assert cell(Interval(-1.0, -2.0, 3.0), "g") == "-1 [-2, 3]"


def test_in_a_notebook_the_same_numbers_stand_in_tables():
    results = invented(policies=("rcars", "<b>mine</b>"))
    html = ElementTree.fromstring(f"<all>{results._repr_html_()}</all>")
    tables = html.findall("table")
    assert [table.findtext("caption") for table in tables] == [sheet.title for sheet in results.sheets]
    for table, sheet in zip(tables, results.sheets, strict=True):
        rows = [[cell.text or "" for cell in row] for row in table.iter("tr")]
        assert rows == [results.headings(sheet), *results.texts(sheet)]


def test_dots_lie_at_the_values_and_lines_at_the_levels():
    results = invented()
    figure = dots_figure(results)
    assert len(figure.axes) == len(results.panels) == 4
    for axes, metric in zip(figure.axes, results.panels, strict=True):
        values = [row.value(metric) for row in results.rows]
        assert dots(axes) == {i: value.mean for i, value in enumerate(values)}
        assert intervals(axes) == {i: (value.low, value.high) for i, value in enumerate(values)}
        assert numbers(axes) == [f"{value.mean:{results.metrics[metric].digits}}" for value in values]
        assert axes.get_xlabel() == results.axis(metric)
        assert levels(axes) == ({OPTIMUM: results.optimum(3).mean} if metric == "utility" else {})
    assert names(figure.axes[0]) == ["rcars", "hcras", "mine"]
    assert legend(figure) == [OPTIMUM]
    assert figure.get_suptitle() == (
        "scenario paper, 3 users, episodes of 50 slots; mean and 95 % interval over 5 episodes"
    )


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
        assert axes.get_ylabel() == results.axis(metric)
        optimum = [line for line in axes.get_lines() if line.get_label() == OPTIMUM]
        assert len(optimum) == (metric == "utility")
        for line in optimum:
            assert line.get_ydata().tolist() == [results.optimum(n).mean for n in (3, 5, 9)]
    assert legend(figure) == [OPTIMUM, "rcars", "hcras", "mine"]


def test_headings_and_axes_say_unit_and_direction():
    metric = Metric("delay", ".2f", "s", "lower")
    assert (metric.heading, metric.axis) == ("delay [s]", "delay [s]\n(lower is better)")
    assert Metric("share", ".2f").axis == "share"
    assert invented().axis("delay_s") == "delay [s]\n(lower is better)\nover 5 episodes"


def test_json_has_null_where_nothing_is_defined():
    value = {"a": Interval(1.0, np.nan, np.nan), "b": [np.array([1.5, np.nan]), (2, True, None, "x")]}
    told = plain(value)
    assert told == {"a": {"mean": 1.0, "low": None, "high": None}, "b": [[1.5, None], [2, True, None, "x"]]}
    json.dumps(told, allow_nan=False)
    assert plain(mean_of(np.array([np.nan])).interval) == {"mean": None, "low": None, "high": None}

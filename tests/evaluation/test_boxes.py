"""Evaluations on a box: metrics recomputed from settings and episodes, and gaps from the regrets."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hostile import NAMES, renamed, texts_of
from pictures import dots, legend, levels, names

from genedge.cell.types import Decision
from genedge.cli.table import print_results
from genedge.draw.boxes import SERVING
from genedge.draw.canvas import in_figure
from genedge.draw.evaluated import evaluation_figure
from genedge.env.episodes import EpisodePolicy
from genedge.errors import InputError
from genedge.evaluation.box_results import BOX_METRICS, LOSSES, lost_by
from genedge.evaluation.boxes import evaluate_box
from genedge.optimum.dynamic import solver
from genedge.policies.box_shares import share
from genedge.policies.boxes import box_policy
from genedge.scenario import load_scenario

USERS, SLOTS, EPISODES = 4, 9, 5


@pytest.fixture(scope="module")
def scenario():
    return load_scenario("edge-box", [f"cell.slots_per_episode={SLOTS}"])


@pytest.fixture(scope="module")
def evaluation(scenario):
    solve = solver(scenario.params, USERS, SLOTS)
    rules = {name: box_policy(name, scenario, solve) for name in ("lru", "keep-forever", "optimal")}
    told = []
    made = evaluate_box(scenario, rules, solve, USERS, EPISODES, 4, told.append)
    assert [text.partition(",")[0] for text in told] == ["the optimum", *rules]
    return made


def test_metrics_of_an_episode(scenario, evaluation):
    hours = SLOTS * scenario.settings.cell.slot_duration_s / 3600
    for row in evaluation.rows:
        first = evaluation.first[row.policy]
        outcome, memory = first.outcome, first.slots.memory
        told = {metric: values[0] for metric, values in row.samples.items()}
        assert set(told) == set(BOX_METRICS)
        # A model that is held in a slot and was not in the one before has begun to load in between.
        begun = [
            m
            for t in range(SLOTS)
            for m in range(len(scenario.models))
            if (memory.held[t + 1, m] if t + 1 < SLOTS else first.decision.cache[t, m])
            and not memory.held[t, m]
            and memory.until[t] == 0
        ]
        expected = {
            "utility": outcome.utility.sum() / SLOTS,
            "delay_s": outcome.delay_s.mean(),
            "delay_p95_s": np.quantile(outcome.delay_s.ravel(), 0.95),
            "queue_s": outcome.queue_s.mean(),
            "tv": outcome.tv.mean(),
            "hit_ratio": outcome.hit.mean(),
            "loads_per_hour": len(begun) / hours,
            "loaded_gb_per_hour": sum(scenario.models[m].storage_gb for m in begun) / hours,
            "loading_s_per_hour": sum(scenario.models[m].load_s for m in begun) / hours,
        }
        assert told == pytest.approx(expected)
    lru, keep, _ = evaluation.rows
    assert (lru.samples["loads_per_hour"] > 0).any()
    assert not keep.samples["loads_per_hour"].any()


def test_the_optimal_policy_has_no_gap_and_the_others_have_that_of_their_losses(evaluation):
    assert evaluation.exact
    lru, keep, optimal = evaluation.rows
    assert optimal.value("gap").mean == pytest.approx(0, abs=1e-9)
    for row in (lru, keep):
        lost = sum(row.value(lost_by(part)).mean for part in LOSSES)
        assert lost > 0
        assert row.value("gap").mean == pytest.approx(lost / evaluation.optimum)
        assert row.value("expected_utility").mean == pytest.approx(evaluation.optimum + lost)


def test_json_is_strict_and_says_the_same(evaluation):
    told = json.loads(json.dumps(evaluation.as_json(), allow_nan=False))
    assert told["optimum"] == {"utility": evaluation.optimum, "attained": True}
    assert [row["policy"] for row in told["results"]] == ["lru", "keep-forever", "optimal"]
    for told_row, row in zip(told["results"], evaluation.rows, strict=True):
        assert told_row["gap"]["mean"] == row.value("gap").mean
        assert told_row["lost"] == {part: row.value(lost_by(part)).as_json() for part in LOSSES}


BOX_LEGEND = [
    *("loaded", "loading", "not held"),
    *("requests, served by the box", "requests, sent to the cloud"),
]


def test_the_figure_shows_costs_in_expectation_beside_the_optimum(evaluation):
    figure = evaluation_figure(evaluation)
    panels = dict(zip(evaluation.panels, figure.axes, strict=False))
    assert list(panels) == ["expected_utility", "delay_s", "hit_ratio", "loads_per_hour"]
    for metric, axes in panels.items():
        assert dots(axes) == {i: row.value(metric).mean for i, row in enumerate(evaluation.rows)}
        assert levels(axes) == ({"optimum, exact": evaluation.optimum} if metric == "expected_utility" else {})
    assert names(figure.axes[0]) == ["lru", "keep-forever", "optimal"]
    assert legend(figure) == ["optimum, exact", *BOX_LEGEND]


def test_the_figure_shows_what_was_held_and_asked_for(evaluation):
    """Slot by slot: the colours of what is held, and circles as large as there are requests."""
    timelines = evaluation_figure(evaluation).axes[4:]
    for axes, (policy, first) in zip(timelines, evaluation.first.items(), strict=True):
        assert axes.get_ylabel() == policy
        (image,) = axes.get_images()
        shown = np.asarray(image.get_array())
        memory = first.slots.memory
        expected = np.where(memory.held, np.where(memory.wait == 0, 2, 1), 0).T
        np.testing.assert_array_equal(shown, expected)
        assert image.get_cmap()(2)[:3] == pytest.approx(tuple(int(SERVING[i : i + 2], 16) / 255 for i in (1, 3, 5)))
        by_box, by_cloud = axes.collections
        for circles, hit in ((by_box, True), (by_cloud, False)):
            counted = {
                (round(x), round(y)): size / 4
                for (x, y), size in zip(circles.get_offsets(), circles.get_sizes(), strict=True)
            }
            asked = Counter(
                (t, int(first.slots.requests[t, n]))
                for t, n in zip(*np.nonzero(first.slots.active & (first.outcome.hit == hit)), strict=True)
            )
            assert counted == asked


@pytest.mark.heavy
def test_the_figure_names_models_as_their_catalogue_does(evaluation, scenario):
    there = {"storage_gb": "memory_gb", "output_size_mb": "result_mb"}
    entries = {
        f"model ${m}$ of many": {there.get(key, key): value for key, value in model.model_dump().items()}
        for m, model in enumerate(scenario.models)
    }
    named = load_scenario(
        "edge-box", {"cell.slots_per_episode": SLOTS, "models.catalogue": entries, "server.pinned": []}
    )
    for of, rows in (
        (scenario, [str(m) for m in range(len(entries))]),
        (named, [in_figure(f"model ${m}$ of m...") for m in range(len(entries))]),
    ):
        for axes in evaluation_figure(replace(evaluation, scenario=of)).axes[4:]:
            assert [label.get_text() for label in axes.get_yticklabels()] == rows


def test_names_stand_in_the_figure_as_they_are(evaluation):
    rows = tuple(replace(evaluation.rows[0], policy=name) for name in NAMES)
    first = dict.fromkeys(NAMES, evaluation.first["lru"])
    odd = replace(evaluation, scenario=renamed(evaluation.scenario, "$x$"), rows=rows, first=first)
    texts = texts_of(evaluation_figure(odd))
    # Beside the panels and beside what it held; matplotlib keeps another beside the right end of an axis.
    assert all(texts.count(in_figure(name)) >= 2 for name in NAMES)
    assert any(text.startswith("scenario $x$, 4 users") for text in texts)


def test_that_optimal_cannot_is_told_before_any_policy_works():
    s = load_scenario("edge-box", ["models.count=9", "cell.slots_per_episode=4"])
    solve, told = solver(s.params, USERS, 4), []
    rules = {name: box_policy(name, s, solve) for name in ("lru", "optimal")}
    with pytest.raises(InputError, match=r"policy 'optimal': 9 models and 4 users are too many .*; leave it out"):
        evaluate_box(s, rules, solve, USERS, 1, 0, told.append)
    assert told == ["the optimum, 4 users"]


def test_without_a_known_optimum_it_says_why(capsys):
    s = load_scenario("edge-box", ["models.count=9", "cell.slots_per_episode=4"])
    solve = solver(s.params, USERS, 4)
    made = evaluate_box(s, {"lru": box_policy("lru", s, solve)}, solve, USERS, 1, 0, quiet)
    told = json.loads(json.dumps(made.as_json(), allow_nan=False))
    assert told["optimum"] is None
    assert "9 models and 4 users are too many" in told["no_optimum"]
    assert told["results"][0]["gap"] is None
    print_results(made)
    assert capsys.readouterr().out.rstrip().endswith(f"The optimum is not known: {made.why_not}.")
    figure = evaluation_figure(made)
    assert dots(figure.axes[0]) == {0: made.value("lru", USERS, "utility").mean}
    assert not any(levels(axes) for axes in figure.axes[:4])
    assert legend(figure) == BOX_LEGEND


def test_a_policy_that_breaks_a_constraint_is_named(scenario):
    def greedy(params, carry, slot, key):
        decision = share(params, slot, np.ones(slot.memory.held.shape, bool))
        return carry, Decision(*decision)

    with pytest.raises(InputError, match=r"policy greedy broke a constraint: \(11d\).* in slot 0 of episode 0"):
        evaluate_box(
            scenario,
            {"greedy": EpisodePolicy(lambda e: (), greedy)},
            solver(scenario.params, USERS, SLOTS),
            USERS,
            1,
            0,
            quiet,
        )


def test_only_a_box_is_evaluated_so():
    with pytest.raises(InputError, match="is of no box"):
        evaluate_box(
            load_scenario("paper"), {}, solver(load_scenario("paper").params, USERS, 2), USERS, 1, 0, quiet
        )


@pytest.mark.heavy
def test_expected_costs_are_those_of_many_episodes():
    """Radio included: what a policy costs on very many slots is the optimum and what it lost on few others."""
    s = load_scenario("edge-box", ["cell.slots_per_episode=6"])
    solve = solver(s.params, USERS, 6)
    rules = {name: box_policy(name, s, solve) for name in ("lru", "cost-aware", "optimal")}
    made = evaluate_box(s, rules, solve, USERS, 3000, 11, quiet)
    other = evaluate_box(s, rules, solve, USERS, 1000, 12, quiet)
    for row, again in zip(made.rows, other.rows, strict=True):
        costs = row.samples["utility"]
        low, high = again.value("expected_utility")[1:]
        assert low - 4 * costs.std() / 3000**0.5 < costs.mean() < high + 4 * costs.std() / 3000**0.5


def test_a_bound_is_not_called_the_optimum(capsys):
    s = load_scenario("edge-box", ["cell.slots_per_episode=6", "requests.input_size_mb=[1, 5]"])
    solve = solver(s.params, USERS, 6)
    print_results(evaluate_box(s, {"optimal": box_policy("optimal", s, solve)}, solve, USERS, 2, 0, quiet))
    told = capsys.readouterr().out
    assert "gap to bound" in told
    assert "lower bound" in told
    assert "nothing is below the bound" in told


def quiet(text):
    pass

"""Figures are drawn from the numbers that the work found: recomputed here from made-up results."""

from pathlib import Path

import numpy as np
import pytest
from hostile import NAMES, texts_of
from made_up import made_up

from genedge.draw.canvas import encoded, in_figure
from genedge.draw.charts import FONT_PT, OPTIMUM, Chart, Forest, Grid, HeatMap
from genedge.draw.fit import AS_USUAL
from genedge.errors import InputError
from genedge.learn.runs import evaluated_after
from genedge.paper.evidence import Evidence, benchmarks, fastest, measure, runs, trained
from genedge.paper.plan import QUICK, changed
from genedge.paper.sections import SECTIONS
from genedge.paper.sections.claims import judged, within_reach
from genedge.paper.sections.convergence import final_rewards, rate_tasks
from genedge.paper.study import AGENTS, ATTAINABLE, BEST, DDPG, PAPER, study_of
from genedge.paper.tasks import Train

SMALL = changed(
    QUICK,
    [
        "catalogues=[1, 2]",
        "seeds=[0, 1]",
        "users=[10, 18]",
        "bound_catalogues=3",
        "learning_rates=[1e-5, 1e-4, 1e-2]",
        "alphas=[0.3, 0.7]",
    ],
)
OWN = str(Path(__file__).parent.parent.parent / "examples" / "own_policy.py") + ":densest"


@pytest.fixture(scope="module")
def study():
    return study_of(SMALL, {OWN: OWN})


@pytest.fixture(scope="module")
def records(study):
    return {task: made_up(task) for section in SECTIONS.values() for task in section.tasks(study)}


@pytest.fixture(scope="module")
def pictures(study, records):
    """Each section is given the results of its own tasks alone."""
    return {
        picture.name: picture
        for section in SECTIONS.values()
        for picture in section.pictures(study, {task: records[task] for task in section.tasks(study)})
    }


@pytest.mark.heavy
def test_no_work_is_done_twice(study, records):
    assert len({task.key for task in records}) == len(records)
    # The preset's own learning rate and weight are no changes.
    assert (
        trained(study, PAPER, DDPG, 10, 1, 0, "ddpg.actor_learning_rate=0.0001", "objective.alpha=0.7").changes
        == ()
    )
    folders = [task.name for task in records if isinstance(task, Train)]
    assert len(set(folders)) == len(folders)


@pytest.mark.heavy
def test_every_agent_is_trained_on_every_catalogue_with_every_seed(study, records):
    for preset in (PAPER, ATTAINABLE):
        for label in AGENTS:
            for users in (10, 18):
                each = [run for row in runs(study, preset, label, users) for run in row]
                assert {(run.catalogue, run.seed) for run in each} == {(1, 0), (1, 1), (2, 0), (2, 1)}
                assert set(each) <= set(records)


def series_of(chart: Chart, label: str) -> list[tuple[float, float]]:
    return [(row["x"], row["mean"]) for row in chart.rows if row["series"] == label and "x" in row]


@pytest.mark.heavy
def test_figures_over_users_recomputed(study, records, pictures):
    for name, metric in (("hit-ratio", "hit_ratio"), ("delay", "delay_s"), ("late", "late_ratio")):
        for label in ("HCRAS", "densest"):
            for users, shown in series_of(pictures[name], label):
                each = [
                    records[benchmarks(study, PAPER, users, c, label)]["found"]["policies"][study.policies[label]][
                        str(users)
                    ][metric]
                    for c in (1, 2)
                ]
                assert shown == pytest.approx(np.mean(each))
        for users, shown in series_of(pictures[name], BEST):
            each = [
                records[run]["found"]["metrics"][metric] for row in runs(study, PAPER, BEST, users) for run in row
            ]
            assert shown == pytest.approx(np.mean(each))


def test_gaps_recomputed(study, records, pictures):
    for users, shown in series_of(pictures["gap"], DDPG):
        gaps = []
        for c, row in zip((1, 2), runs(study, PAPER, DDPG, users), strict=True):
            optimum = np.mean(records[benchmarks(study, PAPER, users, c)]["found"]["optimum"][str(users)])
            gaps += [np.mean(records[run]["found"]["metrics"]["utility"]) / optimum - 1 for run in row]
        assert shown == pytest.approx(100 * np.mean(gaps))
    assert series_of(pictures["utility"], OPTIMUM)[0][1] == pytest.approx(
        np.mean([records[benchmarks(study, PAPER, 10, c)]["found"]["optimum"]["10"] for c in (1, 2)])
    )


def test_convergence_recomputed(study, records, pictures):
    rates = (1e-5, 1e-4, 1e-2)
    lines = {"actor": "actor's, critic 0.001", "critic": "critic's, actor 0.0001"}
    for part, line in lines.items():
        rewards = final_rewards(study, records, part)
        for rate, found in zip(rates, rewards, strict=True):
            change = f"ddpg.{part}_learning_rate={rate}"
            last = [
                records[trained(study, PAPER, DDPG, 10, 1, seed, change)]["found"]["rows"][-1]["reward"]
                for seed in (0, 1)
            ]
            assert found.mean == pytest.approx(np.mean(last))
        assert series_of(pictures["learning-rate"], line) == [
            (rate, reward.mean) for rate, reward in zip(rates, rewards, strict=True)
        ]
    assert {*lines.values(), OPTIMUM, "constant", "cloud-only"} == {
        row["series"] for row in pictures["learning-rate"].rows
    }
    for name, part in (("convergence", "actor"), ("convergence-critic", "critic")):
        learning = series_of(pictures[name], f"DDPG, {part} 0.01")
        assert [episode for episode, _ in learning] == evaluated_after(SMALL.episodes)


def test_learning_rates_apart_share_the_runs_at_the_scenarios_own():
    """Each of actor and critic varied alone: what leaves both as they are is trained once, with the main runs."""
    study = study_of(changed(SMALL, ["learning_rates=[1e-4, 1e-3]"]), {})
    tasks = dict.fromkeys(rate_tasks(study))
    own, actor, critic = (
        (),
        ("ddpg.actor_learning_rate=0.001",),
        ("ddpg.critic_learning_rate=0.0001",),
    )
    assert {(task.changes, task.seed) for task in tasks} == {
        (changes, seed) for changes in (own, actor, critic) for seed in (0, 1)
    }
    assert {task for task in tasks if not task.changes} == set(runs(study, PAPER, DDPG, 10)[0])


def test_own_policy_is_in_every_figure(pictures):
    assert len(pictures) == 21
    for picture in pictures.values():
        labels = {
            Chart: lambda p: {row["series"] for row in p.rows},
            Forest: lambda p: {row["policy"] for row in p.rows},
            Grid: lambda p: {row["conclusion"].split()[0] for row in p.rows},
            HeatMap: lambda p: {"densest"},  # Of the optimum and the cloud alone.
        }[type(picture)](picture)
        # Read the other way, a policy without a cache has no hit ratio; the learning rate is that of DDPG.
        assert "densest" in labels or picture.name == "learning-rate", picture.name


def test_every_figure_has_every_policy(pictures):
    for name in ("hit-ratio", "utility", "delay", "tv", "p95-delay", "late"):
        labels = {row["series"] for row in pictures[name].rows}
        assert labels == {
            *AGENTS,
            "HCRAS",
            "RCARS",
            "cloud-only",
            "constant",
            "greedy",
            "knapsack",
            OPTIMUM,
            "densest",
        }


def test_every_claim_is_judged(study, records):
    found = judged(study, records, PAPER, DDPG)
    assert len(found) == 12 + 2 + 3 + 8
    assert sum(line.claimed is not None for line in found) == 12
    assert all(line.why for line in found)
    assert len(judged(study, records, ATTAINABLE, "densest")) == 12 + 3 + 8


def test_what_is_within_reach_recomputed(study, records):
    found = within_reach(study, records, PAPER)
    assert {(r.metric, r.users, r.claimed) for r in found} == {
        ("hit ratio", 10, 35.93),
        ("hit ratio", 18, 81.87),
        ("utility", 10, 30.19),
        ("utility", 18, 30.21),
    }
    assert len(found) == 2 * 4  # Both readings of each.
    tasks = [measure(study, PAPER, (10, 18), ("rcars", "cloud-only", "greedy"), 2, c) for c in (1, 2, 3)]
    each = [records[task]["found"] for task in tasks]
    rcars = np.array([np.mean(found["policies"]["rcars"]["10"]["utility"]) for found in each])
    optimum = np.array([np.mean(found["optimum"]["10"]) for found in each])
    of_base, of_ours = (r for r in found if (r.metric, r.users) == ("utility", 10))
    np.testing.assert_allclose(of_base.most.ravel(), 100 * (rcars - optimum) / rcars)
    np.testing.assert_allclose(of_ours.most.ravel(), 100 * (rcars / optimum - 1))


def test_pictures_are_the_same_bytes_each_time(study, pictures):
    for kind in ("png", "pdf"):
        first, second = (
            encoded(pictures["budget"].draw(study.styles), kind, 100, AS_USUAL.look(FONT_PT)) for _ in range(2)
        )
        assert first == second


@pytest.mark.heavy
def test_names_of_ones_own_stand_in_every_figure():
    study = study_of(SMALL, {})._replace(own=dict.fromkeys(NAMES, "priced"))
    for section in SECTIONS.values():
        records = {task: made_up(task) for task in section.tasks(study)}
        for picture in section.pictures(study, records):
            shown_there = "\n".join(texts_of(picture.draw(study.styles)))
            assert "mathdefault" not in shown_there
            if isinstance(picture, Forest) or picture.name in ("utility", "convergence"):
                assert all(in_figure(name) in shown_there for name in NAMES), picture.name


def test_two_policies_of_one_name_keep_apart(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "p.py").write_text("def decide(params, slots, key): ...\n")
    names = [f"{tmp_path / folder / 'p.py'}:decide" for folder in ("a", "b")]
    assert set(study_of(SMALL, dict(zip(names, names, strict=True))).own) == set(names)


def test_one_more_policy_leaves_all_other_work_as_it_is(study, records):
    without = study_of(SMALL, {})
    assert {task for section in SECTIONS.values() for task in section.tasks(without)} <= set(records)


def test_names_that_say_something_else_here_are_refused(tmp_path):
    (tmp_path / "p.py").write_text("def most(params, slots, key): ...\n")
    for name, message in ((f"{tmp_path / 'p.py'}:most", "needs the names most and optimum"), ("rcars", "already")):
        with pytest.raises(InputError, match=message):
            study_of(SMALL, {name: name})


@pytest.mark.heavy
def test_the_best_possible_is_never_worse(study):
    """On results that were measured, not made up: in utility, hits, delay and quality, over everybody."""
    small = study_of(changed(SMALL, ["catalogues=3", "test_episodes=1", "users=10"]), {})
    labels = [label for label in small.policies if label != "knapsack"]
    tasks = [*(benchmarks(small, PAPER, n, 3) for n in (10, 18)), fastest(small, PAPER, 3)]
    measured = {task: {"found": task.run(Path()).numbers, "times": {}} for task in tasks}
    values = Evidence(small, measured, PAPER).values
    for metric, sign in (("utility", 1), ("delay_s", 1), ("tv", 1), ("hit_ratio", -1)):
        for label in labels:
            for users in (10, 18):
                best, theirs = values("most", metric, users), values(label, metric, users)
                assert (sign * best <= sign * theirs * (1 + 1e-6 * sign) + 1e-9).all(), (metric, label)

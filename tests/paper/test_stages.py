"""A study grows: what is worked on first, and what its report says on the way."""

import csv
from html import unescape
from itertools import pairwise

import numpy as np
import pytest
from made_up import made_up

from genedge.draw.fit import AS_USUAL
from genedge.paper import claims
from genedge.paper.evidence import Evidence
from genedge.paper.folder import load
from genedge.paper.plan import FULL, QUICK, changed
from genedge.paper.report import grow, tasks_of, work_of
from genedge.paper.sections import SECTIONS
from genedge.paper.stages import complete, drawn_from, in_order, stages, unfinished, unfinished_whole
from genedge.paper.study import PAPER, study_of
from genedge.paper.tasks import Found
from genedge.statistics import over_groups

ALL = list(SECTIONS)
SIZES = ["catalogues=[1, 2, 3, 4]", "seeds=[0, 1]", "users=[10, 14, 18]", "episodes=20", "learner_episodes=20"]
SIZES += ["bound_catalogues=25", "sensitivity_catalogues=4", "test_episodes=2", "alphas=[0.3, 0.7]"]
SMALL = changed(QUICK, SIZES)
PLANS = {
    "full": FULL,
    "quick": QUICK,
    "small": SMALL,
    "one of each": changed(
        SMALL, ["catalogues=7", "seeds=3", "users=12", "learning_rates=1e-3", "budgets=[[2, 1]]"]
    ),
}


def records_of(tasks):
    return {task: made_up(task) for task in tasks}


# --- Order --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", PLANS)
def test_each_stage_is_a_part_of_the_next_and_the_last_is_the_whole(plan):
    study = study_of(PLANS[plan], {})
    ladder = stages(study, ALL)
    assert ladder[-1].study == study
    assert ladder[-1].names == tuple(ALL)
    for smaller, larger in pairwise(ladder):
        assert set(smaller.tasks) < set(larger.tasks) or smaller.names != larger.names
        assert set(smaller.tasks) <= set(larger.tasks)


@pytest.mark.parametrize("plan", PLANS)
def test_work_goes_stage_by_stage_the_longest_first(plan):
    study = study_of(PLANS[plan], {})
    ladder = stages(study, ALL)
    order = in_order(ladder)
    assert len(order) == len(set(order))
    assert set(order) == set(tasks_of(study, ALL))
    before = set()
    for stage in ladder:
        mine = set(stage.tasks) - before
        new = [task for task in order if task in mine]
        assert order[len(before) : len(before) + len(new)] == new
        assert [task.work for task in new] == sorted((task.work for task in new), reverse=True)
        before |= mine


def test_the_first_stage_of_the_full_study_takes_minutes():
    """A training of 500 episodes, 502 of work, takes 45 s; ten minutes of two cores are 13,000 of it."""
    ladder = stages(study_of(FULL, {}), ALL)
    assert sum(task.work for task in ladder[0].tasks) < 13_000 / 2
    assert ladder[0].study.plan.users == (10, 18)
    # The most that a stage takes beyond those before is half of all.
    works = [sum(task.work for task in stage.tasks) for stage in ladder]
    assert max(np.diff(works)) < works[-1] / 2


def test_sections_that_say_nothing_at_first_come_later():
    study = study_of(SMALL, {})
    assert {"trade-off", "sensitivity"} == set(ALL) - set(stages(study, ALL)[0].names)
    assert all(stage.names == ("sensitivity",) for stage in stages(study, ["sensitivity"]))


# --- What is drawn ------------------------------------------------------------------------------------------


def test_each_section_is_drawn_from_the_largest_stage_that_is_done():
    study = study_of(SMALL, {})
    ladder = stages(study, ALL)
    assert drawn_from(study, ALL, {}) == {}
    for i, stage in enumerate(ladder):
        records = records_of(stage.tasks)
        assert complete([each.tasks for each in ladder], records) == i + 1
        drawn = drawn_from(study, ALL, records)
        assert list(drawn) == [name for name in ALL if name in stage.names]
        for name, part in drawn.items():
            mine = set(tasks_of(part, [name]))
            assert mine <= set(records)
            # The whole, where it has no more than the stage.
            assert (part == study) == (set(tasks_of(study, [name])) <= set(records)), name
    # One piece less, and what needs it comes from the stage before.
    records = records_of(ladder[-1].tasks)
    lost = next(task for task in in_order(ladder)[::-1] if task in tasks_of(study, ["utility"]))
    del records[lost]
    drawn = drawn_from(study, ALL, records)
    assert drawn["utility"] == ladder[-2].study
    assert drawn["sensitivity"] == study


def test_what_is_said_of_a_part():
    study = study_of(SMALL, {})
    ladder = stages(study, ALL)
    records = records_of(ladder[0].tasks)
    # Of each number of users four catalogues measured, and two agents trained with two seeds on each.
    assert unfinished(study, "utility", ladder[0].study, records) == (
        f"Unfinished: {2 * 3} of {3 * (4 + 4 * 2 * 2)} pieces of work done; "
        "drawn from catalogues 1, seeds 0, users 10, 18."
    )
    # No other size tells anything of it; and of the animation, nothing is missing.
    assert unfinished(study, "watch", study, records) == ""
    told = unfinished_whole(study, drawn_from(study, ALL, records), ALL, records)
    assert told.startswith(f"Unfinished: {len(records)} of {len(ladder[-1].tasks):,} pieces of work done.")
    assert "not yet done: The trade-off over α; What the assumed values change." in told
    whole = records_of(ladder[-1].tasks)
    assert unfinished_whole(study, drawn_from(study, ALL, whole), ALL, whole) == ""


def test_few_learning_rates_give_no_verdict():
    point = claims.Interval(-400.0, -401.0, -399.0)
    for rates in ([1e-4], [1e-4, 1e-3]):
        judged = claims.judge_rise_and_fall("actor", rates, [point] * len(rates))
        assert judged.verdict == "undecided"
        assert "fewer than three rates do not tell" in judged.why


# --- From the first piece to the whole ----------------------------------------------------------------------


def engine_of(asked, stop_after=None):
    """Finds what is made up; stops like Ctrl-C after so many pieces."""

    def engine(work):
        for task in work:
            if stop_after is not None and len(asked) == stop_after:
                raise KeyboardInterrupt
            asked.append(task)
            told = made_up(task)
            yield task, Found(told["found"], told["times"], {})

    return engine


@pytest.fixture
def unwatched(monkeypatch):
    """Animations are made of trained agents, of which there are none here."""
    monkeypatch.setitem(SECTIONS, "watch", SECTIONS["watch"]._replace(players=lambda study, folder: []))


@pytest.mark.heavy
@pytest.mark.usefixtures("unwatched")
def test_an_interrupted_study_has_the_figures_of_what_is_done_and_goes_on(tmp_path):
    study = study_of(SMALL, {})
    ladder, asked, said = stages(study, ALL), [], []
    first = len(ladder[0].tasks)

    def go_on(folder, engine):
        grow(
            study, folder, ["genedge", "paper"], ALL, engine, AS_USUAL, lambda text, work: said.append((text, work))
        )

    with pytest.raises(KeyboardInterrupt):
        go_on(tmp_path, engine_of(asked, first - 1))
    assert not (tmp_path / "report.html").exists()

    with pytest.raises(KeyboardInterrupt):
        go_on(tmp_path, engine_of(asked, first + 20))
    page = unescape((tmp_path / "report.html").read_text(encoding="utf-8"))
    # It is the report of the first stage; what was done since is kept, and shown by the next.
    assert f"Unfinished: {first} of {len(ladder[-1].tasks):,} pieces of work done." in page
    assert page.index("Unfinished") < page.index("<nav")
    assert 'id="sensitivity"' not in page
    assert 'id="trade-off"' not in page
    for name in ladder[0].names:
        section = page[page.index(f'<section id="{name}">') :].partition("</section>")[0]
        part = "drawn from seeds 0" if name == "convergence" else "drawn from catalogues 1, seeds 0"
        assert (part in section) is (name != "watch"), name
    # Its numbers are those of the part that it names.
    evidence = Evidence(ladder[0].study, {task: load(tmp_path, task) for task in asked}, PAPER)
    with (tmp_path / "tables" / "gap.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["x"] for row in rows} == {"10", "18"}
    for row in rows:
        assert float(row["mean"]) == over_groups(evidence.gap(row["series"], int(row["x"]))).mean

    go_on(tmp_path, engine_of(asked))
    assert asked == in_order(ladder)
    done = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Unfinished" not in done
    works = [work for _, work in said]
    assert max(works) == works[-1] == work_of(study, ALL)

    # In one go it is the same report.
    go_on(tmp_path / "again", engine_of([]))
    again = (tmp_path / "again" / "report.html").read_text(encoding="utf-8")
    assert done == again
    names = {path.relative_to(tmp_path / "again") for path in (tmp_path / "again").glob("[ft]*/*")}
    for name in names:
        assert (tmp_path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    assert names == {path.relative_to(tmp_path) for path in tmp_path.glob("[ft]*/*")}


@pytest.mark.heavy
@pytest.mark.usefixtures("unwatched")
def test_a_report_that_is_cut_off_leaves_the_last_one(tmp_path, monkeypatch):
    """All is made before anything is written."""
    study, names = study_of(SMALL, {}), ["utility", "hits"]
    ladder = stages(study, names)

    def go_on(engine):
        grow(study, tmp_path, ["genedge", "paper"], names, engine, AS_USUAL, lambda text, work: None)

    with pytest.raises(KeyboardInterrupt):
        go_on(engine_of([], len(ladder[0].tasks) + 1))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.parent.name != "results"}
    assert tmp_path / "report.html" in before

    def interrupted(study, records):
        raise KeyboardInterrupt

    monkeypatch.setitem(SECTIONS, "hits", SECTIONS["hits"]._replace(pictures=interrupted))
    with pytest.raises(KeyboardInterrupt):
        go_on(engine_of([]))
    after = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.parent.name != "results"}
    assert after == before

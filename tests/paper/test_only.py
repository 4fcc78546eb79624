"""`--only`: what is trained and measured is what the sections show, all of it and nothing else."""

from unittest.mock import MagicMock

import pytest
from made_up import made_up

from genedge.paper.plan import QUICK, changed
from genedge.paper.report import shown_with, tasks_of
from genedge.paper.sections import SECTIONS, watch
from genedge.paper.study import study_of
from genedge.paper.tasks import Train

SIZES = [
    *("seeds=[0, 1]", "episodes=10", "learner_episodes=10", "test_episodes=1", "learning_rates=[1e-5, 1e-4]"),
    *("alphas=[0.3, 0.7]", "budgets=[[2, 1], [10, 1]]", "bound_catalogues=2", "sensitivity_catalogues=1"),
    "watched_slots=1",
]
# Without the claims' 10 and 18 users, with them, and with one of both; catalogues that no other section has.
PLANS = [
    [*SIZES, "users=[10]", "catalogues=[1, 2]"],
    [*SIZES, "users=[12, 14]", "catalogues=[7]"],
    [*SIZES, "users=[10, 14, 18]", "catalogues=[1]"],
]


class Read(dict):
    """Results that note which of them are looked at."""

    def __init__(self, tasks):
        super().__init__((task, made_up(task)) for task in tasks)
        self.asked = set()

    def __getitem__(self, task):
        self.asked.add(task)
        return super().__getitem__(task)


@pytest.mark.parametrize("sizes", PLANS)
@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_shows_all_that_is_worked_for_it_and_nothing_else(name, sizes, tmp_path, monkeypatch):
    study = study_of(changed(QUICK, sizes), {})._replace(own={"mine": "priced"})
    section = SECTIONS[name]
    records = Read(section.tasks(study))
    # The animations are made from the agents themselves.
    monkeypatch.setattr(watch, "run_folder", lambda folder, task: records.asked.add(task))
    for drawing in ("policy", "episode", "draw_frame", "player_html"):
        monkeypatch.setattr(watch, drawing, MagicMock())
    section.pictures(study, records)
    section.tables(study, records)
    section.summary(study, records)
    section.players(study, tmp_path)
    assert records.asked == records.keys()


def test_the_agents_that_are_trained():
    """Counted by hand: of what nobody shows, none."""
    study = study_of(changed(QUICK, PLANS[0]), {})
    trained = [task for task in tasks_of(study, ["utility"]) if isinstance(task, Train)]
    # Two agents on two catalogues with two seeds.
    assert len(trained) == len(set(trained)) == 2 * 2 * 2
    tasks = tasks_of(study, ["utility"])
    assert {n for task in tasks for n in ([task.users] if isinstance(task, Train) else task.users)} == {10}
    claims = [task for task in tasks_of(study, ["claims"]) if isinstance(task, Train)]
    # Of both presets, with 10 and 18 users; and on the first catalogue DDPG with one other learning rate of its
    # actor, and with two of its critic.
    assert len(claims) == 2 * 2 * (2 * 2 * 2) + 2 * (1 + 2)


def test_the_work_is_that_of_the_sections_together(tmp_path):
    study = study_of(changed(QUICK, PLANS[1]), {})
    for names in (["utility", "hits"], ["watch", "budget"], list(SECTIONS)):
        assert set(tasks_of(study, names)) == {task for name in names for task in SECTIONS[name].tasks(study)}
    # What costs nothing more is shown too.
    assert shown_with(study, tmp_path, ["hits"]) == ["hits", "utility", "quality"]
    assert shown_with(study, tmp_path, ["budget"]) == ["budget", "watch"]

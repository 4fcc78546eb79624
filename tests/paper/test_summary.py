"""The sentences and the picture with which the report begins, from made-up results whose answers are known."""

import numpy as np
import pytest
from made_up import made_up

from genedge.draw.charts import OPTIMUM
from genedge.paper import summary
from genedge.paper.claims import Judged
from genedge.paper.plan import QUICK, changed
from genedge.paper.sections.claims import claims_tasks, judged, reach_tasks
from genedge.paper.sections.utility import UTILITY
from genedge.paper.study import DDPG, PAPER, POLICIES, study_of
from genedge.paper.tasks import Train

SIZES = ["users=[10, 18]", "test_episodes=1", "bound_catalogues=3", "bound_episodes=1", "learning_rates=[1e-4]"]
STUDY = study_of(changed(QUICK, SIZES), {})
# By policy, for 10 and for 18 users, of every catalogue alike.
COSTS = {
    "optimum": (300.0, 600.0),
    "ddpg": (330.0, 720.0),
    "reinforce": (303.0, 612.0),
    "constant": (360.0, 660.0),
    "knapsack": (300.75, 600.6),
    "rcars": (400.0, 900.0),
}
AGENT = (
    "The paper's agent, DDPG, costs 10.0 % [10.0, 10.0] more than the certified optimum with 10 users and 20.0 % "
)
AGENT += "[20.0, 20.0] more with 18."
BLIND = "constant, the best decision that does not look at the slot"
CACHES = "; on average it chose 5.0 different caches in 50 slots with 10 users and 2.0 with 18."


def found(tasks, **changed_costs):
    """What tasks found if policies cost what they are said to; a cost may be one for each catalogue."""
    records = {}
    costs = {name: dict(zip((10, 18), pair, strict=True)) for name, pair in (COSTS | changed_costs).items()}

    def cost(name, users, catalogue):
        value = costs[name][users]
        return value if np.isscalar(value) else value[catalogue - 1]

    for task in tasks:
        record = made_up(task)["found"]
        if isinstance(task, Train):
            value = cost(task.agent, task.users, task.catalogue)
            record["metrics"]["utility"] = [None if np.isnan(value) else value] * task.test_episodes
            # With 10 users 4, 5 and 6 on the catalogues.
            record["caches"] = task.catalogue + 3 if task.users == 10 else 2
        else:
            for n in task.users:
                record["optimum"][str(n)] = [cost("optimum", n, task.catalogue)] * task.episodes
                for name in costs.keys() & record["policies"].keys():
                    record["policies"][name][str(n)]["utility"] = [cost(name, n, task.catalogue)] * task.episodes
        records[task] = {"found": record, "times": {}}
    return records


def told(study=STUDY, **costs):
    """All sentences of the work over the number of users."""
    return summary.sentences(study, found(UTILITY.tasks(study), **costs))


def test_five_sentences_from_all_of_it():
    records = found(claims_tasks(STUDY))
    sentences = summary.sentences(STUDY, records)
    assert len(sentences) == 5
    verdicts = [line.verdict for line in judged(STUDY, records, PAPER, DDPG)]
    assert sentences[0].startswith(f"Of {len(verdicts)} lines of the paper's claims ")
    for word in set(verdicts):
        assert f"{verdicts.count(word)} {word}" in sentences[0].replace(" are ", " ").replace(" is ", " ")
    assert sentences[1] == AGENT
    assert sentences[4] == (
        "On average over 3 catalogues no policy could cost less than RCARS by more than 25.0 % [25.0, 25.0] with "
        "10 users and 33.3 % [33.3, 33.3] with 18; the 30.19 % with 10 users and 30.21 % with 18 that the paper "
        "claims are within anyone's reach on 0 and 3 of them, or, if they mean base / ours − 1, on 3 and 3."
    )


@pytest.mark.parametrize(
    ("verdicts", "sentence"),
    [
        (["undecided"] * 2, "Of 2 lines of the paper's claims none are reproduced and 2 undecided."),
        (
            ["impossible", "reproduced", "exceeded", "not reproduced", "not reproduced"],
            "Of 5 lines of the paper's claims 1 is reproduced, 1 exceeded, 1 impossible and 2 not reproduced.",
        ),
        (["reproduced"] * 3, "Of 3 lines of the paper's claims 3 are reproduced."),
    ],
)
def test_every_verdict_is_counted(monkeypatch, verdicts, sentence):
    lines = [Judged("", None, (), None, verdict, "") for verdict in verdicts]
    monkeypatch.setattr(summary, "judged", lambda *_: lines)
    assert summary.sentences(STUDY, found(claims_tasks(STUDY)))[0] == sentence


@pytest.mark.parametrize(
    ("ddpg", "sentence"),
    [
        (
            (324.0, 594.0),
            f"DDPG beats {BLIND}: it costs 10.0 % [10.0, 10.0] less with 10 users and 10.0 % [10.0, 10.0] less "
            "with 18;",
        ),
        (
            (396.0, 663.3),
            f"DDPG does not beat {BLIND}: it costs 10.0 % [10.0, 10.0] more with 10 users and 0.50 % [0.50, 0.50] "
            "more with 18;",
        ),
        (
            (324.0, 726.0),
            f"Only with 10 users DDPG clearly beats {BLIND}: it costs 10.0 % [10.0, 10.0] less with 10 users and "
            "10.0 % [10.0, 10.0] more with 18;",
        ),
        ((360.0, 660.0), f"DDPG does not beat {BLIND}: it costs 0.00 % [0.00, 0.00] more with 10 users and "),
        (((310.0, 400.0, 330.0), 726.0), f"Whether DDPG beats {BLIND}, is undecided: it costs 3.7 % ["),
    ],
)
def test_whether_it_beats_the_best_that_does_not_look(ddpg, sentence):
    beside = told(ddpg=ddpg)[1]
    assert beside.startswith(sentence)
    assert beside.endswith(CACHES)


def test_an_interval_turns_with_its_number():
    """Dearer by 1, 2 and 6 % of 100: the interval of what is "more" lies around it, its lower end first."""
    sentence = told(ddpg=((101.0, 102.0, 106.0), 720.0), constant=(100.0, 660.0))[1]
    low, mean, high = (
        float(text.replace("−", "-"))
        for text in (
            sentence.partition("[")[2].partition(",")[0],
            sentence.partition("costs ")[2].partition(" %")[0],
            sentence.partition(", ")[2].partition("[")[2].partition(", ")[2].partition("]")[0],
        )
    )
    assert mean == 3.0
    assert low < mean < high


def test_two_catalogues_have_no_interval_and_decide_nothing():
    study = study_of(changed(STUDY.plan, ["catalogues=[1, 2]"]), {})
    agent, beside, _ = told(study)
    assert agent == AGENT.replace(" [10.0, 10.0]", "").replace(" [20.0, 20.0]", "")
    assert beside == (
        f"Whether DDPG beats {BLIND}, is undecided: it costs 8.3 % less with 10 users and 9.1 % more with 18"
        + CACHES.replace("5.0", "4.5")
    )


def test_the_best_without_training_and_our_learner():
    assert told()[2] == (
        "The best policy without training, knapsack, costs 0.25 % [0.25, 0.25] more than the certified optimum "
        "with 10 users and 0.10 % [0.10, 0.10] more with 18; our best learner, REINFORCE, equivariant, costs 1.0 % "
        "[1.0, 1.0] more than the certified optimum with 10 users and 2.0 % [2.0, 2.0] more with 18."
    )
    assert told(rcars=(300.0, 600.0))[2].startswith("The best policy without training, RCARS, costs 0.00 %")


def test_trainings_that_diverged_are_told_and_not_averaged():
    agent, beside, _ = told(ddpg=((np.nan, 330.0, 330.0), 720.0))
    assert agent == (
        "The paper's agent, DDPG, costs 20.0 % [20.0, 20.0] more than the certified optimum with 18 users; with 10 "
        "users 1 of 3 trainings of DDPG diverged."
    )
    assert beside == (
        f"DDPG does not beat {BLIND}: it costs 9.1 % [9.1, 9.1] more with 18 users; on average it chose 2.0 "
        "different caches in 50 slots with 18 users."
    )


def test_what_needs_work_that_is_not_done_is_left_out():
    assert summary.sentences(STUDY, {}) == []
    assert summary.ranking(STUDY, {}) is None
    assert len(told()) == 3
    assert len(summary.sentences(STUDY, found(reach_tasks(STUDY, PAPER)))) == 1

    without_agent = {
        task: record
        for task, record in found(UTILITY.tasks(STUDY)).items()
        if not isinstance(task, Train) or task.agent != "ddpg"
    }
    (others,) = summary.sentences(STUDY, without_agent)
    assert others.startswith("The best policy without training")

    fewer_users = study_of(changed(STUDY.plan, ["users=[10]"]), {})
    assert told(fewer_users)[0] == AGENT.partition(" and ")[0] + "."


def test_the_picture_has_every_policy_in_order():
    picture = summary.ranking(STUDY, found(UTILITY.tasks(STUDY)))
    assert set(picture.order) == {DDPG, "REINFORCE, equivariant", *POLICIES} - {OPTIMUM}
    gaps = {label: [row["mean"] for row in picture.rows if row["policy"] == label] for label in picture.order}
    assert gaps[DDPG] == pytest.approx([10, 20])
    assert gaps["constant"] == pytest.approx([20, 10])
    means = [np.mean(gaps[label]) for label in picture.order]
    assert means == sorted(means)
    assert picture.order[:2] == ["knapsack", "REINFORCE, equivariant"]

    figure = picture.draw({})
    (axes,) = figure.axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == picture.order
    assert axes.get_xscale() == "log"
    numbers = {text.get_text() for text in axes.texts}
    assert {"0.25 %", "0.10 %", "1.0 %", "20.0 %"} <= numbers


def test_what_is_undefined_or_zero_can_be_drawn():
    costs = {"ddpg": ((np.nan, np.nan, np.nan), 720.0), "knapsack": (300.0, 600.0)}
    picture = summary.ranking(STUDY, found(UTILITY.tasks(STUDY), **costs))
    assert (picture.order[0], picture.order[-1]) == ("knapsack", DDPG)
    (axes,) = picture.draw({}).axes
    assert axes.get_xlim()[0] > 0

"""What to cite, from the command line."""

import re

import pytest

from genedge.learn.runs import create_run
from genedge.scenario import load_scenario

ALWAYS = ["liu2024joint", "genedge"]
LEARNING = ["kingma2015adam", "jax2018github", "deepmind2020jax"]
REINFORCE = ["williams1992simple", "kool2019buy"]


def keys(out: str) -> list[str]:
    return re.findall(r"^@\w+\{(\w+),$", out, re.MULTILINE)


def test_the_paper_and_the_software(genedge):
    answer = genedge("cite")
    assert (answer.status, answer.err) == (0, "")
    assert keys(answer.out) == ALWAYS
    assert "2411.08672" in answer.out


@pytest.mark.parametrize(
    ("agent", "changes", "rests_on"),
    [
        ("ddpg", [], ["lillicrap2016continuous"]),
        ("ddpg", ["ddpg.network=equivariant"], ["lillicrap2016continuous", "zaheer2017deep"]),
        ("td3", [], ["fujimoto2018addressing", "zaheer2017deep"]),
        ("sac", [], ["haarnoja2018soft", "haarnoja2018applications", "zaheer2017deep"]),
        ("reinforce", ["reinforce.network=mlp"], [*REINFORCE, "ba2016layer"]),
        ("any-cell", [], [*REINFORCE, "zaheer2017deep", "ba2016layer"]),
    ],
)
def test_a_run(agent, changes, rests_on, genedge, tmp_path):
    create_run(tmp_path / "run", load_scenario("paper", changes), None, agent, None, 0)
    for arguments in ([tmp_path / "run"], ["--policies", tmp_path / "run"]):
        answer = genedge("cite", *arguments)
        assert (answer.status, answer.err) == (0, "")
        assert keys(answer.out) == [*ALWAYS, *rests_on, *LEARNING]


def test_policies_each_entry_once(genedge):
    answer = genedge("cite", "--policies", "rcars, learned,hcras,optimal,learned-search,sb3:model.zip,mine.py:best")
    assert (answer.status, answer.err) == (0, "")
    assert keys(answer.out) == [
        *ALWAYS,
        *(*REINFORCE, "zaheer2017deep", "ba2016layer", *LEARNING),
        *("deb1995simulated", "deb1996combined", "huangfu2018parallelizing", "raffin2021stable"),
    ]


def test_a_name_alone(genedge):
    assert keys(genedge("cite", "gdsf").out) == [*ALWAYS, "cherkasova1998improving"]
    assert keys(genedge("cite", "urban-micro").out) == [*ALWAYS, "3gpp38901"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing"], "no such name"),
        (["gdfs"], "did you mean gdsf?"),
        (["."], "holds no run"),
        (["--policies", "rcar"], "did you mean rcars?"),
    ],
)
def test_what_is_wrong(arguments, words, genedge, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = genedge("cite", *arguments)
    assert (answer.status, answer.out) == (2, "")
    assert words in answer.err
    assert "Traceback" not in answer.err

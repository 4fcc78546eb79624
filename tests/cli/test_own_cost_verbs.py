"""A cost of one's own on the command line: trained on, evaluated, without a certificate; and bounds called so."""

import json

import pytest

OWN = "def each(delay_s, tv, hit, steps, active):\n    return delay_s + 0.3 * tv - 5.0 * hit + 0.01 * steps\n"
FEW = ("--set", "cell.slots_per_episode=6", "--users", 5, "--episodes", 2)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(OWN)
    return path


def test_without_a_certificate_none_is_shown(file, genedge):
    asked = ("evaluate", *FEW, "--set", f"objective.function={file}:each", "--policies", "rcars,knapsack")
    told = genedge(*asked)
    assert told.status == 0, told.err
    remark = "The cost is a function of your own, of which no optimum is known: there are no gaps."
    tables, found, _ = told.out.partition(remark)
    assert found
    for word in ("optimum", "gap", "bound", "most any policy"):
        assert word not in tables, word
    found = json.loads(genedge(*asked, "--json").out)
    assert found["certified"] == "none"
    assert found["optimum"] == found["largest_advantage"] == found["radio"] == []
    assert [row["gap"] for row in found["results"]] == [{}, {}]
    shown = genedge("watch", "--policy", "rcars", "--set", f"objective.function={file}:each", "--slots", 1)
    assert (shown.status, shown.out) == (2, "")
    assert shown.err == (
        "genedge: objective.function is a cost of your own: there is no optimum to watch a policy beside\n"
    )


def test_a_bound_is_called_so(genedge):
    asked = ("evaluate", *FEW, "--set", "objective.deadline_s=20", "--policies", "rcars,priced")
    told = genedge(*asked).out
    for word in ("gap to bound, at most", "lower bound", "left of RCARS to bound", "gaps are at most as large."):
        assert word in told, word
    assert "optimum ┃" not in told
    found = json.loads(genedge(*asked, "--json").out)
    assert found["certified"] == "bound"
    assert "optimum" not in found
    assert 0 < found["bound"][0]["utility"]["mean"] <= found["results"][1]["utility"]["mean"]


def test_with_energy_it_stays_an_optimum(genedge):
    asked = ("evaluate", *FEW, "--set", "objective.energy_per_step=0.05", "--policies", "rcars,optimal", "--json")
    found = json.loads(genedge(*asked).out)
    assert found["certified"] == "exact"
    assert found["results"][1]["gap"]["of_optimum"]["mean"] == pytest.approx(0, abs=1e-9)


@pytest.mark.heavy
def test_agents_learn_on_it(file, genedge, tmp_path):
    out = tmp_path / "run"
    settings = ["--set", f"objective.function={file}:each", "--set", "ddpg.hidden_layers=[8]", "--users", 3]
    settings += ["--set", "cell.slots_per_episode=6"]
    trained = genedge("train", "--out", out, "--episodes", 4, *settings)
    assert trained.status == 0, trained.err
    found = genedge("evaluate", "--policies", f"{out},cloud-only", "--episodes", 2, *settings[:2], *settings[4:])
    assert found.status == 0, found.err
    file.write_text(OWN.replace("5.0", "6.0"))
    changed = genedge("evaluate", "--policies", out, "--episodes", 2, *settings[:2], *settings[4:])
    assert changed.status == 2
    assert f"{file} has changed since the run was made" in changed.err
    file.write_text(OWN)

"""`genedge trace generate` with models, skew, bursts, days and sessions of one's own."""

import pytest

from genedge.replay.shown import show


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--models", "0"), "--models 0: from 1 to 100000"),
        (("--models", "9" * 40), "from 1 to 100000"),
        (("--models", "a=1,b"), "NAME=WEIGHT,... with a weight for each"),
        (("--models", "a=1,b=-2"), "'-2' is no weight"),
        (("--models", "a=0,b=0"), "--models: all weights are 0"),
        (("--models", "a,b,a"), "each name once"),
        (("--models", "=1,b=2"), "each name once"),
        (("--models", "nosuch"), "no such"),
        (("--models", "a=1,b=2", "--skew", "1"), "leave --skew out, or the weights"),
        (("--by-hour", "1,2"), "--by-hour has 2 numbers; give 24"),
        (("--by-hour", ",".join(["0"] * 24)), "--by-hour: all weights are 0"),
        (("--by-hour", "x" + ",1" * 23), "--by-hour: 'x' is no weight"),
        (("--gaps-cv", "0.5"), "--gaps-cv"),
        (("--gaps-cv", "2", "--by-hour", "1" + ",0" * 23), "ask for more, or a flatter day"),
    ],
)
def test_what_makes_no_sense_is_said(genedge, tmp_path, arguments, told):
    answer = genedge("trace", "generate", "--out", tmp_path / "t.csv", "--requests", 10, *arguments)
    assert (answer.status, told in answer.err) == (2, True), answer.err
    assert not (tmp_path / "t.csv").exists()


def test_a_trace_of_ones_own_models(genedge, tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "name: mine\nmodels:\n  defaults: {memory_gb: 5, load_s: 30, B1_s_per_step: 1, B2_s: 0}\n"
        "  big: {memory_gb: 9}\n  small: {memory_gb: 1}\n"
    )
    out = tmp_path / "t.csv"
    for models in (tmp_path / "mine.yaml", "big,small"):
        answer = genedge(
            *("trace", "generate", "--out", out, "--models", models, "--requests", 3000, "--skew", 2, "--rate", 1),
            *("--gaps-cv", 3, "--session-requests", 2),
        )
        assert answer.out.startswith(f"{out}: 3000 requests for 2 models by 1000 users")
        found = show(out)
        assert found.models["big"] / 3000 == pytest.approx(0.8, abs=0.05)
        assert found.gaps_variation == pytest.approx(3, rel=0.1)

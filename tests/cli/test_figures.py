"""The options of figures, `--figure` and what goes with it; and policies' labels in all that is shown."""

import json

import pytest
from pictures import legend, names, written

from genedge.cli.figures import Room

SMALL = ("--episodes", 1, "--set", "cell.slots_per_episode=4", "--users", 6)


@pytest.mark.parametrize(
    ("width", "inches"), [("3.5in", 3.5), ("88.9mm", 3.5), ("8.89 cm", 3.5), ("252pt", 3.5), (None, None)]
)
def test_a_width_has_a_unit(width, inches):
    assert Room(width, None, False).fit.width_in == (inches if inches is None else pytest.approx(inches))


@pytest.mark.parametrize(
    "verb", [("evaluate", "--policies", "rcars"), ("replay", "t.csv", "--box", "cloud-no-queue"), ("runs", ".")]
)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--figure", "f.png", "--width", "3.5"),
            "--width 3.5: give a number and its unit, in, cm",
        ),
        (("--figure", "f.png", "--width", "-3in"), "--width -3in: give a number and its unit"),
        (("--figure", "f.png", "--width", "0.1in"), "--width 0.1in: a figure is 1 to 60 inches wide"),
        (("--width", "3.5in"), "--width is that of a figure; give --figure FILE with it"),
        (("--font", 8), "--font is that of a figure; give --figure FILE with it"),
        (("--no-title",), "--no-title is that of a figure; give --figure FILE with it"),
        (
            ("--figure", "f.pgf"),
            "f.pgf: a figure is a file such as f.png; its name ends in one of .png",
        ),
    ],
)
def test_what_makes_no_figure_is_refused_first(verb, options, message, genedge, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = genedge(*verb, *options)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith(f"genedge: {message}")
    assert len(answer.err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_label_is_shown_wherever_results_are(genedge, tmp_path, monkeypatch):
    own = tmp_path / "own.py"
    own.write_text("from genedge.policies.rcars import rcars as f\n")
    chosen = ("evaluate", "--policies", f"mine={own}:f,rcars", *SMALL)
    figure = ("--figure", tmp_path / "f.pdf", "--width", "3.5in", "--font", 8, "--no-title")
    with written(monkeypatch) as figures:
        told = json.loads(genedge(*chosen, "--json", *figure).out)
    assert [row["policy"] for row in told["results"]] == ["mine", "rcars"]
    (drawn,) = figures
    assert names(drawn.axes[0]) == ["mine", "rcars"]
    assert (drawn.get_figwidth(), drawn.get_suptitle()) == (3.5, "")
    assert legend(drawn) == ["certified optimum"]
    assert (tmp_path / "f.pdf").read_bytes().startswith(b"%PDF")
    table = genedge(*chosen).out
    assert "│ mine " in table
    assert str(own) not in table

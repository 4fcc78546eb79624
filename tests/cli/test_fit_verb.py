"""`genedge fit` as a user meets it."""

import json
from pathlib import Path

import numpy as np
import pytest
from measured import B1, B2, PAPER, POWER, drawn
from pictures import legend, written

from genedge.calibrate.measurements import write_measurements
from genedge.catalogue.load import load_catalogue
from genedge.optimum.certificate import certified
from genedge.scenario import load_scenario


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    path = tmp_path_factory.mktemp("fit") / "mine.csv"
    write_measurements(path, drawn(PAPER, 12, 1))
    return path


@pytest.fixture(scope="module")
def told(genedge, runs):
    (document,) = genedge("fit", runs, "--json").rows
    return document


def test_everything_is_told_to_a_program(told):
    assert told["verdict"] == "falls"
    assert {"A1", "A2", "A3", "A4", "r2", "aicc", "intervals"} <= told["three_pieces"].keys()
    for family in ("exponential", "power"):
        assert {"a", "b", "c", "r2", "aicc", "intervals"} <= told[family].keys()
    assert {"b1_s_per_evaluation", "b2_s", "r2"} <= told["delay"].keys()
    assert told["best"] == "three_pieces"
    assert told["images"] == 12
    assert told["steps"] == told["evaluations"] == list(PAPER[2])
    for key, true in zip(("A1", "A2", "A3", "A4"), PAPER[1], strict=True):
        low, high = told["three_pieces"]["intervals"][key]
        assert low <= true <= high
        assert low <= told["three_pieces"][key] <= high
    for key, true in (("b1_s_per_evaluation", B1), ("b2_s", B2)):
        low, high = told["delay"]["intervals"][key]
        assert low <= true <= high


def test_people_are_told_the_same(genedge, runs, told):
    answer = genedge("fit", runs)
    assert answer.status == 0
    assert f"mine.csv: quality falls; from 5 to 120 steps by {told['change']['mean']:+.4g} [" in answer.out
    for key in ("A1", "A2", "A3", "A4"):
        assert f"{key} {told['three_pieces'][key]:.4g} [" in answer.out
    assert f"{told['delay']['b1_s_per_evaluation']:.4g} [" in answer.out


def test_a_catalogue_is_written_that_says_what_it_rests_on(genedge, runs, told, tmp_path):
    facts = {"pipeline": "sd", "versions": {"torch": "2.13.0"}, "date": "2026-01-02", "measure": "tv", "left": 3}
    (runs.parent / "calibration.json").write_text(json.dumps(facts))
    out = tmp_path / "models.yaml"
    assert genedge("fit", runs, "--out", out, "--model", "sd 1.5: new", "--note", "one card").status == 0
    (runs.parent / "calibration.json").unlink()
    catalogue = load_catalogue(str(out), Path())
    assert catalogue.named == ("sd 1.5: new",)
    for key, family, name in (
        ("A1_steps", "three_pieces", "A1"),
        ("A2_tv", "three_pieces", "A2"),
        ("A3_steps", "three_pieces", "A3"),
        ("A4_tv", "three_pieces", "A4"),
    ):
        setting = catalogue.setting("sd 1.5: new", key)
        low, high = told[family]["intervals"][name]
        assert setting.value == pytest.approx(told[family][name], rel=1e-5)
        assert setting.provenance == "measured"
        assert setting.note == (
            f"95 % in [{low:.4g}, {high:.4g}]; one card; 12 images; pipeline sd; measure tv; "
            "versions torch 2.13.0; date 2026-01-02"
        )
    schedule = told["delay"]["schedule"]
    assert catalogue.value("sd 1.5: new", "B1_s_per_step") == pytest.approx(schedule["B1_s_per_step"], rel=1e-5)
    assert catalogue.value("sd 1.5: new", "B2_s") == pytest.approx(schedule["B2_s"], rel=1e-5)


def test_a_catalogue_has_nothing_that_is_not_identified(genedge, tmp_path):
    runs, out = tmp_path / "late.csv", tmp_path / "models.yaml"
    write_measurements(runs, drawn((*PAPER[:2], (30, 35, 40, 45, 50, 60, 80, 100, 120, 150), PAPER[3]), 12, 0))
    assert "three pieces: A1 and A2 are not identified" in genedge("fit", runs, "--out", out).out
    assert load_catalogue(str(out), Path()).entries["late"].keys() == {"A3_steps", "A4_tv", "B1_s_per_step", "B2_s"}


def test_a_smooth_fall_becomes_a_table_that_a_cell_takes(genedge, tmp_path):
    runs, out = tmp_path / "smooth.csv", tmp_path / "models.yaml"
    write_measurements(runs, drawn((POWER[0], (2.0, 5.0, 0.7), *POWER[2:]), 12, 0))
    (told,) = genedge("fit", runs, "--out", out, "--json").rows
    entry = load_catalogue(str(out), Path()).entries["smooth"]
    assert entry.keys() == {"curve", "B1_s_per_step", "B2_s"}
    assert entry["curve"].provenance == "measured"
    assert entry["curve"].note.startswith("falls less and less, R² 0.9")
    assert f"(power: {told['power']['r2']:.4g}); 12 images" in entry["curve"].note
    sizes = ["models.catalogue.smooth.memory_gb=4", "models.catalogue.smooth.result_mb=7"]
    params = load_scenario("paper", [f"models.catalogue={out}", *sizes]).params
    steps, tv = (np.asarray(values[0], float) for values in params.models.curve)
    assert (steps[0], steps[-1]) == (told["steps"][0], told["steps"][-1])
    assert set(steps) <= set(told["steps"])
    assert certified(params) == "exact"
    # Nearer to what was measured than the power is, which falls less and less too.
    table = np.interp(told["steps"], steps, tv)
    left, of_power = (((np.array(told["quality"]) - each) ** 2).sum() for each in (table, told["power"]["fitted"]))
    assert left <= of_power
    assert float(params.models.B1[0]) == pytest.approx(told["delay"]["schedule"]["B1_s_per_step"], rel=1e-5)


@pytest.mark.parametrize("width", [None, "3.5in"])
def test_a_figure_shows_what_was_fitted(genedge, runs, told, tmp_path, monkeypatch, width):
    options = [] if width is None else ["--width", width, "--font", 7, "--no-title"]
    with written(monkeypatch) as figures:
        assert genedge("fit", runs, "--figure", tmp_path / "f.pdf", *options).status == 0
    (figure,) = figures
    quality, delay = figure.axes
    told_pieces = told["three_pieces"]
    assert [text.get_text() for text in quality.texts] == ["A1", "A3"]
    assert [text.xy[0] for text in quality.texts] == [told_pieces["A1"], told_pieces["A3"]]
    assert legend(figure)[1] == f"three pieces, R² {told_pieces['r2']:.3f}"
    (means,) = quality.containers
    assert means.lines[0].get_ydata().tolist() == pytest.approx(told["quality"])
    (line,) = [line for line in delay.get_lines() if line.get_linestyle() == "-" and line.get_linewidth() > 1]
    assert line.get_ydata()[0] == told["delay"]["b2_s"]
    assert (figure.get_suptitle() == "") == (width is not None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none.csv",), "none.csv: cannot be read: No such file"),
        (("mine.csv", "--model", "x"), "--model and --note are of a catalogue; give --out FILE.yaml with them"),
        (("mine.csv", "--out", "o.yaml", "--model", ""), "--model is empty"),
        (("mine.csv", "--figure", "f.txt"), "f.txt: a figure is a file such as f.png"),
        (("mine.csv", "--width", "3in"), "--width is that of a figure"),
        (("twice.csv",), "twice.csv, line 3: the same as line 2, to the last digit; a run counts once"),
        (("one.csv",), "one.csv: 1 of 1 images were measured with every number of steps"),
    ],
)
def test_what_makes_no_fit_is_refused(genedge, runs, arguments, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    header = "image,steps,evaluations,quality,seconds\n"
    Path("mine.csv").write_bytes(runs.read_bytes())
    Path("twice.csv").write_text(f"{header}a,1,1,1,1\na,1,1,1,1\n")
    Path("one.csv").write_text(f"{header}a,1,1,9,1\na,2,2,5,1\na,3,3,4,1\n")
    answer = genedge("fit", *arguments)
    assert (answer.status, answer.out) == (2, "")
    assert message in answer.err
    assert len(answer.err.splitlines()) == 1
    assert not Path("o.yaml").exists()


def test_what_stands_beside_measurements_must_be_of_them(genedge, runs, tmp_path):
    beside = runs.parent / "calibration.json"
    for content, message in (("[1]", "not what genedge calibrate writes"), ("{", "not valid JSON")):
        beside.write_text(content)
        answer = genedge("fit", runs, "--out", tmp_path / "o.yaml")
        assert (answer.status, message in answer.err) == (2, True)
    beside.unlink()
    assert not (tmp_path / "o.yaml").exists()

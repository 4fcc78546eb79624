"""Figures look the same whatever matplotlib is set to, hold names as they are, and are what their files say."""

import ast
import gzip
import io
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from hostile import NAMES, renamed, texts_of
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from pictures import dots
from PIL import Image

import genedge
from genedge.draw.canvas import SUFFIXES, Figure, encoded, in_figure, style, write_figure
from genedge.draw.cells import learning_figure
from genedge.draw.dots import FONT_PT
from genedge.draw.evaluated import evaluation_figure
from genedge.draw.fit import AS_USUAL, Fit
from genedge.errors import InputError
from genedge.evaluation.results import METRICS, Bounds, assembled
from genedge.results import Measured
from genedge.scenario import load_scenario

# What somebody may have set for figures of their own.
SETTINGS = {
    "text.usetex": True,
    "text.parse_math": True,
    "font.size": 30,
    "font.family": "serif",
    "axes.facecolor": "red",
    "savefig.bbox": "tight",
    "savefig.facecolor": "black",
    "savefig.format": "svg",
    "figure.dpi": 10,
    "axes.formatter.use_mathtext": True,
    "lines.linewidth": 9,
    "svg.hashsalt": "mine",
    "pdf.use14corefonts": True,
    "axes.unicode_minus": False,
}


def evaluation(names, scenario_name, users=(3,)):
    """Results that nobody has measured."""
    rng = np.random.default_rng(1)
    rows = [
        Measured(name, n, {metric: rng.uniform(1, 2, 3) for metric in METRICS}) for n in users for name in names
    ]
    bounds = [
        Bounds(n, rng.uniform(0.5, 1, 3), rng.uniform(2, 3, 3), *rng.uniform(0.1, 0.3, (2, 3))) for n in users
    ]
    return assembled(renamed(load_scenario("paper"), scenario_name), 3, 0, rows, bounds)


def texts(figure):
    return "\n".join(texts_of(figure))


@pytest.mark.parametrize("users", [(3,), (3, 4)])
def test_all_names_in_figures_of_evaluations(users):
    text = texts(evaluation_figure(evaluation(NAMES, NAMES[0], users)))
    assert all(in_figure(name) in text for name in NAMES)


def test_all_names_in_learning_curves():
    rows = [{"episode": i, "reward": 1.0 * i, "evaluated_utility": 2.0} for i in (1, 2)]
    text = texts(learning_figure(dict.fromkeys(NAMES, rows), {"$l$": 1.0}, "t", "n"))
    assert all(in_figure(name) in text for name in (*NAMES, "$l$"))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_seen_as_it_is(name):
    told = in_figure(name)
    assert len(told.removeprefix("\u200b")) <= 24
    if name.isascii() and name.isprintable() and len(name) <= 24:
        assert told.removeprefix("\u200b") == name
    assert not told.startswith("_")


def test_curves_and_levels_are_drawn_where_they_were_measured():
    rows = [{"episode": i, "reward": -10.0 * i, "evaluated_utility": 20.0 + i} for i in (1, 2, 5)]
    (axes,) = learning_figure({"mine": rows}, {"rcars": 30.0}, "t", "on some slots").axes
    lines = {line.get_label(): [np.ravel(line.get_data()[i]).tolist() for i in (0, 1)] for line in axes.get_lines()}
    assert lines["mine, exploring"] == [[1, 2, 5], [-10, -20, -50]]
    assert lines["mine, evaluated"] == [[1, 2, 5], [-21, -22, -25]]
    assert lines["rcars"][1] == [-30, -30]
    assert axes.get_xlabel() == "episode\n(on some slots)"


def test_two_policies_that_look_alike_are_two_dots():
    figure = evaluation_figure(evaluation(["a" * 30, "b" + "a" * 30], "x"))
    assert sorted(dots(figure.axes[0])) == [0, 1]


# --- Formats ------------------------------------------------------------------------------------------------

BEGINS = {
    ".png": b"\x89PNG",
    ".pdf": b"%PDF",
    ".svg": b"<?xml",
    ".svgz": b"\x1f\x8b",
    ".eps": b"%!PS-Adobe-3.0 EPSF",
    ".ps": b"%!PS-Adobe-3.0\n",
    ".jpg": b"\xff\xd8",
    ".jpeg": b"\xff\xd8",
    ".webp": b"RIFF",
    ".tif": b"II*\x00",
    ".tiff": b"II*\x00",
}


def plain():
    with style():
        figure = Figure(figsize=(2, 2))
        figure.add_subplot().plot([1, 2], label="$1$")
        figure.legend(title="Σ Uₙ")
    return figure


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".PNG", ".Svg"])
def test_a_file_is_what_its_name_says_with_the_same_bytes_each_time(suffix, tmp_path, monkeypatch):
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    write_figure(plain(), first)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")  # Were there a date, it would be another one.
    write_figure(plain(), second)
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes().startswith(BEGINS[suffix.lower()])
    assert b"CreationDate" not in first.read_bytes()
    if suffix in (".png", ".jpg", ".webp", ".tif"):
        assert Image.open(io.BytesIO(first.read_bytes())).size == (300, 300)


@pytest.mark.parametrize("name", ["f", "f.", "f.gif", "f.png.txt", ".png", "f.html", "f.csv"])
def test_other_names_are_refused(name, tmp_path):
    with pytest.raises(
        InputError, match=r"a figure is a file such as .*\.png; its name ends in one of \.png, \.pdf"
    ):
        write_figure(plain(), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_fonts_are_embedded():
    """As TrueType in PDF and PostScript, as journals ask; in SVG letters are shapes."""
    figure = plain()
    pdf, eps, ps, svg = (encoded(figure, kind, 80) for kind in ("pdf", "eps", "ps", "svg"))
    assert b"/FontFile2" in pdf
    assert b"/CIDFontType2" in pdf
    assert b"/Type3" not in pdf
    for file in (eps, ps):
        assert b"/FontType 42 def" in file
        assert b"/FontType 3" not in file
    assert b"<text" not in svg
    assert gzip.decompress(encoded(figure, "svgz", 80)) == svg


# --- The room a figure has ----------------------------------------------------------------------------------

COLUMN, PAGE = Fit(3.5, 8, title=False), Fit(7.16, 8)
ROWS = [{"episode": i, "reward": -1000.0 * i, "evaluated_utility": 2.0} for i in (1, 2)]
POLICIES = ("rcars", "knapsack", "a-policy-of-mine", "cloud-only")


def fitted(fit):
    yield evaluation_figure(evaluation(POLICIES, "paper"), fit)
    yield evaluation_figure(evaluation(POLICIES, "paper", (3, 4)), fit)
    curves = dict.fromkeys(("runs/0", "runs/1", "another"), ROWS)
    yield learning_figure(curves, {"rcars": 3.0}, "A long title of what was learnt on what", "a long note", fit)


def boxes_of(figure, fit):
    """Where its texts are, in pixels."""
    canvas = FigureCanvasAgg(figure)
    with style(fit.look(FONT_PT)):
        canvas.draw()
    # Ticks beyond the ends of an axis are kept, and not drawn.
    axis = [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    drawn = {id(text) for a in axis for tick in a._update_ticks() for text in (tick.label1, tick.label2)}
    labels = {
        id(text) for a in axis for tick in (*a.majorTicks, *a.minorTicks) for text in (tick.label1, tick.label2)
    }
    return {
        text: text.get_window_extent()
        for text in figure.findobj(Text)
        if text.get_text().strip("\u200b ") and text.get_visible() and id(text) not in labels - drawn
    }


@pytest.mark.parametrize("fit", [COLUMN, PAGE, Fit(88 / 25.4, 10)])
def test_in_any_room_nothing_overlaps_or_leaves_the_figure(fit):
    for figure in fitted(fit):
        assert figure.get_figwidth() == fit.width_in
        boxes = boxes_of(figure, fit)
        assert {text.get_fontsize() for text in boxes} == {fit.font_pt}
        for i, (one, box) in enumerate(boxes.items()):
            assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, one
            assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, one
            for other, its in list(boxes.items())[i + 1 :]:
                assert not box.padded(-1).overlaps(its.padded(-1)), (one, other)
        titles = (figure.get_suptitle(), *(axes.get_title() for axes in figure.axes))
        assert any(titles) == fit.title


def test_panels_flow_into_a_narrow_figure():
    results = evaluation(POLICIES, "paper")
    wide, narrow = (evaluation_figure(results, fit) for fit in (Fit(), COLUMN))
    assert [[axes.get_subplotspec().rowspan.start for axes in f.axes] for f in (wide, narrow)] == [
        [0] * 4,
        [0, 0, 1, 1],
    ]
    assert [dots(axes) for axes in wide.axes] == [dots(axes) for axes in narrow.axes]


def test_where_there_is_no_room_that_is_said(tmp_path):
    fit = Fit(1.0, 40)
    with pytest.raises(InputError, match=r"^the figure's parts do not fit into 1 inches with letters of 40 pt"):
        write_figure(evaluation_figure(evaluation(POLICIES, "paper"), fit), tmp_path / "f.png", fit.look(9))
    assert not list(tmp_path.iterdir())


# --- What matplotlib is set to ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_settings_of_the_reader_change_no_figure(kind):
    expected = encoded(plain(), kind, 80)
    with matplotlib.rc_context(SETTINGS):
        before = dict(matplotlib.rcParams)
        assert encoded(plain(), kind, 80) == expected
        assert dict(matplotlib.rcParams) == before


def test_matplotlib_has_one_door():
    """So no other module can change its backend or its settings, and none can forget the style."""
    package = Path(genedge.__file__).parent
    users = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""])
        if name.partition(".")[0] == "matplotlib"
    }
    assert users == {"draw/canvas.py"}
    assert "pyplot" not in (package / "draw/canvas.py").read_text(encoding="utf-8").partition('"""\n')[2]


AFTER_DRAWING = """
import sys
from genedge.draw import boxes, canvas, cells, dots, evaluated, fit, watch
from genedge.paper import report
import genedge.draw.slot, genedge.draw.replay, matplotlib
from pathlib import Path
before = dict.__getitem__(matplotlib.rcParams, "backend")
look = fit.AS_USUAL.look(dots.FONT_PT)
canvas.write_figure(cells.learning_figure({}, {"a": 1.0}, "t", "n"), Path(sys.argv[1]), look)
assert "matplotlib.pyplot" not in sys.modules
assert dict.__getitem__(matplotlib.rcParams, "backend") == before == "svg", before
"""


def test_the_readers_backend_is_left_alone(tmp_path, monkeypatch):
    """And a file of settings that ask for TeX is not asked."""
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nfont.size: 40\n")
    monkeypatch.setenv("MATPLOTLIBRC", str(tmp_path / "matplotlibrc"))
    monkeypatch.setenv("MPLBACKEND", "svg")
    run = subprocess.run([sys.executable, "-c", AFTER_DRAWING, tmp_path / "f.png"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    write_figure(learning_figure({}, {"a": 1.0}, "t", "n"), tmp_path / "g.png", AS_USUAL.look(FONT_PT))
    assert (tmp_path / "f.png").read_bytes() == (tmp_path / "g.png").read_bytes()


@pytest.mark.parametrize("broken", ["backend", "settings"])
def test_where_matplotlib_does_not_start_that_is_said_first(broken, tmp_path, monkeypatch):
    if broken == "backend":
        monkeypatch.setenv("MPLBACKEND", "no-such-backend")
    else:
        (tmp_path / "matplotlibrc").write_bytes(b"font.family: \xff\xfe\n")
    run = subprocess.run(
        [sys.executable, "-m", "genedge", "evaluate", "--policies", "no-such-policy", "--figure", "f.png"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert run.returncode == 2
    *_, message = run.stderr.splitlines()
    assert message.startswith("genedge: matplotlib does not start")
    assert "MPLBACKEND" in message
    assert "Traceback" not in run.stderr

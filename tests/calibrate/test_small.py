"""The small models: their images, their weights, and that they fill holes better than what knows nothing."""

import csv
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import call

from genedge.calibrate.quality import measure
from genedge.calibrate.schedules import respaced, truncated
from genedge.calibrate.small import images as of_images
from genedge.calibrate.small.images import hole, images
from genedge.catalogue.load import load_catalogue
from genedge.errors import InputError
from genedge.registry import named

ROOT = Path(__file__).parents[2]
KINDS = list(named("small model"))
SHIPPED = ROOT / "src" / "genedge" / "calibrate" / "small"


def some(kind, part="held out", count=6, seed=0):
    return images(kind, part, count, np.random.default_rng(seed))


# --- Images -------------------------------------------------------------------------------------------------


def test_shapes_are_drawn_the_same_again_and_held_out_others():
    first = some("shapes", "training", 50)
    assert first.shape == (50, 3, 32, 32)
    assert first.dtype == np.float32
    assert first.min() >= 0
    assert first.max() <= 1
    np.testing.assert_array_equal(some("shapes", "training", 50), first)
    assert not (some("shapes", "held out", 50) == first).all(axis=(1, 2, 3)).any()
    assert first.std(axis=(2, 3)).min() > 0  # None is blank.


@pytest.mark.parametrize(("kind", "missing"), [("centre", 144), ("half", 288)])
def test_holes_are_where_a_mask_is_0(kind, missing):
    mask = hole(kind, 24)
    assert mask.shape == (1, 24, 24)
    assert {*np.unique(mask)} == {0, 1}
    assert (mask == 0).sum() == missing
    assert mask[0, 0, 0] == 1
    assert mask[0, 12, 12] == 0


def test_textures_held_out_are_another_part_of_the_picture(monkeypatch):
    columns = np.broadcast_to(np.arange(256.0), (3, 256, 256))
    monkeypatch.setattr(of_images, "_halved_textures", lambda: columns)
    trained, held_out = (some("textures", part, 2000) for part in ("training", "held out"))
    assert (trained.min(), trained.max(), held_out.min(), held_out.max()) == (0, 191, 192, 255)


def test_faces_held_out_are_other_faces(monkeypatch):
    class Data:
        @staticmethod
        def lfw_subset():
            return np.broadcast_to(np.arange(200.0)[:, None, None], (200, 25, 25))

    monkeypatch.setattr(of_images, "_scikit_image", lambda: Data)
    trained, held_out = some("faces", "training", 2000), some("faces", "held out", 25)
    assert {*np.unique(trained)} == {*range(80)}
    np.testing.assert_array_equal(held_out[:, 0, 0, 0], [*range(80, 100), *range(80, 85)])


def test_without_scikit_image_one_line_says_what_to_install(monkeypatch):
    of_images._halved_textures.cache_clear()
    monkeypatch.setitem(sys.modules, "skimage", None)
    monkeypatch.setitem(sys.modules, "skimage.data", None)
    for kind in ("faces", "textures"):
        with pytest.raises(InputError, match=r'install it with: pip install "genedge\[diffusion\]"'):
            some(kind)


def test_a_kind_that_is_none():
    with pytest.raises(InputError, match=r"small model 'face': .*did you mean faces"):
        some("face")


@pytest.mark.heavy("skimage")
@pytest.mark.parametrize("kind", KINDS)
def test_images_are_of_one_size_and_within_limits(kind):
    for part in ("training", "held out"):
        drawn = some(kind, part, 40)
        assert drawn.shape[0] == 40
        assert drawn.shape[2] == drawn.shape[3]
        assert drawn.dtype == np.float32
        assert 0 <= drawn.min() < 0.3
        assert 0.7 < drawn.max() <= 1


# --- Without torch ------------------------------------------------------------------------------------------


def python(program):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


def test_torch_is_imported_only_where_a_model_runs():
    run_models = ("__init__", "extra", "repaint", "inpainting", "of_diffusers")
    modules = [path.stem for path in SHIPPED.parent.glob("*.py") if path.stem not in run_models]
    assert {"quality", "sweep", "child"} <= {*modules}
    names = ", ".join(f"genedge.calibrate.{name}" for name in (*modules, "small.images"))
    done = python(f"import sys, genedge, genedge.cli, {names}; print({{'torch', 'jax'}} & {{*sys.modules}})")
    assert done.stdout == "set()\n", done.stderr


@pytest.mark.parametrize("module", ["repaint", "small.models", "small.network"])
def test_without_torch_one_line_says_what_to_install(module):
    done = python(
        "import sys; sys.modules['torch'] = None\n"
        "from genedge.errors import InputError\n"
        f"try:\n    import genedge.calibrate.{module}\nexcept InputError as e: print(e)"
    )
    told = 'diffusion models need PyTorch; install it with: pip install "genedge[diffusion]"\n'
    assert (done.stdout, done.stderr) == (told, "")


# --- Models -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def program():
    """`docs/make_small.py` as a module."""
    spec = importlib.util.spec_from_file_location("make_small", ROOT / "docs" / "make_small.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("kind", KINDS)
def test_weights_ship_with_a_card_and_a_picture(kind):
    with np.load(SHIPPED / f"{kind}.npz", allow_pickle=False) as file:
        weights = [file[key] for key in file.files if key != "about"]
    assert {weight.dtype for weight in weights} == {np.dtype(np.float16)}
    card = (SHIPPED / f"{kind}.md").read_text(encoding="utf-8")
    parameters = sum(weight.size for weight in weights)
    assert f"A diffusion model of {parameters:,} parameters" in card
    assert 100_000 < parameters < 500_000
    assert (SHIPPED / f"{kind}.npz").stat().st_size < 2**20
    assert (ROOT / "docs" / "figures" / f"small-{kind}.png").is_file()
    for word in ("Trained on:", f"python docs/make_small.py {kind}", "torch 2.", "| updates | loss |"):
        assert word in card


@pytest.mark.heavy("torch", "skimage")
@pytest.mark.parametrize("kind", KINDS)
def test_a_card_says_how_its_model_is_trained(kind, program):
    from genedge.calibrate.small.models import load

    how, card = program.TRAININGS[kind], (SHIPPED / f"{kind}.md").read_text(encoding="utf-8")
    assert load(f"small:{kind}").shape == how.shape
    assert f"{how.updates} updates of {how.batch} images, Adam at {how.rate}" in card
    *_, last = re.findall(r"^\| (\d+) \| ([\d.]+) \| ([\d.]+) \|$", card, re.MULTILINE)
    assert int(last[0]) == how.updates
    # What ships, in half precision, is what was tested then.
    model = load(f"small:{kind}")
    assert program.tested(model, "training") == pytest.approx(float(last[1]), rel=0.01)
    assert program.tested(model, "held out") == pytest.approx(float(last[2]), rel=0.01)


@pytest.fixture(scope="module")
def filled():
    """A function that fills the holes of some images, and tells these and the mask too."""
    from genedge.calibrate.repaint import Sampler, inpaint
    from genedge.calibrate.small.models import load

    def fill(kind, schedule, eta=1.0, count=8):
        model, truth = load(f"small:{kind}"), some(kind, count=count)
        mask = hole("centre", model.shape.pixels)
        return inpaint(model.network, Sampler(model.alpha_bar, schedule, eta), truth, mask, 0), truth, mask

    return fill


@pytest.mark.heavy("torch", "skimage")
@pytest.mark.parametrize(
    ("kind", "name", "count"),
    [("faces", "ssim", 16), ("faces", "tv-off", 16), ("textures", "tv-off", 16), ("shapes", "ssim", 48)],
)
def test_holes_are_filled_better_than_with_the_mean_of_what_is_known(kind, name, count, filled):
    """Where gravel lies nobody knows, but that it has edges; of what is drawn some is drawn where nothing was."""
    made, truth, mask = filled(kind, respaced(20, 5, 3), count=count)
    known = np.broadcast_to(mask, truth.shape) == 1
    flat = np.where(known, truth, truth.mean(axis=(2, 3), where=known, keepdims=True))
    better = measure(name).cost(flat, truth, mask) - measure(name).cost(made, truth, mask)
    assert better.mean() > 2 * better.std(ddof=1) / np.sqrt(count)


@pytest.mark.heavy("torch", "skimage")
@pytest.mark.parametrize("kind", KINDS)
def test_without_noise_more_steps_come_nearer_to_what_many_make(kind, filled):
    own, _, mask = filled(kind, respaced(100), eta=0.0)
    costs = [measure("distance").cost(filled(kind, respaced(n), 0.0)[0], own, mask).mean() for n in (1, 4, 16, 50)]
    assert (np.diff(costs) < 0).all()
    assert costs[-1] < costs[0] / 5


@pytest.mark.heavy("torch", "skimage")
@pytest.mark.parametrize("kind", KINDS)
def test_total_variation_falls_with_steps_where_the_way_is_truncated_and_hardly_moves_where_it_is_respaced(
    kind, filled
):
    """So the paper's curve is of the former."""
    tv = measure("tv-l2")
    short = [tv.cost(*filled(kind, truncated(n, 50))).mean() for n in (2, 8, 20, 50)]
    fewer = [tv.cost(*filled(kind, respaced(n))).mean() for n in (4, 12, 50)]
    assert short[0] > short[1] > short[2]
    assert short[0] > 2 * short[-1]
    assert max(fewer) < 1.2 * min(fewer)


@pytest.mark.heavy("torch", "skimage")
def test_the_program_trains(program, monkeypatch):
    """A few updates; the same ones again give the same bits."""
    import torch

    short = program.TRAININGS["shapes"]._replace(shape=program.Shape(3, 32, (8, 16)), updates=40, memory=5, warm=5)
    monkeypatch.setitem(program.TRAININGS, "shapes", short)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        model, losses, _ = program.train("shapes")
        again, _, _ = program.train("shapes")
    finally:
        torch.set_num_threads(threads)
    assert losses[-1][2] < 0.8 * losses[0][2]
    assert losses[-1][0] == 40
    pairs = zip(model.network.parameters(), again.network.parameters(), strict=True)
    assert all(bool((one == other).all()) for one, other in pairs)


@pytest.mark.heavy("torch")
def test_a_name_that_no_model_has():
    from genedge.calibrate.small.models import load

    with pytest.raises(InputError, match=r"small model 'small:face': .*did you mean small:faces"):
        load("small:face")


@pytest.mark.heavy("torch")
def test_what_was_saved_is_loaded(tmp_path, monkeypatch):
    from genedge.calibrate.small import models

    model = models.new("faces", models.Shape(1, 24, (8, 16)))
    monkeypatch.setattr(models, "FOLDER", tmp_path)
    models.save(model, tmp_path / "faces.npz")
    loaded = models.load("small:faces")
    assert loaded.shape == model.shape
    for name, weight in model.network.state_dict().items():
        assert (loaded.network.state_dict()[name] == weight.half().float()).all()


# --- Calibrated ---------------------------------------------------------------------------------------------


@pytest.mark.heavy("torch")
@pytest.mark.parametrize(
    ("axis", "evaluations"), [("steps", (2, 10, 20)), ("nfe", (2, 10, 110)), ("truncated", (2, 10, 25))]
)
def test_each_axis_is_calibrated(tmp_path, axis, evaluations):
    """20 steps with jumps of 10, each piece walked ten times, are 20 + 10 · 9 evaluations."""
    steps = (2, 10, 25) if axis == "truncated" else (2, 10, 20)
    asked = ("--steps", ",".join(map(str, steps)), "--images", "6", "--quality", "tv-l2", "--axis", axis)
    ran = call("calibrate", "small:shapes", *asked, "--out", tmp_path / "box.yaml")
    assert ran.status == 0, ran.err
    with (tmp_path / "box.runs" / "shapes" / "measurements.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(int(row["steps"]), int(row["evaluations"])) for row in rows} == set(
        zip(steps, evaluations, strict=True)
    )
    note = load_catalogue("box.yaml", tmp_path).setting("shapes", "B1_s_per_step").note
    assert f"axis {axis}" in note
    # Truncated, noise is still in the image, more of it with fewer steps.
    tv = [np.mean([float(row["quality"]) for row in rows if int(row["steps"]) == count]) for count in steps]
    if axis == "truncated":
        assert tv[0] > tv[1] > tv[2]
    assert "tv-l2" in ran.out

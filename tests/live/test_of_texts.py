"""A pipeline that takes a text, tiny and untrained, behind the box: its images are those of diffusers itself."""

import base64
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_pipelines
from command_line import call
from live_server import live
from PIL import Image

from genedge.catalogue.load import load_catalogue

pytestmark = pytest.mark.heavy(
    "torch", "diffusers", "transformers", "starlette", "uvicorn", "httpx", "prometheus_client"
)

BOX = """
name: tiny
gpus: [{{memory_gb: 2}}]
models:
  defaults: {{memory_gb: 1, load_s: 8, B1_s_per_step: 0.01, B2_s: 0.05, A3_steps: 4}}
  tiny: {{worker: {{pipeline: "FOLDER"}}}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_pipelines.stable_diffusion(tmp_path_factory.mktemp("pipelines"))


@pytest.fixture(scope="module")
def box(folder, tmp_path_factory):
    text = BOX.replace("FOLDER", str(folder))
    with live(tmp_path_factory.mktemp("box"), "--hold", "120", box=text) as served:
        yield served


@pytest.fixture(scope="module")
def theirs(folder):
    """Diffusers' own pipelines, one for each task, as images from 0 to 1."""
    import torch
    from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline, StableDiffusionPipeline

    def make(task, seeds, **what):
        kinds = {"make": StableDiffusionPipeline, "repair": StableDiffusionInpaintPipeline,
                 "change": StableDiffusionImg2ImgPipeline}  # fmt: skip
        pipeline = kinds[task].from_pretrained(folder, safety_checker=None)
        generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        return pipeline(generator=generators, output_type="np", num_images_per_prompt=len(seeds), **what).images

    return make


def pixels(text):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"), float) / 255


def asked(box, path, **body):
    answer = box.client.post(path, json={"model": "tiny", **body})
    assert answer.status_code == 200, answer.text
    fields = answer.json()
    made = [each["b64_json"] for each in fields["data"]] if "data" in fields else fields["images"]
    return np.stack([pixels(text) for text in made])


def encoded(picture):
    file = io.BytesIO()
    picture.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@pytest.fixture
def photograph():
    """Of the pipeline's own size, so that nobody scales it."""
    shades = np.linspace(0, 255, 16 * 16 * 3).reshape(16, 16, 3)
    return Image.fromarray(shades.astype(np.uint8))


def test_images_are_those_of_the_library(box, theirs):
    made = asked(box, "/v1/images/generations", prompt="a cat", steps=5, seed=3, n=2, guidance_scale=3)
    own = theirs("make", [3, 4], prompt="a cat", num_inference_steps=5, guidance_scale=3.0)
    assert made.shape == (2, 16, 16, 3)
    np.testing.assert_allclose(made, own, atol=0.003)
    other = asked(box, "/v1/images/generations", prompt="a dog", steps=5, seed=3, n=2, guidance_scale=3)
    assert np.abs(other - made).max() > 0.01


def test_what_is_not_wanted_and_the_size_are_heard(box, theirs):
    body = {"prompt": "a cat", "negative_prompt": "fog", "steps": 4, "seed": 3, "cfg_scale": 5}
    made = asked(box, "/sdapi/v1/txt2img", width=32, height=16, **body)
    what = {"prompt": "a cat", "negative_prompt": "fog", "num_inference_steps": 4, "guidance_scale": 5.0}
    own = theirs("make", [3], width=32, height=16, **what)
    assert made.shape == (1, 16, 32, 3)
    np.testing.assert_allclose(made, own, atol=0.003)


def test_a_hole_is_repaired_by_the_same_weights(box, theirs, photograph):
    mask = Image.new("L", (16, 16))
    mask.paste(255, (4, 4, 12, 12))
    body = {"prompt": "a cat", "steps": 5, "seed": 3}
    own = theirs("repair", [3], prompt="a cat", num_inference_steps=5, image=photograph, mask_image=mask)
    made = asked(box, "/sdapi/v1/img2img", init_images=[encoded(photograph)], mask=encoded(mask), **body)
    np.testing.assert_allclose(made, own, atol=0.003)
    edited = asked(
        box, "/v1/images/edits", image=encoded(photograph), mask=encoded(mask), mask_repairs="white", **body
    )
    np.testing.assert_array_equal(edited, made)
    # Where there is no mask, it is where the image is transparent.
    holed = photograph.copy()
    holed.putalpha(mask.point(lambda value: 255 - value))
    np.testing.assert_array_equal(asked(box, "/v1/images/edits", image=encoded(holed), **body), made)


def test_an_image_without_a_hole_is_changed(box, theirs, photograph):
    body = {"init_images": [encoded(photograph)], "prompt": "a cat", "steps": 8, "seed": 3}
    what = {"prompt": "a cat", "num_inference_steps": 8, "image": photograph}
    for given, strength in (({}, 0.75), ({"denoising_strength": 0.25}, 0.25)):
        made = asked(box, "/sdapi/v1/img2img", **body, **given)
        np.testing.assert_allclose(made, theirs("change", [3], strength=strength, **what), atol=0.003)
    # So little that not one of so few steps would be left makes one all the same.
    asked(box, "/sdapi/v1/img2img", **body | {"steps": 2}, denoising_strength=0.1)
    answer = box.client.post("/sdapi/v1/img2img", json={"model": "tiny", **body, "denoising_strength": 0})
    assert answer.status_code == 400
    assert "denoising_strength: must be a number above 0, up to 1, not 0" in answer.json()["error"]["message"]


def test_one_that_repairs_makes_whole_images_of_grey_ones(folder, theirs, tmp_path):
    from diffusers import StableDiffusionInpaintPipeline

    from genedge.calibrate.of_diffusers import OfDiffusers
    from genedge.live.jobs import Picture
    from genedge.live.pipelines import pipeline_of

    repairs = tmp_path / "repairs"
    StableDiffusionInpaintPipeline.from_pretrained(folder, safety_checker=None).save_pretrained(repairs)
    made = pipeline_of(str(repairs)).make(Picture(prompt="a cat", seed=3), 5, lambda done, of: None)
    grey, all_of_it = Image.new("RGB", (16, 16), "gray"), Image.new("L", (16, 16), "white")
    own = theirs("repair", [3], prompt="a cat", num_inference_steps=5, image=grey, mask_image=all_of_it)
    np.testing.assert_allclose(made.transpose(0, 2, 3, 1), own, atol=1e-4)
    assert OfDiffusers(str(repairs), None).generate(5, [3]).shape == (1, 3, 16, 16)


@pytest.mark.parametrize("family", ["stable_diffusion_xl", "flux"])
def test_other_families_make_repair_and_change_images(tmp_path, family):
    import torch
    from diffusers import DiffusionPipeline

    from genedge.live.jobs import Picture
    from genedge.live.pipelines import pipeline_of, png

    folder = getattr(tiny_pipelines, family)(tmp_path)
    worker, told = pipeline_of(str(folder)), []
    wanted = Picture(prompt="a cat", seed=3, images=2, guidance=3.0, size=(16, 32))
    made = worker.make(wanted, 5, lambda done, of: told.append((done, of)))
    assert told == [(done, 5) for done in range(1, 6)]
    seeds = [torch.Generator("cpu").manual_seed(seed) for seed in (3, 4)]
    own = DiffusionPipeline.from_pretrained(folder)(
        "a cat", num_images_per_prompt=2, generator=seeds, guidance_scale=3.0, num_inference_steps=5, height=16,
        width=32, output_type="np",
    ).images  # fmt: skip
    np.testing.assert_allclose(made.transpose(0, 2, 3, 1), own, atol=1e-4)
    mask = np.zeros((1, 16, 32), np.float32)
    mask[:, 4:12, 4:12] = 1
    image = wanted._replace(images=1, image=png(made[0]))
    for picture in (image._replace(mask=png(mask)), image):
        one, again = (worker.make(picture, 5, lambda done, of: None) for _ in "12")
        assert one.shape == (1, 3, 16, 32)
        np.testing.assert_array_equal(one, again)
        assert np.abs(one - made[:1]).max() > 0.01


def test_it_is_calibrated(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder.parent)
    out = tmp_path / "box.yaml"
    sweep = ("--steps", "1,2,5,10", "--images", "6", "--batch", "1,2", "--size", "16,32")
    ran = call("calibrate", "./tiny", *sweep, "--out", out)
    assert ran.status == 0, ran.err
    assert "%" not in ran.err  # No bars of the libraries'.
    rows = (tmp_path / "box.runs" / "tiny" / "measurements.csv").read_text().splitlines()[1:]
    assert [row.split(",")[1] == row.split(",")[2] for row in rows] == [True] * 6 * 4
    catalogue = load_catalogue(str(out), Path())
    assert catalogue.value("tiny", "B1_s_per_step") > 0
    peaks = [(each["images"], each["pixels"]) for each in catalogue.setting("tiny", "peaks").value]
    assert peaks == [(1, 256), (2, 256), (1, 1024), (2, 1024)]


def test_numbers_are_of_half_the_size_on_a_gpu_and_reach_far_where_there_is_a_transformer(monkeypatch):
    import torch

    from genedge.calibrate.of_diffusers import precision

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert precision("cpu", ["transformer"]) == torch.float32
    assert precision("cuda", ["transformer", "vae"]) == torch.bfloat16
    assert precision("cuda", ["unet", "vae"]) == torch.float16
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert precision("cuda", ["transformer", "vae"]) == torch.float16


def test_without_the_library_that_reads_a_line_says_so(folder):
    code = (
        "import sys; sys.modules['transformers'] = None\n"
        "from genedge.live.pipelines import pipeline_of\n"
        "pipeline_of(sys.argv[1])\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True)
    told = 'those that take a text need transformers: pip install "genedge[diffusion]"'
    assert ran.stderr.strip().endswith(f"no diffusers pipeline can be loaded from there: {told}")

"""A real pipeline of diffusers, tiny and untrained: its images and evaluations, and what is wrong with others."""

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import call

from genedge.catalogue.load import load_catalogue
from genedge.errors import InputError

pytestmark = pytest.mark.heavy("torch", "diffusers")
SIZE, TRAINED = 8, 100


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Weights are random, but always the same; its sampler adds no noise, so more steps come nearer to many."""
    import torch
    from diffusers import DDIMPipeline, DDIMScheduler, UNet2DModel

    torch.manual_seed(0)
    network = UNet2DModel(
        sample_size=SIZE,
        layers_per_block=1,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        attention_head_dim=4,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    )
    where = tmp_path_factory.mktemp("pipelines") / "tiny"
    DDIMPipeline(unet=network, scheduler=DDIMScheduler(num_train_timesteps=TRAINED)).save_pretrained(where)
    return where


def test_images_are_the_pipelines_own_and_evaluations_those_of_its_network(folder):
    import torch
    from diffusers import DiffusionPipeline

    from genedge.calibrate.of_diffusers import OfDiffusers

    ours = OfDiffusers(str(folder), None)
    assert ours.train_steps == TRAINED
    made = ours.generate(5, [3, 7])
    assert made.shape == (2, 3, SIZE, SIZE)
    assert ours.evaluations == 5
    theirs = DiffusionPipeline.from_pretrained(folder)
    for image, seed in zip(made, (3, 7), strict=True):
        seeded = torch.Generator("cpu").manual_seed(seed)
        alone = theirs(generator=seeded, num_inference_steps=5, output_type="np").images[0]
        np.testing.assert_allclose(image, alone.transpose(2, 0, 1), atol=1e-5)
    ours.generate(10, [1])
    assert ours.evaluations == 15


def test_a_live_worker_makes_the_same_images(folder):
    from genedge.calibrate.of_diffusers import OfDiffusers
    from genedge.live.jobs import Picture
    from genedge.live.pipelines import pipeline_of, png

    worker = pipeline_of(str(folder))
    made = worker.make(Picture(seed=3, images=2), 5, lambda done, of: None)
    np.testing.assert_allclose(made, OfDiffusers(str(folder), None).generate(5, [3, 4]), atol=1e-5)
    with pytest.raises(InputError, match="it repairs none"):
        worker.make(Picture(image=png(made[0]), mask=png(made[0][:1])), 5, lambda done, of: None)


@pytest.mark.heavy("torch", "diffusers", "starlette", "uvicorn", "httpx", "prometheus_client")
def test_a_live_box_serves_it_over_http(folder, tmp_path):
    import base64

    from live_server import live

    from genedge.live.jobs import Picture
    from genedge.live.pipelines import pipeline_of, png

    box = """
name: tiny
gpus: [{{memory_gb: 2}}]
models:
  defaults: {{memory_gb: 1, load_s: 4, B1_s_per_step: 0.01, B2_s: 0.05, A3_steps: 4}}
  tiny: {{worker: {{pipeline: "FOLDER"}}}}
"""
    with live(tmp_path, "--hold", "120", box=box.replace("FOLDER", str(folder))) as served:
        body = {"model": "tiny", "prompt": "", "steps": 5, "seed": 3, "n": 2}
        answer = served.client.post("/v1/images/generations", json=body)
        assert answer.status_code == 200, answer.text
        made = [base64.b64decode(each["b64_json"]) for each in answer.json()["data"]]
    worker = pipeline_of(str(folder))
    assert made == [png(image) for image in worker.make(Picture(seed=3, images=2), 5, lambda done, of: None)]


def test_a_folder_is_calibrated(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder.parent)
    out = tmp_path / "box.yaml"
    ran = call("calibrate", "./tiny", "--steps", "1,2,5,10,25", "--images", "6", "--batch", "1,3", "--out", out)
    assert ran.status == 0, ran.err
    assert "tiny: distance falls with steps" in ran.out
    assert "%" not in ran.err  # No bars of the library's.
    facts = json.loads((tmp_path / "box.runs" / "tiny" / "calibration.json").read_text())
    assert facts["reference_steps"] == TRAINED
    assert facts["versions"].keys() >= {"torch", "diffusers"}
    assert facts["image_bytes"] == 3 * SIZE**2
    stored = sum(path.stat().st_size for path in (folder / "unet").glob("*.safetensors"))
    assert facts["weights_bytes"] == pytest.approx(stored, rel=0.2)  # Beside them stand their names.
    assert "MB weights" in load_catalogue(str(out), Path()).setting("tiny", "memory_gb").note
    rows = (tmp_path / "box.runs" / "tiny" / "measurements.csv").read_text().splitlines()[1:]
    assert len(rows) == 6 * 5
    assert all(row.split(",")[1] == row.split(",")[2] for row in rows)
    catalogue = load_catalogue(str(out), Path())
    assert catalogue.value("tiny", "B1_s_per_step") > 0
    assert catalogue.value("tiny", "load_s") > facts["libraries_s"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("./nowhere",), "./nowhere: there is no such folder"),
        (("./empty",), "./empty: no diffusers pipeline can be loaded from there"),
        (("./tiny", "--size", "16"), "its images have a size of their own; leave out --size"),
        (("./torn",), "./torn: no diffusers pipeline can be loaded from there: Unable to load weights"),
    ],
)
def test_what_is_no_pipeline_is_said(folder, tmp_path, monkeypatch, arguments, told):
    import shutil

    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    shutil.copytree(folder, tmp_path / "tiny")
    shutil.copytree(folder, tmp_path / "torn")
    for weights in (tmp_path / "torn" / "unet").glob("*.safetensors"):
        weights.write_bytes(weights.read_bytes()[:100])
    ran = call("calibrate", *arguments, "--steps", "1,2,5", "--images", "6", "--out", "box.yaml")
    assert ran.status == 2
    assert told in ran.err
    assert "Traceback" not in ran.err
    assert not (tmp_path / "box.yaml").exists()

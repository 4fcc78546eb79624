"""Real diffusion models behind the real OpenAI client and A1111's requests: masks, streams, steps, faults."""

import base64
import io
import os
import signal
import threading

import numpy as np
import pytest
from live_server import child_of, live, until
from PIL import Image

pytestmark = pytest.mark.heavy("starlette", "uvicorn", "httpx", "prometheus_client", "torch", "openai")

BOX = """
name: small
gpus: [{{memory_gb: 0.6}}]
models:
  defaults: {{memory_gb: 0.4, load_s: 4, B1_s_per_step: 0.01, B2_s: 0.05, A3_steps: 4}}
  shapes: {{worker: {{pipeline: "small:shapes"}}}}
  wrong: {{worker: {{pipeline: "small:cats"}}}}
"""


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    with live(tmp_path_factory.mktemp("box"), "--hold", "120", box=BOX) as served:
        yield served


@pytest.fixture(scope="module")
def client(box):
    import openai

    with openai.OpenAI(base_url=f"{box.url}/v1", api_key="none", max_retries=0) as made:
        yield made


def pixels(text):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"), float) / 255


def png(values):
    file = io.BytesIO()
    Image.fromarray((np.asarray(values) * 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def picture():
    """Red above, blue below."""
    image = np.zeros((32, 32, 3))
    image[:16, :, 0], image[16:, :, 2] = 1, 1
    return image


def hole():
    """1 in the middle, where it is to be repaired."""
    mask = np.zeros((32, 32))
    mask[12:20, 12:20] = 1
    return mask


def assert_repaired(image):
    known = hole() == 0
    assert np.abs(image - picture())[known].max() < 0.01
    assert not np.array_equal(image[12:20, 12:20], np.zeros((8, 8, 3)))


def test_the_same_seed_gives_the_same_images_and_another_others(client):
    def made(seed):
        answer = client.images.generate(model="shapes", prompt="", n=2, extra_body={"steps": 5, "seed": seed})
        return [pixels(each.b64_json) for each in answer.data]

    first, again, other = made(1), made(1), made(2)
    assert [image.shape for image in first] == [(32, 32, 3)] * 2
    assert not np.array_equal(first[0], first[1])
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_an_edit_repairs_where_the_mask_is_transparent(client):
    mask = np.concatenate([np.ones((32, 32, 3)), 1 - hole()[..., None]], axis=2)
    answer = client.images.edit(
        model="shapes",
        image=("i.png", png(picture())),
        mask=("m.png", png(mask)),
        prompt="",
        extra_body={"steps": 5},
    )
    assert_repaired(pixels(answer.data[0].b64_json))


def test_an_image_is_repaired_where_it_is_transparent_itself(client):
    image = np.concatenate([picture(), 1 - hole()[..., None]], axis=2)
    answer = client.images.edit(model="shapes", image=("i.png", png(image)), prompt="", extra_body={"steps": 5})
    assert_repaired(pixels(answer.data[0].b64_json))


@pytest.mark.parametrize(("repairs", "mask"), [("white", hole()), ("black", 1 - hole())])
def test_masks_of_other_customs_say_so(box, repairs, mask):
    encoded = {
        name: base64.b64encode(png(values)).decode() for name, values in (("image", picture()), ("mask", mask))
    }
    answer = box.client.post(
        "/v1/images/edits", json={"model": "shapes", "steps": 5, "mask_repairs": repairs, **encoded}
    )
    assert_repaired(pixels(answer.json()["data"][0]["b64_json"]))


@pytest.mark.parametrize("invert", [0, 1])
def test_a1111_repairs_where_its_mask_is_white(box, invert):
    mask = 1 - hole() if invert else hole()
    body = {
        "init_images": ["data:image/png;base64," + base64.b64encode(png(picture())).decode()],
        "mask": base64.b64encode(png(mask)).decode(), "inpainting_mask_invert": invert, "steps": 5, "seed": -1,
        "override_settings": {"sd_model_checkpoint": "shapes"},
    }  # fmt: skip
    answer = box.client.post("/sdapi/v1/img2img", json=body)
    assert_repaired(pixels(answer.json()["images"][0]))
    assert answer.headers["x-genedge-steps"] == "5"
    assert box.client.get("/sdapi/v1/progress").json()["progress"] == 1.0


def test_steps_are_the_models_own_where_nobody_says_any(box):
    answer = box.client.post("/v1/images/generations", json={"model": "shapes", "n": 3})
    assert answer.headers["x-genedge-steps"] == "12"


def test_progress_is_streamed(client):
    """At most ten times a second, and at the last step."""
    events = list(client.images.generate(model="shapes", prompt="", stream=True, extra_body={"steps": 80}))
    *partial, last = events
    assert {event.type for event in partial} == {"image_generation.partial_image"}
    done = [event.partial_image_index for event in partial]
    assert done == sorted(done)
    assert (done[-1], len(done) > 1) == (79, True)
    assert last.type == "image_generation.completed"
    assert pixels(last.b64_json).shape == (32, 32, 3)


def test_what_is_wrong_is_an_error_of_the_client(client):
    import openai

    with pytest.raises(openai.NotFoundError, match="there is no model 'sdxl'"):
        client.images.generate(model="sdxl", prompt="")
    with pytest.raises(openai.BadRequestError, match="it has no transparency"):
        client.images.edit(model="shapes", image=("i.png", png(picture())), mask=("m.png", png(hole())), prompt="")
    with pytest.raises(openai.BadRequestError, match="cannot be read"):
        client.images.edit(model="shapes", image=("i.png", b"none"), prompt="")
    with pytest.raises(openai.BadRequestError, match="no such small model"):
        client.images.generate(model="wrong", prompt="")
    assert [each.id for each in client.models.list()] == ["shapes", "wrong"]


def test_a_worker_that_is_killed_in_the_midst_costs_no_answer(box):
    found = []
    body = {"model": "shapes", "steps": 50}
    thread = threading.Thread(target=lambda: found.append(box.client.post("/v1/images/generations", json=body)))
    thread.start()
    until(lambda: "generating" in [each["state"] for each in box.box()["gpus"][0]["resident"]], within_s=60)
    os.kill(child_of(box.process.pid, "genedge.live.child"), signal.SIGKILL)
    thread.join()
    assert found[0].status_code == 200

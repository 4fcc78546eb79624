"""Memory that generating takes, by how many images there are and how large: reserved before it begins."""

import asyncio

import pytest
from edge_boxes import box_of, models_of, order_named
from hypothesis import given, settings
from hypothesis import strategies as st
from live_boxes import House, answer_of

from genedge.boxes.load import load_box
from genedge.edge.live_server import LiveServer
from genedge.edge.peaks import Peak, peak_mb
from genedge.edge.request import Request
from genedge.edge.scheduler import Load, Serve
from genedge.edge.schedulers.combined import Combined
from genedge.edge.schedulers.evictions import Lru
from genedge.errors import InputError
from genedge.live.jobs import Failure, Picture
from genedge.live.journal import FileJournal
from genedge.registry import named
from genedge.replay.again import replayed_again

MEGA = 1_000_000
BY_COUNT = (Peak(1, None, 100), Peak(4, None, 310))
BY_SIZE = (Peak(1, MEGA, 1000), Peak(2, MEGA, 1800), Peak(1, 4 * MEGA, 3000))


@pytest.mark.parametrize(
    ("peaks", "images", "pixels", "wanted"),
    [
        (BY_COUNT, 1, None, 100),
        (BY_COUNT, 4, None, 310),
        (BY_COUNT, 2, None, 170),  # A third of the way.
        (BY_COUNT, 8, None, 620),  # Beyond, in proportion.
        (BY_COUNT, 2, 7 * MEGA, 170),  # Size was not measured.
        (BY_SIZE, 1, None, 1000),  # The smallest is the model's own.
        (BY_SIZE, 1, MEGA // 4, 1000),  # Never below what was measured.
        (BY_SIZE, 3, MEGA, 2400),
        (BY_SIZE, 2, 4 * MEGA, 6000),
    ],
)
def test_it_is_as_measured_or_between_or_in_proportion(peaks, images, pixels, wanted):
    assert peak_mb(peaks, images, pixels) == wanted


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 10 * MEGA))
def test_more_images_never_take_less(few, more, pixels):
    assert peak_mb(BY_SIZE, few, pixels) <= peak_mb(BY_SIZE, few + more, pixels)


MODELS = models_of(a=(1, 5, 1), b=(2, 3, 1), c=(3, 8, 0.5, 1))


@settings(max_examples=60, deadline=None)
@given(
    order=st.sampled_from(list(named("order"))),
    asked=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([None, 0, 500, 1000, 2000, 3000, 9000]))),
)
def test_there_is_room_for_what_is_generated(order, asked):
    """Whatever is asked for: all that can ever fit is served, with room for its own working memory."""
    server = LiveServer(box_of(4), MODELS, Combined(order_named(order), Lru(MODELS)))
    waiting = 0
    for number, (model, working_mb) in enumerate(asked):
        takes = MODELS[model]
        fits = takes.memory_mb + (takes.working_mb if working_mb is None else working_mb) <= 4000
        request = Request(number, 0.0, model, "u", 1, 1.0, working_mb=working_mb)
        assert server.arrive(0.0, request) == fits
        waiting += fits
    now = 0.0
    for _ in range(3 * waiting + 3):
        action = server.next(now, 0)
        now += 1.0
        if isinstance(action, Load):
            server.loaded(now, 0, 1.0)
        elif isinstance(action, Serve):
            waiting -= 1
            held = sum(MODELS[each].memory_mb for each in server.gpus[0].resident)
            assert held + server.working_of_mb(action.request) <= 4000
            assert server.working_mb(0) == server.working_of_mb(action.request)
            server.finished(now, 0, 1.0)
    assert waiting == 0
    assert server.next(now, 0) is None


BOX = """
name: peaks
gpus: [{memory_gb: 4}]
models:
  defaults: {memory_gb: 1, load_s: 0.01, B1_s_per_step: 0.0001}
  a: {peaks: [{images: 1, pixels: 262144, gb: 0.5}, {images: 4, pixels: 262144, gb: 1.4}]}
  b: {}
  c: {}
"""


def test_a_live_box_makes_room_for_many_images_and_refuses_what_never_fits(tmp_path):
    async def live():
        house = House(tmp_path, FileJournal(tmp_path / "journal", 1 << 20, 3), BOX, "fifo+lru")
        resident = house.driver.server.gpus[0].resident
        for model in "abc":
            await answer_of(house.ask(model))
        await answer_of(house.driver.submit("a", "", 10, 0.0, Picture(images=1)))
        assert set(resident) == {"a", "b", "c"}
        # Four take 1.4 GB besides, and 1 GB is free.
        await answer_of(house.driver.submit("a", "", 10, 0.0, Picture(images=4)))
        assert set(resident) == {"a", "c"}
        await answer_of(house.driver.submit("a", "", 10, 0.0, Picture(images=1, size=(1024, 1024))))
        with pytest.raises(Failure, match="a takes 6600 MB, 5600 of them for so many and large images, and the"):
            house.driver.submit("a", "", 10, 0.0, Picture(images=4, size=(1024, 1024)))
        await house.driver.close()
        return house.file

    (found,) = replayed_again(tmp_path / "journal", asyncio.run(asyncio.wait_for(live(), 60)))
    assert (found.first_unlike, found.why_not) == (None, "")


def test_sizes_are_given_for_all_or_none(tmp_path):
    path = tmp_path / "box.yaml"
    path.write_text(BOX.replace("images: 4, pixels: 262144", "images: 4"))
    with pytest.raises(InputError, match="give pixels for each of them, or for none"):
        load_box(str(path))

"""What a box says of how soon it would serve: what is there, what waits, and what room costs."""

import asyncio

import pytest
from live_boxes import House, answer_of

from genedge.live.jobs import Failure, Limits
from genedge.live.journal import NoJournal
from genedge.live.routing import seen_of
from genedge.live.soon import FADES_S, Soon

BOX = """
name: s
gpus: [{memory_gb: 4}]
models:
  defaults: {memory_gb: 2, load_s: 0.2, B1_s_per_step: 0.01, B2_s: 0, A3_steps: 10}
  a: {}
  b: {}
  c: {memory_gb: 3}
  d: {memory_gb: 4}
  large: {memory_gb: 40}
"""


def live(test):
    """Runs a test that waits for things."""

    def run(tmp_path):
        asyncio.run(asyncio.wait_for(test(tmp_path), 60))

    return run


def watched(tmp_path, **options):
    house = House(tmp_path, NoJournal(), BOX, **options)
    soon = Soon(house.driver)
    house.driver._ended = soon.ended
    return house, soon


@live
async def test_what_is_there_needs_no_load_and_what_fits_nowhere_is_not_served(tmp_path):
    house, soon = watched(tmp_path)
    seen = soon.seen()
    assert set(seen.models) == {"a", "b", "c", "d"}
    assert seen.busy_s == 0
    assert (seen.free_mb, seen.gpus) == (4000, 1)
    assert seen.models["a"] == (0.2, 0.0, pytest.approx(0.1))
    await answer_of(house.ask("a"))
    seen = soon.seen()
    assert seen.models["a"].load_s == 0
    assert seen.models["b"].load_s == 0.2
    assert seen.free_mb == 2000
    assert seen.models["a"].own_s == pytest.approx(0.1, rel=0.5)
    assert seen_of(soon.plain()) == seen


@live
async def test_room_costs_the_loads_of_what_is_asked_for(tmp_path):
    house, soon = watched(tmp_path)
    for model in "ab":
        await answer_of(house.ask(model))
    assert soon.seen().models["c"].displaces_s == 0  # Nobody is known to ask for them.
    for _ in range(3):
        soon.asked("a")
    one = soon.seen().models
    # For c the one that nobody asks for goes and that is not enough; for d both do.
    load_s = house.driver.load_s["a"]
    assert one["c"].displaces_s == pytest.approx((1 - 2.718281828**-3) * load_s, rel=0.01)
    soon.asked("b")
    two = soon.seen().models
    assert two["d"].displaces_s > two["c"].displaces_s - 1e-9
    assert two["c"].displaces_s > one["c"].displaces_s
    # What was asked for long ago is not expected again.
    house.driver._clock._zero -= 20 * FADES_S
    assert soon.seen().models["d"].displaces_s < 0.001


@live
async def test_what_waits_and_what_is_done_keeps_it_busy(tmp_path):
    house, soon = watched(tmp_path)
    await answer_of(house.ask("a"))
    own_s = soon.own_s("a")
    tickets = [house.ask("a") for _ in range(5)]
    # One is being generated, of which half counts, and four wait.
    assert soon.seen().busy_s == pytest.approx(4.5 * own_s)
    tickets.append(house.ask("b"))
    assert soon.seen().busy_s == pytest.approx(4.5 * own_s + 0.1 + 0.2)
    for ticket in tickets:
        await answer_of(ticket)
    assert soon.seen().busy_s == 0


@live
async def test_what_could_not_be_loaded_is_not_served_and_nothing_is_that_drains(tmp_path):
    house, soon = watched(tmp_path, limits=Limits(load_tries=1))
    house.failing["a"] = 1
    _, failure = await answer_of(house.ask("a"))
    assert isinstance(failure, Failure)
    assert set(soon.seen().models) == {"b", "c", "d"}
    await house.driver.drain(1)
    assert soon.seen().models == {}

"""The live driver: what is simulated is what is done, and nothing that goes wrong stops it."""

import asyncio
import functools
import re

import pytest
from live_boxes import FakeWorker, House, answer_of

from genedge.live.jobs import Failure, Limits
from genedge.live.journal import FileJournal, NoJournal
from genedge.registry import named
from genedge.replay.journal import read_journal

THREE_FIT = """
name: three
gpus: [{memory_gb: 3}]
models: {defaults: {memory_gb: 1, load_s: 0.02, B1_s_per_step: 0.001, B2_s: 0}, a: {}, b: {}, c: {}, d: {}}
"""


def live(test):
    """Runs a test that waits for things."""

    @functools.wraps(test)
    def run(tmp_path, **given):
        asyncio.run(asyncio.wait_for(test(tmp_path, **given), 20))

    return run


@live
async def test_requests_are_served_and_models_make_room(tmp_path):
    house = House(tmp_path, NoJournal())
    tickets = [house.ask(model) for model in "abcab"]
    for ticket in tickets:
        pieces, failure = await answer_of(ticket)
        assert (pieces, failure) == ([b"made"], None)
        assert (ticket.served_by, ticket.steps) == ("edge", 10)
    assert house.told[:2] == [("start", "a"), ("start", "b")]
    assert ("start", "c") in house.told
    await house.driver.close()
    assert house.held_mb == 0


@live
async def test_an_eviction_cites_its_numbers_and_there_is_none_where_all_fits(tmp_path):
    """4000 MB, of which a and b take 2000 each, and c 3000."""
    house = House(tmp_path, NoJournal(), scheduler="fifo+lru")
    for model in "ababba":
        await answer_of(house.ask(model))
    assert list(house.driver.held.left) == []
    await answer_of(house.ask("c"))
    assert house.driver.held.evictions == {("a", "another comes"): 1, ("b", "another comes"): 1}
    given_up = "given up: b (2000 MB, last use 7 of 8), a (2000 MB, last use 8 of 8)"
    why = f"c needs 3000 MB, 0 of 4000 MB were free; {given_up}"
    assert [(each.stay.model, each.why) for each in house.driver.held.left] == [("b", why), ("a", why)]
    await house.driver.close()


@live
async def test_what_stays_is_cited_beside_what_goes(tmp_path):
    """Of three models of 1 GB, asked for 1, 3 and 2 times, that goes for which least is expected."""
    house = House(tmp_path, FileJournal(tmp_path / "journal", 1 << 20, 3), THREE_FIT, scheduler="dwell+cost-aware")
    for model in "abbbccd":
        await answer_of(house.ask(model))
    (left,) = house.driver.held.left
    told = re.fullmatch(
        r"d needs 1000 MB, 0 of 3000 MB were free; given up: a \(1000 MB, saves (.+) s/h for each GB\); "
        r"kept: (.) \(1000 MB, saves (.+) s/h for each GB\), (.) \(1000 MB, saves (.+) s/h for each GB\)",
        left.why,
    )
    worth = {"a": float(told[1]), told[2]: float(told[3]), told[4]: float(told[5])}
    assert 0 < worth["a"] < worth["c"] < worth["b"]
    await house.driver.close()
    loads = [event for event in read_journal(tmp_path / "journal") if event["event"] == "load"]
    assert [event.get("why") for event in loads] == [None, None, None, left.why]


# The others know the whole trace, or need a file.
@pytest.mark.parametrize("eviction", sorted({*named("eviction")} - {"static", "forecast", "belady", "sets"}))
@live
async def test_whatever_evicts_says_what_left_for_what(tmp_path, eviction):
    house = House(tmp_path, NoJournal(), scheduler=f"fifo+{eviction}")
    for model in "abca":
        await answer_of(house.ask(model))
    left = {each.stay.model: each.why for each in house.driver.held.left}
    assert "c needs 3000 MB, 0 of 4000 MB were free; given up: " in left["b"]
    assert all(f"{model} (2000 MB" in left["b"] for model in "ab")
    await house.driver.close()


@live
async def test_a_failed_load_is_tried_again(tmp_path):
    house = House(tmp_path, NoJournal())
    house.failing["a"] = 1
    assert (await answer_of(house.ask("a")))[1] is None
    assert house.driver.loads == {("a", "memory"): 1, ("a", "ok"): 1}


@live
async def test_whoever_waits_hears_when_a_model_cannot_be_loaded(tmp_path):
    house = House(tmp_path, NoJournal())
    house.failing["a"] = 2
    failed, other = house.ask("a"), house.ask("b")
    _, failure = await answer_of(failed)
    assert (failure.kind, failure.retry_s) == ("memory", 60)
    assert "needs 9 GB and 1 GB is free" in failure.message
    with pytest.raises(Failure, match="could not be loaded"):
        house.ask("a")
    assert (await answer_of(other))[1] is None


@live
async def test_a_worker_that_dies_in_the_midst_costs_a_load_and_no_request(tmp_path):
    house = House(tmp_path, NoJournal())
    ticket = house.ask("a", steps=200)
    while not ticket.tries:
        await asyncio.sleep(0.005)
    house.workers[0].died.set_result("killed")
    assert (await answer_of(ticket))[1] is None
    assert ticket.tries == 2
    assert house.driver.loads["a", "ok"] == 2


@live
async def test_a_worker_that_dies_at_rest_is_noticed(tmp_path):
    house = House(tmp_path, NoJournal())
    await answer_of(house.ask("a"))
    house.workers[0].died.set_result("killed")
    await asyncio.sleep(0.02)
    assert not house.driver.server.gpus[0].resident
    assert (await answer_of(house.ask("a")))[1] is None


class Odd(FakeWorker):
    """Fails as nobody foresaw."""

    async def start(self):
        if self.house.failing.pop("start", None):
            raise ValueError("No closing quotation")
        await super().start()

    async def make(self, job, steps, sink):
        if self.house.failing.pop("make", None):
            raise RecursionError("too deep")
        await super().make(job, steps, sink)


@live
async def test_what_nobody_foresaw_is_told_and_the_service_goes_on(tmp_path):
    house = House(tmp_path, NoJournal(), limits=Limits(load_tries=1), kind=Odd)
    house.failing["start"] = True
    _, failure = await answer_of(house.ask("a"))
    assert (failure.kind, failure.message) == ("failed", "loading a has failed: ValueError: No closing quotation")
    assert (await answer_of(house.ask("b")))[1] is None
    house.failing["make"] = True
    _, failure = await answer_of(house.ask("b"))
    assert (failure.kind, failure.message) == ("failed", "generating by b has failed: RecursionError: too deep")
    assert (await answer_of(house.ask("b")))[1] is None
    await house.driver.close()


@live
async def test_a_cloud_that_fails_as_nobody_foresaw_is_told(tmp_path):
    async def cloud(ticket):
        raise ValueError("Invalid URL component 'path'")

    house = House(tmp_path, NoJournal(), cloud=cloud)
    _, failure = await answer_of(house.ask("large"))
    told = "the cloud's answer has failed: ValueError: Invalid URL component 'path'"
    assert (failure.kind, failure.message) == ("failed", told)
    await house.driver.close()


@live
async def test_clients_that_leave_are_not_served(tmp_path):
    house = House(tmp_path, NoJournal())
    first, second, third = house.ask("a", steps=100), house.ask("a"), house.ask("a")
    await first.begun.wait()
    house.driver.leave(second)
    house.driver.leave(first)
    assert (await answer_of(third))[1] is None
    assert second.tries == 0
    assert [outcome.outcome for outcome in house.ended] == ["left", "edge", "edge"]


@live
async def test_the_queue_is_bounded_in_all_and_for_each_user(tmp_path):
    house = House(tmp_path, NoJournal(), limits=Limits(waiting=5, waiting_of_user=3))
    taken = [house.ask("a", "u") for _ in range(3)]
    with pytest.raises(Failure, match="3 requests of yours wait"):
        house.ask("a", "u")
    taken += [house.ask("a", "v") for _ in range(2)]
    with pytest.raises(Failure, match="5 requests wait") as refused:
        house.ask("a", "w")
    assert refused.value.kind == "busy"
    assert 1 <= refused.value.retry_s <= 120
    for ticket in taken:
        assert (await answer_of(ticket))[1] is None
    house.ask("a", "u")


@live
async def test_what_fits_nowhere_is_refused_with_need_and_have(tmp_path):
    house = House(tmp_path, NoJournal())
    with pytest.raises(Failure, match="large takes 40000 MB, and the largest GPU has 4000 MB"):
        house.ask("large")


@live
async def test_a_client_is_held_for_so_long_as_its_model_loads_and_no_longer(tmp_path):
    """While another one generates, nobody loads it, and it keeps its place in the queue."""
    text = THREE_FIT.replace("load_s: 0.02", "load_s: 0.3").replace("memory_gb: 1,", "memory_gb: 2,")
    house = House(tmp_path, NoJournal(), text, scheduler="fifo+lru")
    await answer_of(house.ask("a"))
    generating, ticket = house.ask("a", steps=300), house.ask("b")
    await asyncio.sleep(0.15)
    house.driver.hold(ticket, 0.1)
    await answer_of(generating)
    while house.driver.server.gpus[0].loading != "b":
        await asyncio.sleep(0.005)
    house.driver.hold(ticket, 0.1)
    await asyncio.sleep(0.15)
    with pytest.raises(Failure, match="b is being loaded; ask again") as held:
        house.driver.hold(ticket, 0.1)
    assert held.value.kind == "loading"
    # Another who comes now is held from now on.
    house.driver.hold(house.ask("b"), 0.1)
    # The load goes on, and whoever comes back is served by it.
    house.driver.leave(ticket)
    assert (await answer_of(house.ask("b")))[1] is None
    assert house.told.count(("start", "b")) == 1
    await house.driver.close()


@live
async def test_whom_others_shut_out_hears_need_and_have_and_goes_to_the_cloud_if_there_is_one(tmp_path):
    house = House(tmp_path, NoJournal())
    house.driver.others_hold(0, 2500)
    ticket = house.ask("a")
    house.driver.hold(ticket, 60)
    assert house.driver.waiting == 1
    house.driver.hold(ticket, 0)
    _, failure = await answer_of(ticket)
    assert failure.kind == "memory"
    assert failure.message == (
        "a takes 2000 MB, and of 4000 MB for models, pinned ones included, other programs hold 2500"
    )
    house.driver.others_hold(0, 2000)
    assert (await answer_of(house.ask("a")))[1] is None
    await house.driver.close()

    async def cloud(ticket):
        ticket.put(b"there")

    house = House(tmp_path, NoJournal(), cloud=cloud)
    house.driver.others_hold(0, 2500)
    ticket = house.ask("a")
    house.driver.hold(ticket, 0)
    assert await answer_of(ticket) == ([b"there"], None)
    await house.driver.close()


@pytest.mark.parametrize("scheduler", ["fifo+lru", "response-ratio+lru", "dwell+cost-aware", "ollama"])
@live
async def test_whom_others_shut_out_keeps_nobody_else_waiting(tmp_path, scheduler):
    house = House(tmp_path, NoJournal(), scheduler=scheduler)
    await answer_of(house.ask("a"))
    house.driver.others_hold(0, 2000)
    out = house.ask("c")
    for _ in range(2):
        assert (await answer_of(house.ask("a")))[1] is None
    assert (out.tries, house.driver.waiting) == (0, 1)
    house.driver.others_hold(0, 0)
    assert (await answer_of(out))[1] is None
    await house.driver.close()


@live
async def test_pins_are_there_from_the_start(tmp_path):
    takes = "{memory_gb: 2, load_s: 0.01, B1_s_per_step: 0}"
    text = f"name: p\ngpus: [{{memory_gb: 4}}]\npins: [a]\nmodels: {{defaults: {takes}, a: {{}}}}"
    house = House(tmp_path, NoJournal(), text)
    await house.driver.start()
    assert house.told == [("start", "a")]
    for model in "bcb":
        await answer_of(house.ask(model))
    assert ("stop", "a") not in house.told


@live
async def test_it_drains(tmp_path):
    house = House(tmp_path, NoJournal())
    tickets = [house.ask("a", steps=30) for _ in range(3)]
    drained = asyncio.ensure_future(house.driver.drain(5))
    await asyncio.sleep(0)
    with pytest.raises(Failure, match="about to end"):
        house.ask("a")
    await drained
    assert all(ticket.pieces.qsize() == 2 for ticket in tickets)

"""What a live box looks after by itself: memory that others take, workers that grow, models that come and go."""

import asyncio

import pytest
from live_boxes import House, answer_of

from genedge.live import unforeseen, watching
from genedge.live.journal import FileJournal, NoJournal
from genedge.live.watching import Device, device, reconcile, watch
from genedge.replay.again import replayed_again

TAKES = "{memory_gb: 1, load_s: 0.01, B1_s_per_step: 0.0001, B2_s: 0}"


def box(more, models="a b c"):
    """4 GB, and models of 1 GB each."""
    named = "".join(f", {model}: {{}}" for model in models.split())
    return f"name: kept\ngpus: [{{memory_gb: 4}}]\n{more}\nmodels: {{defaults: {TAKES}{named}}}\n"


def live(test):
    """Runs a test that waits for things; then the journal is replayed, and must decide the same."""

    def run(tmp_path):
        journal = FileJournal(tmp_path / "journal", 1 << 20, 3)
        house = asyncio.run(asyncio.wait_for(test(tmp_path, journal), 60))
        (found,) = replayed_again(tmp_path / "journal", house.file)
        assert (found.first_unlike, found.why_not) == (None, ""), found.in_words

    return run


def resident(house):
    return set(house.driver.server.gpus[0].resident)


async def until(true):
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.005)


@live
async def test_what_is_not_used_for_long_leaves_though_nobody_asks(tmp_path, journal):
    house = House(tmp_path, journal, box("keep_alive_s: 2"))
    for model in "ab":
        await answer_of(house.ask(model))
    assert resident(house) == {"a", "b"}

    async def forgets():
        house.driver.expire()
        return not resident(house)

    async with asyncio.timeout(30):
        while not await forgets():
            await asyncio.sleep(0.01)
    await until(lambda: house.held_mb == 0)
    await answer_of(house.ask("a"))
    assert house.told.count(("start", "a")) == 2
    await house.driver.close()
    return house


@live
async def test_what_is_warm_at_the_start_comes_back_when_nobody_waits(tmp_path, journal):
    house = House(tmp_path, journal, box("warm: [a]", "a b c d e"))
    await house.driver.start()
    assert house.told == [("start", "a")]
    for model in "bcdeedcb":
        await answer_of(house.ask(model, steps=100))
    assert "a" not in resident(house)
    ticket = house.ask("c", steps=500)
    house.driver.bring_defaults()
    assert "a" not in resident(house), "somebody waits or is served"
    await answer_of(ticket)
    house.driver.bring_defaults()
    assert "a" in resident(house)
    await until(lambda: house.driver.loads["a", "ok"] == 1)
    house.driver.bring_defaults()
    assert house.told.count(("start", "a")) == 2
    assert len(resident(house)) == 4
    await house.driver.close()
    return house


@live
async def test_a_worker_that_has_grown_is_ended_once_it_rests(tmp_path, journal):
    house = House(tmp_path, journal, box(""))
    await answer_of(house.ask("a"))
    worker = house.workers[0]
    worker.grown_mb = 1449
    house.driver.restart_grown(1.25, 200)
    assert resident(house) == {"a"}
    worker.grown_mb = 1451
    ticket = house.ask("a", steps=300)
    house.driver.restart_grown(1.25, 200)
    assert resident(house) == {"a"}, "it generates"
    assert (await answer_of(ticket))[1] is None
    house.driver.restart_grown(1.25, 200)
    assert resident(house) == set()
    assert house.driver.held.left[-1].why == "has grown to 1451 MB, over 1450 MB"
    await until(lambda: house.held_mb == 0)
    assert (await answer_of(house.ask("a")))[1] is None
    assert len(house.workers) == 2
    await house.driver.close()
    return house


@live
async def test_on_a_gpu_workers_hold_what_the_device_says(tmp_path, journal):
    """Also those that a worker has started; others' processes are not its."""
    house = House(tmp_path, journal, box(""))
    for model in "ab":
        await answer_of(house.ask(model))
    first, second = house.workers
    first.grown_mb = 90_000
    house.driver.held.on_device = {first.pid: 1200, second.pid: 2451, 12345: 30_000}
    assert house.driver.held.used_mb(0) == 3651
    house.driver.restart_grown(1.25, 1000)
    assert resident(house) == {"a", "b"} - {second.model}
    assert house.driver.held.left[-1].why == "has grown to 2451 MB, over 2250 MB"
    await house.driver.close()
    return house


SMI = """#!/bin/sh
case "$1" in
  --query-gpu=memory.free) printf '1000\\n24000\\n';;
  --query-compute-apps=*) printf '7, 1000\\n8, [N/A]\\n7, 500\\n[Insufficient Permissions], 3\\n9, 2\\n';;
esac
"""


def test_the_device_says_what_is_free_and_who_holds_what(tmp_path, monkeypatch):
    """In MiB, as nvidia-smi counts; a process may hold memory of several GPUs."""
    smi = tmp_path / "nvidia-smi"
    smi.write_text(SMI)
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert asyncio.run(device()) == ([1048, 25165], {7: 1048 + 524, 9: 2})
    # Where there is none, it is the host's.
    smi.unlink()
    free_mb, held_mb = asyncio.run(device())
    assert held_mb is None
    assert len(free_mb) == 1


@live
async def test_another_program_that_takes_memory_shrinks_the_budget_and_not_the_service(tmp_path, journal):
    """4000 MB, of which the box holds 3000 and another program comes to hold 1500, then 3500."""
    house = House(tmp_path, journal, box(""))
    for model in "abc":
        await answer_of(house.ask(model))
    reconcile(house.driver, 0, 1000)
    assert resident(house) == {"a", "b", "c"}
    # 500 MB short of what it should be: what was used least recently leaves.
    reconcile(house.driver, 0, 0)
    assert house.driver.server.gpus[0].others_mb == 1000
    assert resident(house) == {"a", "b", "c"}
    house.driver.others_hold(0, 1500)
    assert resident(house) == {"b", "c"}
    assert (await answer_of(house.ask("a")))[1] is None
    assert len(resident(house)) == 2
    # What does not fit at all waits until there is room again.
    house.driver.others_hold(0, 3500)
    ticket = house.ask("c")
    await asyncio.sleep(0.05)
    assert ticket.tries == 0
    house.driver.others_hold(0, 0)
    assert (await answer_of(ticket))[1] is None
    await house.driver.close()
    return house


@live
async def test_the_watch_does_all_of_it(tmp_path, journal):
    house = House(tmp_path, journal, box("warm: [a]"))
    free = [4000]

    async def look():
        return Device(free, None)

    await house.driver.start()
    watching = asyncio.ensure_future(watch(house.driver, look))
    # 4000 MB should be free but for a's 1000.
    free[0] = 2500
    await until(lambda: house.driver.server.gpus[0].others_mb == 500)
    free[0] = 3000
    await until(lambda: house.driver.server.gpus[0].others_mb == 0)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await house.driver.close()
    return house


def test_a_device_that_does_not_answer_keeps_nothing_else_waiting(tmp_path, monkeypatch, capsys):
    """Memory is as it last said; it is not asked again and again meanwhile, and that it is silent is said once."""
    monkeypatch.setattr(watching, "EVERY_S", 0.01)
    monkeypatch.setattr(watching, "ANSWERS_WITHIN_S", 0.02)

    async def watched():
        house = House(tmp_path, NoJournal(), box("keep_alive_s: 0.2"))
        asked = []

        async def look():
            asked.append(house.driver.now())
            if len(asked) > 1:
                await asyncio.Event().wait()
            return Device([2500], None)

        await answer_of(house.ask("a"))
        task = asyncio.ensure_future(watch(house.driver, look))
        await until(lambda: house.driver.server.gpus[0].others_mb == 500)
        await until(lambda: not resident(house))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await house.driver.close()
        return len(asked)

    assert asyncio.run(asyncio.wait_for(watched(), 60)) == 2
    assert capsys.readouterr().err == "nvidia-smi does not answer; memory is taken for what it last said\n"


def test_what_goes_on_beside_the_service_begins_anew_when_it_fails(monkeypatch, caplog):
    monkeypatch.setattr(unforeseen, "AGAIN_S", 0.01)
    begun = []

    async def work():
        begun.append(1)
        if len(begun) < 3:
            raise OSError("no more processes")
        await asyncio.Event().wait()

    async def watched():
        task = asyncio.ensure_future(unforeseen.goes_on("the watch", work))
        await until(lambda: len(begun) == 3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(watched())
    assert [each.message.splitlines()[0] for each in caplog.records] == [
        "the watch has failed, and begins anew in 0.01 s"
    ] * 2


@live
async def test_memory_that_is_missing_at_a_load_is_made_room_for_once(tmp_path, journal):
    """Whatever rests leaves, and the load is tried again; if it still fails, whoever waits hears need and have."""
    house = House(tmp_path, journal, box(""))
    for model in "ab":
        await answer_of(house.ask(model))
    house.failing["c"] = 1
    assert (await answer_of(house.ask("c")))[1] is None
    assert resident(house) == {"c"}
    assert house.driver.loads["c", "memory"] == 1
    house.failing["a"] = 2
    _, failure = await answer_of(house.ask("a"))
    assert failure.kind == "memory"
    assert "needs 9 GB and 1 GB is free; a needs 1000 MB, and 4000 of 4000 MB were held by none" in failure.message
    await house.driver.close()
    return house


def test_a_user_who_queues_many_waits_behind_one_who_queues_few(tmp_path):
    """One queues 32, then another 2: these do not wait for the 32."""
    shares = tmp_path / "shares.yaml"
    shares.write_text("order: {name: fifo}\neviction: {name: lru}\nfair_share_s: 0.02\n")

    async def served(scheduler):
        house = House(tmp_path, NoJournal(), box(""), scheduler)
        tickets = [house.ask("a", "greedy", 100) for _ in range(32)] + [house.ask("a", "modest", 100) for _ in "12"]
        await asyncio.gather(*(answer_of(ticket) for ticket in tickets))
        await house.driver.close()
        return [outcome.ticket.request.user for outcome in house.ended]

    fair, unfair = (asyncio.run(asyncio.wait_for(served(name), 60)) for name in (str(shares), "fifo+lru"))
    assert unfair[-2:] == ["modest", "modest"]
    assert max(i for i, user in enumerate(fair) if user == "modest") < 10


def test_pins_that_do_not_fit_are_refused_at_the_start(tmp_path):
    from genedge.errors import InputError

    with pytest.raises(InputError, match="there is no room for it"):
        House(tmp_path, NoJournal(), box("pins: [a, b, c, d, e]", "a b c d e"))


WORKING = """
name: working
gpus: [{memory_gb: 24}]
models:
  defaults: {memory_gb: 8, working_gb: 6, load_s: 0.01, B1_s_per_step: 0.0001, B2_s: 0}
  a: {}
  b: {}
  large: {memory_gb: 10, working_gb: 8}
"""


def free(house):
    return house.driver.server.gpus[0].free_mb


@live
async def test_a_model_has_the_working_memory_that_its_own_process_keeps(tmp_path, journal):
    """24 GB, of which it holds 10 and has kept 8 since it generated, as a device tells; nothing else is there."""
    house = House(tmp_path, journal, WORKING)
    await answer_of(house.ask("large"))
    house.driver.held.on_device = {house.workers[0].pid: 18000}
    reconcile(house.driver, 0, 6000)
    assert (house.driver.server.gpus[0].others_mb, free(house)) == (0, 6000)
    assert (await answer_of(house.ask("large")))[1] is None
    # Another model does not have it: 16 GB make room for it, and the first one leaves.
    assert (await answer_of(house.ask("a")))[1] is None
    assert resident(house) == {"a"}
    assert free(house) == 16000
    await house.driver.close()
    return house


@live
async def test_two_models_that_keep_their_working_memory_evict_each_other_only_where_they_must(tmp_path, journal):
    """Of 24 GB the one holds 8 and keeps 6, the other holds 8: for this one's 6 only 2 are free."""
    house = House(tmp_path, journal, WORKING)
    for model in "ab":
        await answer_of(house.ask(model))
    first, second = house.workers
    house.driver.held.on_device = {first.pid: 14000, second.pid: 8000}
    reconcile(house.driver, 0, 2000)
    for _ in range(3):
        assert (await answer_of(house.ask("a")))[1] is None
    assert resident(house) == {"a", "b"}
    assert (await answer_of(house.ask("b")))[1] is None
    assert resident(house) == {"b"}
    assert free(house) == 16000
    await house.driver.close()
    return house


@live
async def test_what_generates_is_not_taken_for_what_others_hold_nor_for_what_is_kept(tmp_path, journal):
    house = House(tmp_path, journal, WORKING)
    for model in "ab":
        await answer_of(house.ask(model))
    first, second = house.workers
    ticket = house.ask("a", steps=1000)
    house.driver.held.on_device = {first.pid: 14000, second.pid: 8000}
    reconcile(house.driver, 0, 2000)
    assert (house.driver.server.gpus[0].others_mb, house.driver.server.ours_mb) == (0, [0])
    # What strangers come to hold is theirs all the same.
    reconcile(house.driver, 0, 0)
    assert house.driver.server.gpus[0].others_mb == 2000
    assert (await answer_of(ticket))[1] is None
    await house.driver.close()
    return house


@live
async def test_where_the_device_tells_of_no_process_a_model_may_keep_what_it_needs(tmp_path, journal):
    """As in a container: 8 GB are missing, which the one model there may have kept since it generated."""
    house = House(tmp_path, journal, WORKING)
    house.driver.held.on_device = {}
    await answer_of(house.ask("large"))
    reconcile(house.driver, 0, 6000)
    assert (house.driver.server.gpus[0].others_mb, free(house)) == (0, 6000)
    assert (await answer_of(house.ask("large")))[1] is None
    # What is missing besides is others'.
    reconcile(house.driver, 0, 2000)
    assert house.driver.server.gpus[0].others_mb == 4000
    await house.driver.close()
    return house


@live
async def test_what_is_about_to_leave_is_not_taken_for_what_others_hold(tmp_path, journal):
    house = House(tmp_path, journal, box("keep_alive_s: 0.05"))
    await answer_of(house.ask("a"))
    await asyncio.sleep(0.06)
    house.driver.expire()
    assert [model for model, _ in house.driver.held.leaving(0)] == ["a"]
    reconcile(house.driver, 0, 3000)
    assert house.driver.server.gpus[0].others_mb == 0
    await house.driver.close()
    return house


@live
async def test_while_a_model_loads_others_do_not_seem_to_hold_less(tmp_path, journal):
    """Of 4000 MB others hold 2000; while 1000 are loaded, 2000 are free of which 1000 will not be."""
    house = House(tmp_path, journal, box(""))
    reconcile(house.driver, 0, 2000)
    ticket = house.ask("a")
    assert house.driver.server.gpus[0].loading == "a"
    reconcile(house.driver, 0, 2000)
    assert house.driver.server.gpus[0].others_mb == 2000
    assert (await answer_of(ticket))[1] is None
    await house.driver.close()
    return house


def test_a_box_that_is_full_again_and_again_serves_on(tmp_path):
    """More loads in a row, of which nobody waits for the end, than a simulation allows."""

    async def served():
        house = House(tmp_path, NoJournal(), box("", "a b").replace("memory_gb: 1,", "memory_gb: 3,"))
        for takes in (house.file.models[model] for model in "ab"):
            house.file.models[takes.name] = takes._replace(load_s=0.0)
        for i in range(1010):
            house.driver.leave(house.ask("ab"[i % 2]))
            gpu = house.driver.server.gpus[0]
            while gpu.loading:
                await asyncio.sleep(0)
        for model in "ab":
            assert (await answer_of(house.ask(model)))[1] is None
        await house.driver.close()

    asyncio.run(asyncio.wait_for(served(), 120))

"""The journal: whole lines whatever happens, and a replay of it that decides the same."""

import asyncio
import contextlib
import errno
import json
import os
import random
import resource
from unittest.mock import patch

import pytest
from live_boxes import House, answer_of

from genedge.errors import InputError
from genedge.live.jobs import Failure, Limits
from genedge.live.journal import FileJournal
from genedge.registry import named
from genedge.replay.again import again, replayed_again
from genedge.replay.journal import CURRENT, journal_files, lives_in, read_journal


@pytest.mark.parametrize("order", named("order"))
@pytest.mark.parametrize("seed", [1, 2])
def test_a_replay_decides_the_same_event_by_event(tmp_path, order, seed):
    """With failed loads, workers that die, clients that leave and others that take memory."""

    async def live():
        journal = FileJournal(tmp_path / "journal", 1 << 20, 3)
        house = House(tmp_path, journal, scheduler=f"{order}+lru", limits=Limits(rest_s=0.1))
        rng, tickets = random.Random(seed), []
        for step in range(60):
            with contextlib.suppress(Failure):  # A model rests that could not be loaded.
                tickets.append(house.ask(rng.choice("aabbc"), rng.choice("uvw"), rng.choice([0, 1, 5, 20])))
            await asyncio.sleep(rng.choice([0, 0, 0.01, 0.03]))
            if step % 9 == 0:
                house.failing[rng.choice("abc")] = rng.choice([1, 2])
            if step % 7 == 0:
                house.driver.leave(rng.choice(tickets))
            if step % 11 == 0:
                house.driver.others_hold(0, rng.choice([0, 500, 1000]))
            if step % 13 == 0 and not (worker := rng.choice(house.workers)).died.done():
                worker.died.set_result("killed")
        house.driver.others_hold(0, 0)
        await asyncio.gather(*(answer_of(ticket) for ticket in tickets if not ticket.left))
        await house.driver.close()
        return house.file

    file = asyncio.run(live())
    (found,) = replayed_again(tmp_path / "journal", file)
    assert not found.why_not
    assert found.first_unlike is None, found.journal[found.first_unlike]
    assert len(found.journal) > 20


def test_another_scheduler_decides_otherwise(tmp_path):
    """The comparison can fail."""

    async def live():
        house = House(tmp_path, FileJournal(tmp_path / "journal", 1 << 20, 3), scheduler="fifo+lru")
        await asyncio.gather(*(answer_of(house.ask(model)) for model in "acacacac"))
        await house.driver.close()
        return house.file

    file = asyncio.run(live())
    (life,) = lives_in(tmp_path / "journal")
    assert again(life, file, []).first_unlike is None
    life.head["scheduler"] = "affinity+lru"
    found = again(life, file, [])
    assert found.first_unlike is not None
    assert f"decision {found.first_unlike + 1} of {len(found.journal)} is another: live at " in found.in_words


def test_lines_are_whole_and_files_bounded(tmp_path):
    journal = FileJournal(tmp_path, 1000, 3)
    journal.write("began", 0.0, at=7.0)
    for i in range(200):
        journal.write("arrived", i / 3, number=i)
    journal.close()
    files = journal_files(tmp_path)
    assert [file.name for file in files] == ["journal.2.jsonl", "journal.1.jsonl", CURRENT]
    assert all(file.stat().st_size <= 1000 for file in files)
    events = list(read_journal(tmp_path))
    assert [event["at"] for event in events if event["event"] == "goes on"] == [7.0] * 3
    numbers = [event["number"] for event in events if event["event"] == "arrived"]
    assert numbers == list(range(numbers[0], 200))


def test_a_line_that_was_cut_off_is_dropped(tmp_path):
    journal = FileJournal(tmp_path, 1 << 20, 3)
    journal.write("arrived", 0.0, number=0)
    journal.close()
    with (tmp_path / CURRENT).open("ab") as file:
        file.write(b'{"event":"arri')
    assert [event["number"] for event in read_journal(tmp_path)] == [0]
    journal = FileJournal(tmp_path, 1 << 20, 3)
    journal.write("arrived", 1.0, number=1)
    journal.close()
    lines = (tmp_path / CURRENT).read_text().splitlines()
    assert [json.loads(line)["number"] for line in lines] == [0, 1]


def test_a_full_disk_is_counted_and_nothing_else(tmp_path):
    """The service goes on."""
    journal = FileJournal(tmp_path, 1 << 20, 3)
    with patch.object(os, "write", side_effect=OSError(errno.ENOSPC, "no space left on device")):
        journal.write("arrived", 0.0, number=0)
    journal.write("arrived", 1.0, number=1)
    assert journal.lost == 1
    journal.close()
    told = [(event["event"], event["time"]) for event in read_journal(tmp_path)]
    assert told == [("goes on", 1.0), ("missing", 1.0), ("arrived", 1.0)]


def test_a_disk_that_fills_in_the_midst_of_a_line_keeps_lines_whole(tmp_path):
    """The system takes the first half of a line, and then no more until there is room again."""
    journal = FileJournal(tmp_path, 1 << 20, 3)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    journal.write("arrived", 0.0, number=0)
    size = (tmp_path / CURRENT).stat().st_size
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + size // 2, hard))
        for number in (1, 2, 3):
            journal.write("arrived", float(number), number=number)
        assert (tmp_path / CURRENT).stat().st_size == size
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    journal.write("arrived", 4.0, number=4)
    assert journal.lost == 3
    journal.close()
    told = [(event["event"], event.get("number", event.get("events"))) for event in read_journal(tmp_path)]
    assert told == [("arrived", 0), ("goes on", None), ("missing", 3), ("arrived", 4)]


def test_no_journal(tmp_path):
    with pytest.raises(InputError, match="there is no journal in it"):
        list(read_journal(tmp_path))
    (tmp_path / CURRENT).write_text("hello\n")
    with pytest.raises(InputError, match="line 1: no event of a journal"):
        list(read_journal(tmp_path))

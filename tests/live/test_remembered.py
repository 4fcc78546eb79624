"""A box that is started anew knows what it knew, and a journal says how it decided, over all its lives."""

import asyncio
import csv
import json

import pytest
from command_line import call
from live_boxes import House, answer_of

from genedge.live.journal import FileJournal
from genedge.replay.again import replayed_again
from genedge.replay.journal import CURRENT, last_asked, lives_in

# Two of three fit at once.
BOX = """
name: three
gpus: [{memory_gb: 4}]
models: {defaults: {memory_gb: 2, load_s: 0.01, B1_s_per_step: 0.0001, B2_s: 0}, a: {}, b: {}, c: {}}
"""
RARE_FIRST = "fifo+popularity"


def lived(folder, asked, past=(), scheduler=RARE_FIRST):
    """A life of a box: one request after the other, and what it was told."""

    async def live():
        house = House(folder, FileJournal(folder / "journal", 1 << 20, 3), BOX, scheduler, past=past)
        for model in asked:
            await answer_of(house.ask(model, user="u"))
        await house.driver.close()
        return house

    return asyncio.run(live())


@pytest.fixture
def journal(tmp_path):
    """Of two lives."""
    lived(tmp_path, "abbacbbbb")
    lived(tmp_path, "abc", last_asked(tmp_path / "journal", 100))
    return tmp_path / "journal"


def test_what_was_popular_before_is_popular_after(tmp_path):
    """Of a and b, of which each was asked for once since, that goes for c which was asked for less before."""
    lived(tmp_path, "bbbbbbba")
    past = last_asked(tmp_path / "journal", 100)
    assert [each.model for each in past] == list("bbbbbbba")
    knows, does_not = (lived(tmp_path, "bac", each) for each in (past, ()))
    assert ("stop", "a") in knows.told[: knows.told.index(("start", "c")) + 2]
    assert ("stop", "b") in does_not.told[: does_not.told.index(("start", "c")) + 2]


def test_only_the_last_requests_are_looked_at(tmp_path):
    for _ in range(3):
        lived(tmp_path, "ab")
    assert [each.model for each in last_asked(tmp_path / "journal", 3)] == list("bab")
    assert last_asked(tmp_path / "none", 3) == []


def test_all_lives_are_replayed_with_what_they_remembered(journal):
    file = House(journal.parent, FileJournal(journal.parent / "other", 1 << 20, 3), BOX).file
    first, second = replayed_again(journal, file)
    assert (first.life.head["remembers"], second.life.head["remembers"]) == (0, 9)
    for again in (first, second):
        assert (again.first_unlike, again.why_not) == (None, "")
        assert len(again.journal) > 3
    # Without the first life, the second one cannot be.
    text = (journal / CURRENT).read_text()
    (journal / CURRENT).write_text(text[text.rindex('{"event":"began"') :])
    (alone,) = replayed_again(journal, file)
    assert alone.why_not == "what it remembered of the time before was in a file that is gone"


def test_the_verb_tells_whether_all_decisions_are_the_same(journal):
    box = journal.parent / "box.yaml"
    answer = call("replay", journal, "--box", box, "--recorded")
    assert answer.status == 0, answer.err
    lines = answer.out.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert line.startswith(f"{journal}, begun 20")
        assert line.endswith("decisions, all of them made again")
    assert f"{RARE_FIRST}: 12 decisions" in lines[0]
    rows = call("replay", journal / CURRENT, "--box", box, "--recorded", "--json").rows
    assert [life["decisions"] for life in rows[0]["lives"]] == [12, 6]


def test_the_verb_tells_where_decisions_differ(journal):
    box = journal.parent / "box.yaml"
    file = journal / CURRENT
    file.write_text(file.read_text().replace('"model":"c","evict":["a"]', '"model":"c","evict":["b"]', 1))
    answer = call("replay", journal, "--box", box, "--recorded")
    assert answer.status == 1
    assert "live at" in answer.out
    assert "loads c in place of b, replayed at" in answer.out
    other = call("replay", journal, "--box", box, "--recorded", "--set", "models.a.load_s=2")
    assert other.status == 2
    assert "with other numbers than three has now" in other.err
    none = call("replay", box, "--box", box, "--recorded")
    assert none.status == 2
    assert "line 1: no event of a journal" in none.err


def test_what_cannot_be_told_is_said(journal):
    """Files are bounded, and disks get full."""
    file = journal / CURRENT
    lines = file.read_text().splitlines(keepends=True)
    head = json.loads(lines[0])
    gone = json.dumps({**head, "event": "goes on"}) + "\n"
    file.write_text("".join([gone, *lines[5:]]))
    answer = call("replay", journal, "--box", journal.parent / "box.yaml", "--recorded")
    assert answer.status == 0
    assert "no decision; its beginning was in a file that is gone" in answer.out
    file.write_text("".join([*lines[:8], gone, '{"event":"missing","time":1.0,"events":3}\n', *lines[12:]]))
    answer = call("replay", journal, "--box", journal.parent / "box.yaml", "--recorded")
    assert "all of them made again; from then on 3 events are missing" in answer.out


def test_a_journal_is_a_trace(journal, tmp_path):
    """With the catalogue's durations, whatever it recorded; made a trace, with those that were measured."""
    box = tmp_path / "box.yaml"
    options = ("--box", box, "--schedulers", RARE_FIRST, "--no-levers", "--no-bounds")
    (result,) = call("replay", journal, *options, "--json").rows
    told = result["schedulers"][RARE_FIRST]
    assert (told["served"], result["lived"]["outcomes"]) == (12, {"edge": 12})
    assert told["parts"]["generation_s"] == pytest.approx(0.001, rel=1e-3)
    asked = [each for life in lives_in(journal) for each in life.asked()]
    assert result["lived"]["mean_s"] == pytest.approx(sum(each.delay_s for each in asked) / 12)
    assert (
        "As it was served live by fifo+popularity: 12 here; 6 loads; mean delay"
        in call("replay", journal, *options).out
    )
    assert "12 requests in" in call("trace", "show", journal).out

    out = tmp_path / "trace.csv"
    assert call("trace", "convert", journal, "--format", "journal", "--out", out).status == 0
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["model"] for row in rows] == list("abbacbbbbabc")
    measured = [float(row["generation_s"]) for row in rows]
    assert measured == pytest.approx([each.took_s for each in asked])
    (again,) = call("replay", out, *options, "--json").rows
    assert again["schedulers"][RARE_FIRST]["parts"]["generation_s"] == pytest.approx(sum(measured) / 12, rel=1e-3)

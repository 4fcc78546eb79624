"""The doors hold: what is kept in the fuzzer's corpus, and a little of what it makes of it."""

import tempfile
from pathlib import Path

import fuzzing
import pytest
from command_line import Answer


@pytest.mark.parametrize(
    ("door", "name"),
    [(door, path.name) for door in fuzzing.DOORS for path in sorted((fuzzing.CORPUS / door).iterdir())],
)
def test_what_was_found_is_mended(door, name):
    assert fuzzing.fault(door, (fuzzing.CORPUS / door / name).read_bytes()) is None


@pytest.mark.parametrize("door", fuzzing.DOORS)
def test_a_few_damaged_inputs_come_through(door):
    tried, found = fuzzing.fuzz(door, 10, 1)
    assert tried >= 10
    assert found is None


def test_valid_inputs_are_served():
    """A fuzzer of doors that are shut would find nothing."""
    for door in fuzzing.DOORS:
        answers = [_answer(door, data) for data in fuzzing.corpus(door)]
        # Of a plan the door is its reader alone: what it lets pass ends at a folder that cannot be made.
        assert any(answer.status == 0 or (door == "plan" and "study" in answer.err) for answer in answers), door


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(1, "", ""), "status 1"),
        (Answer(2, "", ""), "without a word"),
        (Answer(2, "", "Traceback (most recent call last)"), "a traceback"),
        (Answer(2, "", "genedge: " + 9999 * "x"), "characters of error"),
        (Answer(0, "\x1b[31m", ""), "control character"),
    ],
)
def test_a_fault_is_told(monkeypatch, answer, says):
    monkeypatch.setattr(fuzzing, "DOORS", {"door": lambda data, folder: answer})
    assert says in fuzzing.fault("door", b"")


def _answer(door, data):
    with tempfile.TemporaryDirectory() as folder:
        return fuzzing.DOORS[door](data, Path(folder))

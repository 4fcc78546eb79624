"""Progress is a bar on a terminal, a few plain lines in pipes and notebooks, and nothing of what is soon done."""

import io
import re
import sys

import pytest

from genedge.cli import progress as told
from genedge.cli.console import console

NOTEBOOKS = ("JPY_PARENT_PID", "JPY_SESSION_NAME", "COLAB_RELEASE_TAG")


class Stream(io.StringIO):
    def __init__(self, terminal):
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal


def said(monkeypatch, stream, at_s):
    """What is said of pieces of work that are done at these times, the first of them when it begins."""
    clock = iter([0.0, *at_s])
    monkeypatch.setattr(told, "monotonic", lambda: next(clock))
    monkeypatch.setattr(sys, "stderr", stream)
    with told.progress(len(at_s) - 1) as tick:
        for done in range(len(at_s)):
            tick("work", done)
    return stream.getvalue()


@pytest.fixture(autouse=True)
def no_notebook(monkeypatch):
    for name in NOTEBOOKS:
        monkeypatch.delenv(name, raising=False)


def test_what_is_soon_done_is_not_told_in_a_pipe(monkeypatch):
    assert said(monkeypatch, Stream(False), [0, 0.3, 0.9]) == ""


def test_there_is_a_line_at_most_every_five_seconds_and_the_last_one(monkeypatch):
    lines = said(monkeypatch, Stream(False), [0, 2, 4, 6, 8, 10, 11.5, 12]).splitlines()
    assert [line.partition("]")[0] for line in lines] == ["[3/7", "[6/7", "[7/7"]
    assert lines[0] == "[3/7] work (6 s, about 8 s left)"
    assert said(monkeypatch, Stream(False), [0, 1.5]) == "[1/1] work (2 s, about 0 s left)\n"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_in_a_notebook_nothing_steers_a_terminal(name, monkeypatch):
    """It runs a command on a terminal of its own, whose output is shown as it comes."""
    monkeypatch.setenv(name, "1")
    assert not re.search(r"[^\n -~]", said(monkeypatch, Stream(True), [0, 6]))
    out = Stream(True)
    monkeypatch.setattr(sys, "stdout", out)
    console().print("[1] text", style="bold red")
    assert out.getvalue() == "[1] text\n"


def test_on_a_terminal_there_is_a_bar(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Stream(True))
    with told.progress(2) as tick:
        tick("work", 1)
    assert "\x1b[" in sys.stderr.getvalue()

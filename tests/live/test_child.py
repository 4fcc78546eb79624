"""The process that holds a pipeline: what it says when memory runs out, and what it gives back."""

import io
import subprocess
import sys
from types import SimpleNamespace

import pytest

from genedge.live import frames
from genedge.live.child import give_back
from genedge.live.jobs import Picture

# What torch says on a CPU; MemoryError is numpy's.
CPU = "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: 9 TiB"
OWN = """
import numpy as np


class Own:
    def generate(self, steps, numbers):
        if steps == 3:
            raise RuntimeError({cpu!r})
        if steps == 4:
            raise MemoryError("Unable to allocate 9 TiB")
        if steps == 5:
            raise RuntimeError("no such thing")
        return np.zeros((len(numbers), 1, 2, 2), np.float32)


def made():
    return Own()


def too_large():
    raise RuntimeError({cpu!r})
"""


@pytest.fixture
def said(tmp_path):
    """Of a pipeline that is asked for images with so many steps, what its process says."""
    file = tmp_path / "own.py"
    file.write_text(OWN.format(cpu=CPU))

    def run(function, *steps):
        wish = {key: value for key, value in Picture()._asdict().items() if key not in ("image", "mask")}
        asked = [frames.packed({**wish, "steps": each, "has": [False, False]}) for each in steps]
        command = [sys.executable, "-m", "genedge.live.child", f"{file}:{function}"]
        ran = subprocess.run(command, input=b"".join(asked), capture_output=True, timeout=120, check=True)
        out = io.BytesIO(ran.stdout)
        return list(iter(lambda: frames.read_blocking(out), None))

    return run


def test_a_pipeline_that_runs_out_of_memory_says_so_and_goes_on(said):
    ready, torch, numpy, other, done = said("made", 3, 4, 5, 2)
    assert ready.head == {"ready": True}
    assert torch.head == {"kind": "memory", "message": f"out of memory: RuntimeError: {CPU}"}
    assert numpy.head == {"kind": "memory", "message": "out of memory: MemoryError: Unable to allocate 9 TiB"}
    assert other.head["kind"] == "bad"
    assert "RuntimeError: no such thing" in other.head["message"]
    assert (done.head, len(done.parts)) == ({"done": 1}, 1)


def test_a_pipeline_that_runs_out_of_memory_while_it_loads_says_so(said):
    (failed,) = said("too_large")
    assert failed.head == {"kind": "memory", "message": f"out of memory: RuntimeError: {CPU}"}


@pytest.mark.parametrize(("begun", "times"), [(True, 1), (False, 0)])
def test_what_torch_has_taken_is_given_back(monkeypatch, begun, times):
    """Where it uses a GPU: torch would keep it for the next time, and no other process could have it."""
    given = []
    cuda = SimpleNamespace(is_initialized=lambda: begun, empty_cache=lambda: given.append(1))
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    give_back()
    assert len(given) == times
    monkeypatch.delitem(sys.modules, "torch")
    give_back()

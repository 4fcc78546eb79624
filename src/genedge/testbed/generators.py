"""Processes that repair pictures with the small models: some at once, the others wait."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from heapq import heappop, heappush
from itertools import count
from multiprocessing import get_context
from multiprocessing.connection import Connection
from os import getpid
from time import monotonic
from typing import Any, NamedTuple

import numpy as np

from genedge.testbed.pictures import image_of, png_of
from genedge.testbed.processes import Broken, ends_with
from genedge.testbed.tasks import Generated, Job


class Size(NamedTuple):
    """What a base station has.

    Attributes:
        models: names of small models, without `small:`.
        generators: how many pictures it repairs at once.
        shortest_first: whether of the requests that wait the one goes first that takes the shortest; else the one
            that came first.
        eta: how much noise a step adds.
    """

    models: tuple[str, ...]
    generators: int
    shortest_first: bool
    eta: float


class Generators:
    """Some generators; whoever asks waits for one that is free."""

    def __init__(self, size: Size) -> None:
        """Loads the models and starts the processes; nothing else may run in this one yet.

        Args:
            size: how many of what.

        Raises:
            InputError: there is no such model, or what it takes is not installed.
        """
        from genedge.calibrate.extra import torch
        from genedge.calibrate.small.models import PREFIX, load

        # A generator is one core's work; several that each want all cores would only hinder each other.
        torch.set_num_threads(1)
        loaded = {model: load(f"{PREFIX}{model}") for model in size.models}
        context, self._idle = get_context("fork"), []
        for _ in range(size.generators):
            here, there = context.Pipe()
            process = context.Process(target=_generate, args=(there, getpid(), loaded, size.eta), daemon=True)
            process.start()
            there.close()
            self._idle.append(here)
        for here in self._idle:
            here.recv()
        self._change, self._asked, self._shortest_first = threading.Condition(), count(), size.shortest_first
        self._waiting: list[tuple[float, int]] = []

    def make(self, job: Job) -> Generated:
        """Repairs a picture, when its turn has come.

        Args:
            job: what is wanted.

        Raises:
            Broken: the generator is gone.
        """
        with self._free(job.expected_s) as pipe:
            try:
                pipe.send(job)
                made: Generated = pipe.recv()
            except (EOFError, OSError):
                raise Broken("a generator of the base station has ended") from None
            return made

    @contextmanager
    def _free(self, expected_s: float) -> Iterator[Connection]:
        with self._change:
            turn = (expected_s if self._shortest_first else 0.0, next(self._asked))
            heappush(self._waiting, turn)
            self._change.wait_for(lambda: bool(self._idle) and self._waiting[0] == turn)
            heappop(self._waiting)
            pipe = self._idle.pop()
            self._change.notify_all()
        try:
            yield pipe
        finally:
            with self._change:
                self._idle.append(pipe)
                self._change.notify_all()


def _generate(pipe: Connection, parent: int, models: dict[str, Any], eta: float) -> None:
    """A generator's life."""
    ends_with(parent)
    from genedge.calibrate.extra import torch

    torch.set_num_threads(1)
    for model in models:
        # What is done for the first time takes longer.
        shape = models[model].shape
        blank = image_of(png_of(np.zeros((shape.channels, shape.pixels, shape.pixels))))
        _repaired(models[model], blank, np.zeros((1, shape.pixels, shape.pixels)), 2, 0, eta)
    pipe.send("ready")
    while True:
        job: Job = pipe.recv()
        image, mask = image_of(job.png), image_of(job.mask)
        began = monotonic()
        # Who gets no steps gets the picture as it was sent.
        made = _repaired(models[job.model], image, mask, job.steps, job.seed, eta) if job.steps else image
        seconds = monotonic() - began
        pipe.send(Generated(png_of(made), began, seconds))


def _repaired(model: Any, image: np.ndarray, mask: np.ndarray, steps: int, seed: int, eta: float) -> np.ndarray:
    from genedge.calibrate.inpainting import schedule_of
    from genedge.calibrate.repaint import Sampler, inpaint

    sampler = Sampler(model.alpha_bar, schedule_of("steps", steps), eta)
    made: np.ndarray = inpaint(model.network, sampler, image[None], mask, seed)[0]
    return made

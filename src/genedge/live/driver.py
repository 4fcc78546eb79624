"""The live driver of a box: the wall clock, and workers that load and generate for real.

The box and its scheduler are those of a replay. All that happens passes here on one thread, one event after the
other, each with its time, and after each every GPU is asked what it does next, at that same time. So a replay of
the journal with the times that it recorded decides the same.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from genedge.boxes.load import BoxFile
from genedge.boxes.schedulers import limited, scheduler_of
from genedge.edge.live_server import LiveServer
from genedge.edge.request import Request
from genedge.edge.scheduler import Load, Offload, Serve, Wait
from genedge.live.clock import FOREVER, Clock
from genedge.live.elsewhere import Cloud, Elsewhere, Rests
from genedge.live.held import Held
from genedge.live.jobs import Ended, Failure, Job, Limits, Outcome, Ticket, Worker, Workers, as_plain, working_mb_of
from genedge.live.journal import Journal
from genedge.live.memory_words import need_and_have, shut_out
from genedge.live.places import Places
from genedge.live.unforeseen import Tasks, failure_of
from genedge.replay.journal import BEGAN, Asked
from genedge.replay.remembered import remember

Listener = Callable[[Outcome], None]


class Driver:
    """A box that serves.

    Attributes:
        server: the box.
        file: what it was read from.
        limits: what it takes on.
        scheduler: its name.
        loads: by model and result, how many have ended.
        load_s: by model, how long the last one took [s].
        held: the workers that hold models.
        journal: keeps what happens.
        began: seconds since 1970 at which the box's clock was at 0.
    """

    def __init__(
        self,
        file: BoxFile,
        scheduler: str,
        workers: Workers,
        journal: Journal,
        limits: Limits,
        cloud: Cloud | None = None,
        ended: Listener = lambda e: None,
        past: Sequence[Asked] = (),
    ) -> None:
        """A box at rest.

        Args:
            file: what it has.
            scheduler: its name, or a settings file.
            workers: makes what holds a model.
            journal: keeps what happens.
            limits: what it takes on.
            cloud: serves a ticket elsewhere; None if nothing does.
            ended: told of every request that ends.
            past: requests from before, which the scheduler remembers.

        Raises:
            InputError: there is no such scheduler, or what is to be in memory does not fit.
        """
        self.file, self.limits, self.scheduler = file, limits, scheduler
        self.began = time.time()
        self._clock = Clock(self._rings)
        self.journal, self._ended = journal, ended
        box = limited(scheduler, file.box)
        deciding = scheduler_of(scheduler, box, file.models)
        remember(deciding, past, self.began, box, file.models)
        self.server = LiveServer(box, file.models, deciding)
        self.loads: Counter[tuple[str, str]] = Counter()
        self.load_s: dict[str, float] = {}
        self._numbers = itertools.count()
        self._tickets: dict[int, Ticket] = {}
        self._places = Places(limits, self.server)
        self.held = Held(workers, len(self.server.gpus), self.server.cited)
        self._rests = Rests(limits)
        self._tasks = Tasks()
        self._out = Elsewhere(cloud, journal, self.now, self._tasks.run, self._back)
        self._draining = self._closed = False
        self.journal.write(
            BEGAN, 0.0, box=file.name, id=file.id, scheduler=scheduler, at=self.began, remembers=len(past)
        )

    # --- For clients

    def now(self) -> float:
        """Since the box began [s]; never earlier than an event that was told of."""
        return self._clock.now()

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return sum(map(len, self.server.waiting.values())) + len(self.server.aside)

    def tries(self, model: str) -> bool:
        """Whether a model may be loaded, or could not be only just now.

        Args:
            model: its name.
        """
        return not self._rests.left_s(model, self.now())

    @property
    def takes_on(self) -> bool:
        """Whether it takes requests, or is about to end."""
        return not self._draining

    def submit(
        self, model: str, user: str, steps: float, megabytes: float, job: Job, stays: bool = False,
        sooner: str | None = None,
    ) -> Ticket:  # fmt: skip
        """Takes a request.

        Args:
            model: which; one that the box has.
            user: who asks; empty where unknown.
            steps: denoising steps, of all images together.
            megabytes: of request and result, as far as they travel.
            job: what is wanted.
            stays: whether it is served here or not at all, since another box has passed it on.
            sooner: why it is sent elsewhere first; None if it is not.

        Returns:
            Its ticket, in whose `pieces` the answer comes.

        Raises:
            Failure: it is not taken on.
        """
        if self._draining:
            raise Failure("busy", "the box is about to end", 30.0)
        now = self.now()
        takes = self.file.models[model]
        own_s, working_mb = takes.generation_s(steps), working_mb_of(job, takes)
        request = Request(next(self._numbers), now, model, user, steps, own_s, megabytes, working_mb)
        ticket = Ticket(request, job, stays=stays, returns=sooner is not None)
        if sooner is not None:
            return self._elsewhere(now, ticket, Failure("busy", sooner))
        return self._take(now, ticket)

    def _take(self, now: float, ticket: Ticket) -> Ticket:
        """It waits here from now on, if it may; else it is served elsewhere, or the failure says why not."""
        request, model = ticket.request, ticket.request.model
        if rest_s := self._rests.left_s(model, now):
            return self._elsewhere(now, ticket, Failure("failed", f"{model} could not be loaded", rest_s))
        self._places.refuse_too_many(request.user)
        self.journal.write(
            "arrived", now, number=request.number, model=model, user=request.user, steps=request.steps,
            megabytes=request.megabytes, working_mb=request.working_mb, **as_plain(ticket.job),
        )  # fmt: skip
        if not self.server.arrive(now, request):
            return self._elsewhere(now, ticket, self._places.why_not(request))
        self._tickets[request.number] = ticket
        self._places.take(request.user)
        self._ask_all(now)
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """A client is gone: its request waits no more. What is being generated is, to its end.

        Args:
            ticket: its.
        """
        ticket.leave()
        if ticket.request.waiting or ticket.request in self.server.aside:
            now = self.now()
            self.server.cancel(now, ticket.request)
            self.journal.write("cancelled", now, number=ticket.request.number)
            self._places.leave(ticket.request.user)
            del self._tickets[ticket.request.number]
            self._ended(Outcome(ticket, None, now, ticket.counts_as))
            self._ask_all(now)

    def hold(self, ticket: Ticket, hold_s: float) -> None:
        """A client waits: where its model loads for long, it is to come back; where there is no room, it hears so.

        Args:
            ticket: its.
            hold_s: for which it is held, while its model loads or others hold what that takes [s].

        Raises:
            Failure: its model loads for longer; that goes on.
        """
        request, now = ticket.request, self.now()
        loads_s = self.server.loads_for_s(now, request)
        if loads_s is not None and loads_s >= hold_s:
            raise Failure("loading", f"{request.model} is being loaded; ask again", 10.0)
        if request in self.server.aside and now - request.time >= hold_s:
            failure = shut_out(self.server, request)
            self.server.cancel(now, request)
            self.journal.write("cancelled", now, number=request.number)
            self._turn_away(now, [request], failure)
            self._ask_all(now)

    # --- Its life

    async def start(self) -> None:
        """Loads what is pinned and what is to be in memory from the start.

        Raises:
            Failure: one cannot be loaded.
        """
        for gpu, state in enumerate(self.server.gpus):
            for model in list(state.resident):
                worker = self.held.new(gpu, model)
                failure = await self.held.load(gpu, model, self.limits.load_s)
                if failure is not None:
                    raise failure
                self._watch(gpu, model, worker)

    async def drain(self, within_s: float) -> None:
        """Takes nothing on any more, and lets what waits and runs come to its end.

        Args:
            within_s: what has not by then is given up [s].
        """
        self._draining = True
        until = time.monotonic() + within_s
        while self._tickets and time.monotonic() < until:
            await asyncio.sleep(0.05)

    async def close(self) -> None:
        """Ends all workers; whoever still waits hears so. Once is enough."""
        if self._closed:
            return
        self._draining = self._closed = True
        self._clock.close()
        for ticket in list(self._tickets.values()):
            ticket.put(Ended(Failure("busy", "the box has ended", 30.0)))
        await self._tasks.close()
        await self.held.close()
        self.journal.write("ended", self.now())

    def others_hold(
        self, gpu: int, memory_mb: int, ours_mb: int = 0, kept_mb: Mapping[str, int] | None = None
    ) -> None:
        """Other programs hold so much of a GPU's memory for models.

        Args:
            gpu: its number.
            memory_mb: as measured.
            ours_mb: that is missing besides, since the models' own processes keep it.
            kept_mb: what each of these keeps; None if none does.
        """
        server, kept_mb = self.server, kept_mb or {}
        if (memory_mb, ours_mb, kept_mb) == (server.gpus[gpu].others_mb, server.ours_mb[gpu], server.kept_mb[gpu]):
            return
        now = self.now()
        left = server.others_hold(now, gpu, memory_mb, ours_mb, kept_mb)
        self.journal.write(
            "others", now, gpu=gpu, memory_mb=memory_mb, ours_mb=ours_mb, kept_mb=dict(kept_mb), left=left
        )
        self.held.reconcile(gpu, self.server.gpus[gpu], "others took memory", f"others hold {memory_mb} MB")
        self._ask_all(now)

    def expire(self) -> None:
        """What has not generated for as long as the box keeps models alive leaves, though nobody waits."""
        for gpu in range(len(self.server.gpus)):
            now = self.now()
            if self.server.expire(now, gpu):
                self.journal.write("expired", now, gpu=gpu)
                self.held.reconcile(gpu, self.server.gpus[gpu])

    def bring_defaults(self) -> None:
        """What is to be in memory from the start comes back, where nobody waits and something of it is missing."""
        resident = {model for gpu in self.server.gpus for model in gpu.resident}
        for model in [model for model in self.server.defaults if model not in resident and self.tries(model)]:
            for gpu in range(len(self.server.gpus)):
                now = self.now()
                victims = self.server.bring(now, gpu, model)
                if victims is not None:
                    self.journal.write("brought", now, gpu=gpu, model=model)
                    self.held.reconcile(gpu, self.server.gpus[gpu])
                    self._load(now, gpu, Load(model, victims))
                    return

    def restart_grown(self, growth: float, besides_mb: int) -> None:
        """Workers that hold more than they should are ended, if they rest; their models come back when asked for.

        Args:
            growth: times their reservation, and
            besides_mb: besides.
        """
        for gpu, state in enumerate(self.server.gpus):
            for model in list(state.resting):
                takes, worker = self.file.models[model], self.held.of(gpu, model)
                held_mb = 0 if worker is None else self.held.memory_mb(worker)
                most_mb = takes.most_mb * growth + besides_mb
                if held_mb > most_mb and not (state.serving and state.serving.model == model):
                    self._lost(gpu, model, f"has grown to {held_mb} MB, over {most_mb:.0f} MB")

    # --- What GPUs do next

    def _ask_all(self, now: float) -> None:
        for gpu in range(len(self.server.gpus)):
            self._ask(now, gpu)

    def _ask(self, now: float, gpu: int) -> None:
        while True:
            action = self.server.next(now, gpu)
            self.held.reconcile(gpu, self.server.gpus[gpu])
            if isinstance(action, Serve):
                self._serve(now, gpu, action)
            elif isinstance(action, Load):
                self._load(now, gpu, action)
            elif isinstance(action, Offload):
                self._offload(now, action.request, "less delay expected there")
                continue
            elif action is not None and action.until < FOREVER:
                self._clock.ring(action.until)
            if action is None or isinstance(action, Wait) or self.server.box.overlap is None:
                return

    def _rings(self, now: float) -> None:
        self.journal.write("asked", now)
        self._ask_all(now)

    # --- Loading

    def _load(self, now: float, gpu: int, action: Load) -> None:
        model = action.model
        why = self.held.why(action.evict)
        self.journal.write("load", now, gpu=gpu, model=model, evict=list(action.evict), **why)
        worker = self.held.new(gpu, model)
        self._tasks.run(self._loading(gpu, model, worker, now))

    async def _loading(self, gpu: int, model: str, worker: Worker, began: float) -> None:
        failure = await self.held.load(gpu, model, self.limits.load_s)
        if failure is not None:
            if failure.kind == "memory":
                failure = need_and_have(failure, self.server, gpu, model)
            await self.held.failed(gpu, model)
        now = self.now()
        self.server.loaded(now, gpu, now - began, failure is not None)
        self.loads[model, "ok" if failure is None else failure.kind] += 1
        given_up: list[Request] = []
        room = False
        if failure is None:
            self._rests.loaded(model)
            self.load_s[model] = now - began
            self._watch(gpu, model, worker)
        else:
            given_up = self._given_up(now, model)
            room = failure.kind == "memory" and not given_up
        self.journal.write(
            "loaded", now, gpu=gpu, model=model, took_s=now - began, failed=failure is not None,
            given_up=[request.number for request in given_up], room=room,
        )  # fmt: skip
        if failure is not None:
            self.held.reconcile(gpu, self.server.gpus[gpu], "could not be loaded")
        if room:
            self.server.make_room(now, gpu)
            self.held.reconcile(gpu, self.server.gpus[gpu], "memory was short")
        if failure is not None and given_up:
            self._turn_away(now, given_up, failure)
        self._ask_all(now)

    def _given_up(self, now: float, model: str) -> list[Request]:
        """After one more try nobody waits for a model any more that could not be loaded."""
        if not self._rests.failed(model, now):
            return []
        requests = list(self.server.waiting.get(model, ()))
        for request in requests:
            self.server.cancel(now, request)
        return requests

    def _turn_away(self, now: float, requests: list[Request], failure: Failure) -> None:
        """They are served elsewhere, or hear why not."""
        told = Failure(failure.kind, failure.message, self.limits.rest_s)
        for request in requests:
            self._places.leave(request.user)
            ticket = self._tickets.pop(request.number)
            try:
                self._elsewhere(now, ticket, told)
            except Failure as e:
                self._end(now, ticket, None, e)

    def _watch(self, gpu: int, model: str, worker: Worker) -> None:
        """Hears of it when a worker has ended by itself; while it generates, `make` does."""

        async def watching() -> None:
            why = await worker.gone()
            state = self.server.gpus[gpu]
            generates = state.serving is not None and state.serving.model == model
            if self.held.of(gpu, model) is worker and not generates:
                self._lost(gpu, model, why)

        self._tasks.run(watching())

    def _lost(self, gpu: int, model: str, why: str) -> Request | None:
        now = self.now()
        self.held.leaves(gpu, model)
        request = self.server.lost(now, gpu, model)
        self.held.reconcile(gpu, self.server.gpus[gpu], "its worker ended", why)
        self.journal.write("lost", now, gpu=gpu, model=model, why=why)
        self._ask_all(now)
        return request

    # --- Generating

    def _serve(self, now: float, gpu: int, action: Serve) -> None:
        self._places.leave(action.request.user)
        ticket = self._tickets[action.request.number]
        ticket.steps, ticket.served_by, ticket.tries = action.steps, "edge", ticket.tries + 1
        ticket.why, ticket.waited = "this box has the model", self.server.waited(now, gpu, action.request)
        ticket.begun.set()
        why = self.held.why(action.evict)
        self.journal.write("served", now, gpu=gpu, number=action.request.number, steps=action.steps, **why)
        worker = self.held.of(gpu, action.request.model)
        assert worker is not None
        self._tasks.run(self._generating(gpu, ticket, worker, now))

    async def _generating(self, gpu: int, ticket: Ticket, worker: Worker, began: float) -> None:
        request = ticket.request
        assert ticket.steps is not None
        failure = await failure_of(worker.make(ticket.job, ticket.steps, ticket), f"generating by {request.model}")
        if failure is not None and failure.kind == "gone":
            self._lost(gpu, request.model, failure.message)
            if ticket.tries < 2 and not ticket.left and not ticket.answered:
                now = self.now()
                self.server.arrive(now, request)
                self._places.take(request.user)
                self.journal.write("again", now, number=request.number)
                self._ask_all(now)
                return
            del self._tickets[request.number]
            self._end(self.now(), ticket, began, failure)
            return
        now = self.now()
        self.server.finished(now, gpu, now - began)
        self.journal.write(
            "finished", now, gpu=gpu, number=request.number, took_s=now - began,
            failed=None if failure is None else failure.kind,
        )  # fmt: skip
        elsewhere = self._out.there and not ticket.stays and not ticket.left
        if failure is not None and failure.kind == "memory" and elsewhere:
            self._out.send(now, ticket, failure.message)
        else:
            del self._tickets[request.number]
            self._end(now, ticket, began, failure)
        self._ask_all(now)

    # --- Elsewhere

    def _elsewhere(self, now: float, ticket: Ticket, failure: Failure) -> Ticket:
        """To the cloud if there is one; raises why not. What another box has passed on goes no further."""
        if not self._out.there or ticket.stays:
            raise failure
        self._tickets[ticket.request.number] = ticket
        self._out.send(now, ticket, failure.message)
        return ticket

    def _offload(self, now: float, request: Request, why: str) -> None:
        self._places.leave(request.user)
        ticket = self._tickets[request.number]
        if ticket.stays:
            del self._tickets[request.number]
            self._end(now, ticket, None, Failure("busy", f"not served here: {why}", 1.0))
            return
        self._out.send(now, ticket, why)

    def _back(self, ticket: Ticket, began: float, failure: Failure | None) -> None:
        """It has been served elsewhere; if it has not, it may come here after all, for which it comes only now."""
        now = self.now()
        del self._tickets[ticket.request.number]
        if failure is not None and ticket.returns and not ticket.answered and not ticket.left:
            ticket.returns, ticket.request.time = False, now
            try:
                self._take(now, ticket)
                return
            except Failure as e:
                failure = e
        self._end(now, ticket, began, failure)

    # --- Ends

    def _end(self, now: float, ticket: Ticket, began: float | None, failure: Failure | None) -> None:
        ticket.put(Ended(failure))
        outcome = ticket.served_by if failure is None else failure.kind
        self._ended(Outcome(ticket, began, now, outcome))

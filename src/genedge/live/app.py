"""The box over HTTP: the interfaces that clients know, one plain ASGI application."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from genedge.live import wishes
from genedge.live.asked import LOOKS, as_error, disconnected, failed, handlers, let_in
from genedge.live.bodies import Bodies
from genedge.live.cloud import PASSED_ON
from genedge.live.driver import Driver
from genedge.live.jobs import Ended, Failure, Head, Images, Job, Passed, Progress, Ticket
from genedge.live.metrics import Metrics
from genedge.live.peers import Peers
from genedge.live.plain_http import HOP
from genedge.live.soon import Soon
from genedge.text import shortened

Answer = Callable[[Request], Awaitable[Response]]
# What says nothing of the box but that it lives; the page asks for the rest, and shows the key then.
PUBLIC = ("/", "/healthz")
# In a request that is to be answered 429 if it would have to wait: no.
WAIT = "X-Genedge-Wait"
# Headers of a request that are for the box alone.
STAYS_HERE = ("authorization", "cookie", "origin")
# Of who asks, in characters: it is kept with each request.
MOST_USER = 256
# A client that takes nothing of its answer for so long is gone [s].
STALLED_S = 60.0


class Door(NamedTuple):
    """How the box is open to clients.

    Attributes:
        key: that all must show; None if none is asked for.
        most_bytes: of a request's body.
        hold_s: how long a client is held while its model loads, before it is told to come back [s].
        steps: of an image for which neither the client nor the model says any.
    """

    key: str | None = None
    most_bytes: int = 32 << 20
    hold_s: float = 60.0
    steps: int = 20


class Box:
    """What answers.

    Attributes:
        driver: the box.
        door: how it is open.
        metrics: what is counted.
        soon: how soon it would serve.
        peers: that might serve sooner; None if there are none.
    """

    def __init__(
        self, driver: Driver, door: Door, metrics: Metrics, soon: Soon, peers: Peers | None = None
    ) -> None:
        """Nothing asked yet.

        Args:
            driver: the box.
            door: how it is open.
            metrics: what is counted.
            soon: told of what is asked.
            peers: that might serve sooner; None if there are none.
        """
        self.driver, self.door, self.metrics, self.soon, self.peers = driver, door, metrics, soon, peers
        self._bodies = Bodies(door.most_bytes)
        # Pictures are read one after the other: each may take much memory.
        self._reads = asyncio.Lock()
        self._models = {name.lower(): name for name in driver.file.models.named}
        self._last = next(iter(self._models.values()), None)
        self._progress: Progress | None = None

    def open(self, answer: Answer) -> Answer:
        """Lets in who may, and turns failures into answers; a line is written for each.

        Args:
            answer: to a request that is let in.
        """

        async def endpoint(request: Request) -> Response:
            request.state.began = began = time.monotonic()
            try:
                let_in(request, self.door.key, request.url.path in PUBLIC and request.method in LOOKS)
                response = await answer(request)
            except Failure as failure:
                response = failed(failure)
            except ClientDisconnect:
                response = Response(status_code=499)
            finally:
                self._bodies.done(request)
            self.answered(request, response.status_code, time.monotonic() - began)
            return response

        return endpoint

    def answered(self, request: Request, status: int, took_s: float) -> None:
        """A request was answered.

        Args:
            request: it.
            status: of the answer.
            took_s: until its head was sent [s].
        """
        self.metrics.accessed(request.method, request.url.path, status, took_s)

    # --- Images

    async def generations(self, request: Request) -> Response:
        """`POST /v1/images/generations`."""
        body = await self._bodies.fields(request)
        if self._has_server(body.get("model")):
            return await self.passed(request)
        return await self._images(request, wishes.openai(body))

    async def edits(self, request: Request) -> Response:
        """`POST /v1/images/edits`: a form with files, or JSON with base64."""
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            fields, files = await self._bodies.form(request)
            if "image" not in files:
                raise Failure("bad", "image: a file is missing")
            return await self._images(
                request, await self._read(wishes.openai, fields, files["image"], files.get("mask"))
            )
        body = await self._bodies.fields(request)
        image = wishes.decoded(body.get("image"), "image")
        mask = wishes.decoded(body["mask"], "mask") if body.get("mask") else None
        return await self._images(request, await self._read(wishes.openai, body, image, mask))

    async def _images(self, request: Request, wish: wishes.Wish) -> Response:
        ticket = self._submit(request, wish)
        await self._begun(request, ticket)
        if wish.stream:
            return StreamingResponse(self._streamed(ticket), headers=_told(ticket), media_type="text/event-stream")
        images = await self._whole(request, ticket)
        data = [{"b64_json": base64.b64encode(png).decode()} for png in images]
        return JSONResponse({"created": int(time.time()), "data": data}, headers=_told(ticket))

    async def txt2img(self, request: Request) -> Response:
        """`POST /sdapi/v1/txt2img` and `/img2img`."""
        body = await self._bodies.fields(request)
        if self._has_server(body.get("model")):
            return await self.passed(request)
        wish = await self._read(wishes.a1111, body)
        ticket = self._submit(request, wish)
        await self._begun(request, ticket)
        images = await self._whole(request, ticket)
        info = json.dumps({"seed": wish.picture.seed, "sd_model_name": ticket.request.model})
        encoded = [base64.b64encode(png).decode() for png in images]
        return JSONResponse({"images": encoded, "parameters": {}, "info": info}, headers=_told(ticket))

    async def _read(self, interface: Callable[..., wishes.Wish], *given: Any) -> wishes.Wish:
        async with self._reads:
            return await asyncio.to_thread(interface, *given)

    async def progress(self, request: Request) -> Response:
        """`GET /sdapi/v1/progress`: of what was last told of."""
        seen = self._progress
        share = 0.0 if seen is None else seen.done / seen.of
        jobs = self.driver.waiting
        state = {
            "job_count": jobs,
            "sampling_step": seen.done if seen else 0,
            "sampling_steps": seen.of if seen else 0,
        }
        return JSONResponse({"progress": share, "eta_relative": 0.0, "state": state, "current_image": None})

    # --- Models, and what is passed on

    async def models(self, request: Request) -> Response:
        """`GET /v1/models`."""
        resident = {model for gpu in self.driver.server.gpus for model in gpu.resident}
        data = [
            {"id": name, "object": "model", "owned_by": "genedge", "resident": name in resident}
            for name in self._models.values()
        ]
        return JSONResponse({"object": "list", "data": data})

    async def sd_models(self, request: Request) -> Response:
        """`GET /sdapi/v1/sd-models`."""
        return JSONResponse([{"title": name, "model_name": name} for name in self._models.values()])

    async def passed(self, request: Request) -> Response:
        """Any other path with a `model` in its body goes on to that model's server."""
        body = await self._bodies.whole(request)
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict) or not isinstance(fields.get("model"), str):
            raise Failure("model", f"{request.url.path}: no such path, nor a model in the body to pass it on to")
        query = request.scope["query_string"].decode("latin-1")
        path = request.scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
        headers = {key: value for key, value in request.headers.items() if key not in STAYS_HERE}
        job = Passed(request.method, path, headers, body, *wishes.images_of(fields), *wishes.steps_of(fields))
        model, user = self._model(fields["model"]), self._user(request, str(fields.get("user") or ""))
        ticket = self._take(request, model, user, job.steps, len(body) / 1e6, job)
        await self._begun(request, ticket)
        head = await self._next(request, ticket)
        if not isinstance(head, Head):
            raise Failure("failed", f"{model}: answers with no head")
        return _AsItComes(self.driver, ticket, head)

    # --- About the box

    async def healthz(self, request: Request) -> Response:
        """`GET /healthz`."""
        return PlainTextResponse("ok\n")

    async def metrics_page(self, request: Request) -> Response:
        """`GET /metrics`."""
        return Response(self.metrics.text(self.driver), media_type="text/plain; version=0.0.4")

    # --- Tickets

    def _submit(self, request: Request, wish: wishes.Wish) -> Ticket:
        model = self._last if wish.model is None else self._model(wish.model)
        if model is None:
            raise Failure("bad", "model: it is missing")
        self._last = model
        of_each = wish.steps or self.driver.file.models.usual_steps(model) or self.door.steps
        steps = of_each * wish.picture.images
        megabytes = len(wish.picture.image or b"") / 1e6
        return self._take(request, model, self._user(request, wish.user), float(steps), megabytes, wish.picture)

    def _take(self, request: Request, model: str, user: str, steps: float, megabytes: float, job: Job) -> Ticket:
        """By this box, or first by another that would serve sooner; what one has passed on goes no further."""
        stays, waits = PASSED_ON in request.headers, self._may_wait(request)
        self.soon.asked(model)
        peers = self.peers if waits and not stays else None
        sooner = None if peers is None else peers.sooner(model, self.soon.seen)
        try:
            ticket = self.driver.submit(model, user, steps, megabytes, job, stays, sooner)
        except Failure as failure:
            self.metrics.refused(model, failure.kind)
            if stays and failure.kind == "large":
                # Another box may have room for it: it is not the client who is told so, but the box that asks.
                raise Failure("memory", failure.message) from None
            raise
        if not waits and not ticket.begun.is_set():
            ticket.counts_as = "busy"
            self.driver.leave(ticket)
            raise Failure("busy", f"{model}: not served at once, and nothing may wait", self.soon.seen().busy_s)
        return ticket

    def _may_wait(self, request: Request) -> bool:
        said = request.headers.get(WAIT, "yes")
        if said not in ("yes", "no"):
            raise Failure("bad", f"{WAIT}: must be no or yes, not {shortened(said)}")
        return said == "yes" and self.driver.limits.waiting > 0

    def _has_server(self, name: object) -> bool:
        """Whether a model is a server of its own, which takes requests as they come."""
        known = self._models.get(name.lower()) if isinstance(name, str) else None
        worker = None if known is None else self.driver.file.models.worker(known)
        return worker is not None and worker.command is not None

    def _model(self, name: str) -> str:
        known = self._models.get(name.lower())
        if known is None:
            there = ", ".join(list(self._models.values())[:20])
            raise Failure("model", f"there is no model {shortened(name)}; there are {there}")
        return known

    def _user(self, request: Request, said: str) -> str:
        """Who asks: as said, else the address that it comes from."""
        if len(said) > MOST_USER:
            raise Failure("bad", f"user: it may have {MOST_USER} characters, not {len(said)}")
        return said or (request.client.host if request.client else "")

    async def _begun(self, request: Request, ticket: Ticket) -> None:
        """Waits until it is served. A load that takes long goes on without the client, who comes back for it."""
        if ticket.begun.is_set():
            return
        began = asyncio.ensure_future(ticket.begun.wait())
        gone = asyncio.ensure_future(disconnected(request))
        try:
            while not began.done():
                await asyncio.wait([began, gone], timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
                if gone.done() and not began.done():
                    raise ClientDisconnect
                if not began.done():
                    self.driver.hold(ticket, self.door.hold_s)
        except BaseException as e:
            if isinstance(e, Failure):
                ticket.counts_as = e.kind
            self.driver.leave(ticket)
            raise
        finally:
            began.cancel()
            gone.cancel()

    async def _next(self, request: Request, ticket: Ticket) -> Any:
        """The next piece; raises why there is none."""
        coming = asyncio.ensure_future(ticket.pieces.get())
        gone = asyncio.ensure_future(disconnected(request))
        try:
            await asyncio.wait([coming, gone], return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                raise ClientDisconnect
        except BaseException:
            self.driver.leave(ticket)
            raise
        finally:
            coming.cancel()
            gone.cancel()
        piece = coming.result()
        if isinstance(piece, Ended) and piece.failure is not None:
            raise piece.failure
        if isinstance(piece, Progress):
            self._progress = piece
        return piece

    async def _whole(self, request: Request, ticket: Ticket) -> list[bytes]:
        images: list[bytes] = []
        while not isinstance(piece := await self._next(request, ticket), Ended):
            if isinstance(piece, Images):
                images += piece.pngs
        return images

    async def _streamed(self, ticket: Ticket) -> AsyncIterator[bytes]:
        """Events, as the OpenAI interface has them; a partial image has no picture, only how far it is."""
        try:
            while not isinstance(piece := await ticket.pieces.get(), Ended):
                if isinstance(piece, Progress):
                    self._progress = piece
                    told = {"partial_image_index": piece.done - 1, "b64_json": "", "progress": piece._asdict()}
                    yield _event("image_generation.partial_image", told)
                elif isinstance(piece, Images):
                    for png in piece.pngs:
                        yield _event("image_generation.completed", {"b64_json": base64.b64encode(png).decode()})
            if piece.failure is not None:
                yield _event("error", as_error(piece.failure))
        finally:
            self.driver.leave(ticket)


class _AsItComes(Response):
    """The answer of a model's server, piece by piece; one that breaks off has no end, so that it shows.

    A client that takes none of it for long is gone: its model has others to serve.
    """

    def __init__(self, driver: Driver, ticket: Ticket, head: Head) -> None:
        self._driver, self._ticket = driver, ticket
        # With its length, if that is known: what is shorter is then no whole answer.
        # What another box tells of itself, and what is told anew, stays behind.
        dropped = (HOP - {"content-length"}) | {"date", "server"}
        kept = {
            key: value
            for key, value in head.headers.items()
            if key not in dropped and not key.startswith("x-genedge-")
        }
        super().__init__(status_code=head.status)
        self.raw_headers = [
            (key.encode("latin-1"), value.encode("latin-1")) for key, value in {**kept, **_told(ticket)}.items()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it."""
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            while not isinstance(piece := await self._ticket.pieces.get(), Ended):
                if isinstance(piece, bytes):
                    async with asyncio.timeout(STALLED_S):
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
            if piece.failure is None:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            pass
        finally:
            self._driver.leave(self._ticket)


def application(box: Box, more: list[Route]) -> Starlette:
    """The application.

    Args:
        box: what answers.
        more: routes besides, such as the page's.
    """

    def route(path: str, answer: Answer, *methods: str) -> Route:
        return Route(path, box.open(answer), methods=list(methods))

    every = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    return Starlette(
        routes=[
            route("/healthz", box.healthz, "GET"),
            route("/metrics", box.metrics_page, "GET"),
            route("/v1/models", box.models, "GET"),
            route("/v1/images/generations", box.generations, "POST"),
            route("/v1/images/edits", box.edits, "POST"),
            route("/sdapi/v1/txt2img", box.txt2img, "POST"),
            route("/sdapi/v1/img2img", box.txt2img, "POST"),
            route("/sdapi/v1/progress", box.progress, "GET"),
            route("/sdapi/v1/sd-models", box.sd_models, "GET"),
            *more,
            route("/{rest:path}", box.passed, *every),
        ],
        exception_handlers=handlers(box.answered),
    )


def _told(ticket: Ticket) -> dict[str, str]:
    """Who served, why, and with how many steps."""
    steps = ticket.told_steps
    return {
        "X-Genedge-Request": str(ticket.request.number),
        "X-Genedge-Served-By": ticket.served_by,
        "X-Genedge-Why": ticket.why.encode("ascii", "replace").decode().replace("\n", " "),
        "X-Genedge-Steps": "" if steps is None else f"{steps:g}",
    }


def _event(kind: str, data: Mapping[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()

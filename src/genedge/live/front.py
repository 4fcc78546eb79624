"""One door before several boxes: each request goes on, as it came, to the box where it costs least.

A box that breaks off before it has answered costs the request nothing but time: it goes to the next one. What has
begun to come is passed on as it comes, and is left without its end if the box breaks off then.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import IO, Any, NamedTuple
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from genedge.live.app import Door
from genedge.live.asked import disconnected, failed, handlers, let_in
from genedge.live.bodies import Bodies
from genedge.live.jobs import Failure
from genedge.live.others import Other, Others
from genedge.live.plain_http import HOP, Answer, BrokenOffError, Server, passed_on

EVERY = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class Front:
    """What answers at the door.

    Attributes:
        others: the boxes behind it.
        underway: requests that are being served.
        closed: whether no more are taken.
    """

    def __init__(self, others: Others, door: Door, key: str, log: IO[str] | None) -> None:
        """Nothing asked yet.

        Args:
            others: the boxes behind it.
            door: how it is open to clients.
            key: that the boxes ask for.
            log: where a line for each access goes; None for nowhere.
        """
        self.others, self.underway, self.closed = others, 0, False
        self._door, self._key, self._log = door, key, log
        self._bodies = Bodies(door.most_bytes, len(others.boxes))
        self._servers: dict[str, Server] = {}
        self._answers: Counter[tuple[str, int]] = Counter()
        self._last: Other | None = None

    def application(self) -> Starlette:
        """The application."""
        return Starlette(
            routes=[
                Route("/healthz", self._healthz),
                Route("/metrics", self._metrics),
                Route("/v1/models", self._models),
                Route("/v1/box", self._boxes),
                Route("/{rest:path}", self._passed, methods=EVERY),
            ],
            exception_handlers=handlers(lambda request, status, took_s: self.told(request, "", status, took_s)),
        )

    def close(self) -> None:
        """No more is asked of the boxes."""
        self.closed = True
        for server in self._servers.values():
            server.close()

    async def _healthz(self, request: Request) -> Response:
        well = any(box.seen is not None for box in self.others.boxes)
        return PlainTextResponse("ok\n" if well else "no box answers\n", status_code=200 if well else 503)

    async def _metrics(self, request: Request) -> Response:
        lines = ["# TYPE genedge_door_answers_total counter"]
        for (served_by, status), count in sorted(self._answers.items()):
            lines.append(f'genedge_door_answers_total{{box="{served_by}",status="{status}"}} {count}')
        lines += ["# TYPE genedge_door_box_answers gauge", "# TYPE genedge_door_box_busy_seconds gauge"]
        for number, box in enumerate(self.others.boxes):
            lines.append(f'genedge_door_box_answers{{box="{number}"}} {int(box.seen is not None)}')
            if box.seen is not None:
                lines.append(f'genedge_door_box_busy_seconds{{box="{number}"}} {box.seen.busy_s:g}')
        answer = PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")
        return self._open(request) or answer

    async def _models(self, request: Request) -> Response:
        has: dict[str, bool] = {}
        for box in self.others.boxes:
            for name, takes in (box.seen.models if box.seen is not None else {}).items():
                has[name] = has.get(name, False) or not takes.load_s
        data = [
            {"id": name, "object": "model", "owned_by": "genedge", "resident": there} for name, there in has.items()
        ]
        return self._open(request) or JSONResponse({"object": "list", "data": data})

    async def _boxes(self, request: Request) -> Response:
        return self._open(request) or JSONResponse({"boxes": self.others.plain(), "underway": self.underway})

    def _open(self, request: Request) -> Response | None:
        try:
            let_in(request, self._door.key)
        except Failure as failure:
            return failed(failure)
        return None

    async def _passed(self, request: Request) -> Response:
        request.state.began = began = time.monotonic()
        try:
            let_in(request, self._door.key)
            if self.closed:
                raise Failure("busy", "the boxes are about to end", 30.0)
            # Until its answer has been passed on to its end.
            self.underway += 1
            try:
                body = await self._bodies.whole(request)
                return await self._served(request, body, await model_of(request, body))
            except BaseException:
                self.done(request)
                raise
        except Failure as failure:
            response = failed(failure)
        except ClientDisconnect:
            response = Response(status_code=499)
        self.told(request, "", response.status_code, time.monotonic() - began)
        return response

    async def _served(self, request: Request, body: bytes, model: str | None) -> Response:
        """By the best box that answers; by the next, where one breaks off before it does or is full."""
        began, full = time.monotonic(), None
        for box in self._order(model):
            sending = box.sending(model or "")
            sending.__enter__()
            try:
                answer = await self._ask(request, box, body)
            except BrokenOffError:
                sending.__exit__(None, None, None)
                self._forget(box.url)
                continue
            except BaseException:
                sending.__exit__(None, None, None)
                if full is not None:
                    await full.drop()
                raise
            self._last = box
            passing = _Passing(self, request, box, answer, sending, began)
            if full is not None:
                await full.drop()
            if answer.answer.status != 429:
                return passing
            # The last one that is full says so.
            full = passing
        if full is None:
            raise Failure("loading", "no box answers now; ask again", 5.0)
        return full

    def _order(self, model: str | None) -> list[Other]:
        answering = [box for box in self.others.boxes if box.seen is not None]
        if model is None:
            return sorted(answering, key=lambda box: box is not self._last)
        known = {name.lower(): name for box in answering if box.seen is not None for name in box.seen.models}
        best = self.others.best_first(known.get(model.lower(), model))
        # Of a model that none serves now any box says why.
        return best or answering

    async def _ask(self, request: Request, box: Other, body: bytes) -> "_Begun":
        """The beginning of a box's answer, unless the client is gone before, or the box."""
        server = self._servers.get(box.url)
        if server is None:
            at = urlsplit(box.url)
            server = self._servers[box.url] = Server(at.port or 80, at.hostname or "")
        query = request.scope["query_string"].decode("latin-1")
        path = request.scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
        headers = {**passed_on(request.headers), "authorization": f"Bearer {self._key}"}
        # The door has looked at it; a box would compare it with its own address.
        headers.pop("origin", None)
        asks = asyncio.ensure_future(_begun(server, request.method, path, headers, body))
        ends = [asyncio.ensure_future(disconnected(request)), asyncio.ensure_future(box.gone.wait())]
        try:
            await asyncio.wait([asks, *ends], return_when=asyncio.FIRST_COMPLETED)
            if asks.done():
                return await asks
            if ends[0].done():
                raise ClientDisconnect
            raise BrokenOffError("it no longer answers")
        finally:
            for task in (asks, *ends):
                task.cancel()

    def _forget(self, url: str) -> None:
        server = self._servers.pop(url, None)
        if server is not None:
            server.close()

    def done(self, request: Request) -> None:
        """A request has its answer, or none.

        Args:
            request: it.
        """
        self.underway -= 1
        self._bodies.done(request)

    def told(self, request: Request, box: str, status: int, took_s: float) -> None:
        """A request was answered.

        Args:
            request: it.
            box: the number of the box; empty if none did.
            status: of the answer.
            took_s: until its end [s].
        """
        self._answers[box, status] += 1
        if self._log is not None:
            line = {"time": round(time.time(), 3), "method": request.method, "path": request.url.path[:200]}
            more = {"status": status, "box": box, "seconds": round(took_s, 4)}
            print(json.dumps({**line, **more}), file=self._log, flush=True)


class _Passing(Response):
    """A box's answer on its way to the client."""

    def __init__(
        self, front: Front, request: Request, box: Other, begun: "_Begun", sending: Any, began: float
    ) -> None:
        self._front, self._request, self._box = front, request, box
        self._answer, self._sending, self._began = begun.answer, sending, began
        self._first, self._rest, answer = begun.first, begun.rest, begun.answer
        super().__init__(status_code=answer.status)
        dropped = (HOP - {"content-length"}) | {"date", "server"}
        number = str(front.others.boxes.index(box))
        kept = {key: value for key, value in answer.headers.items() if key not in dropped} | {
            "x-genedge-box": number
        }
        self.raw_headers = [(key.encode("latin-1"), value.encode("latin-1")) for key, value in kept.items()]

    async def drop(self) -> None:
        """It is not passed on."""
        self._sending.__exit__(None, None, None)
        async with self._answer:
            pass

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes it on, until it ends or breaks off, or its box no longer answers."""
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async with self._answer:
                if self._first:
                    await send({"type": "http.response.body", "body": self._first, "more_body": True})
                async for piece in _until_gone(self._box, self._rest):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except BrokenOffError:
            pass
        finally:
            self._front.done(self._request)
            self._sending.__exit__(None, None, None)
            number = str(self._front.others.boxes.index(self._box))
            self._front.told(self._request, number, self.status_code, time.monotonic() - self._began)


class _Begun(NamedTuple):
    """An answer that has begun: with its first piece, since a head alone is none if its box is lost right then."""

    answer: Answer
    first: bytes
    rest: AsyncIterator[bytes]


async def _begun(server: Server, method: str, path: str, headers: Mapping[str, str], body: bytes) -> _Begun:
    answer = await server.ask(method, path, headers, body)
    rest = answer.pieces()
    try:
        return _Begun(answer, await anext(rest, b""), rest)
    except BaseException:
        async with answer:
            raise


async def _until_gone(box: Other, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pieces as they come; the answer breaks off if its box no longer answers."""
    gone = asyncio.ensure_future(box.gone.wait())
    try:
        while True:
            coming = asyncio.ensure_future(anext(pieces, None))
            await asyncio.wait([coming, gone], return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                coming.cancel()
                raise BrokenOffError("it no longer answers")
            piece = coming.result()
            if piece is None:
                return
            yield piece
    finally:
        gone.cancel()


async def model_of(request: Request, body: bytes) -> str | None:
    """The model that a request names, in whichever interface's way; None if it names none.

    Args:
        request: it.
        body: its.
    """
    fields: Any
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        fields = await _form(request, body)
    else:
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            return None
    if not isinstance(fields, dict):
        return None
    override = fields.get("override_settings")
    named = override.get("sd_model_checkpoint") if isinstance(override, dict) else None
    named = named or fields.get("model")
    return named if isinstance(named, str) else None


async def _form(request: Request, body: bytes) -> dict[str, Any]:
    """The fields of a form that has been read already; the box says what is wrong with one that is none."""

    async def again() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        async with Request(request.scope, again).form(max_files=4, max_fields=64, max_part_size=len(body)) as form:
            return dict(form.items())
    except Exception:
        return {}

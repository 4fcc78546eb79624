"""HTTP requests as they come, and failures as they go: what a box and the door before several have in common."""

import hmac
import ipaddress
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from genedge.live.jobs import Failure

STATUS = {
    "bad": 400, "large": 400, "key": 401, "origin": 403, "model": 404, "busy": 429, "loading": 503, "memory": 503,
    "gone": 502, "failed": 502,
}  # fmt: skip
OF_CLIENT = ("bad", "large", "key", "origin", "model")
# What a busy box answers says when to come back: if nobody knows better, after AGAIN_S [s].
COMES_BACK, AGAIN_S, LONGEST_RETRY_S = (429, 503), 30.0, 120
# Methods that change nothing.
LOOKS = ("GET", "HEAD", "OPTIONS")

Answered = Callable[[Request, int, float], None]
Handler = Callable[[Request, Exception], Awaitable[Response]]


def let_in(request: Request, key: str | None, public: bool = False) -> None:
    """Refuses a request that does not show the key, or that a page of another site makes in its visitor's name.

    Args:
        request: any.
        key: None if none is asked for.
        public: whether it is let in without the key, too.

    Raises:
        Failure: it is refused.
    """
    origin, host = request.headers.get("origin"), request.headers.get("host", "")
    if origin is not None and request.method not in LOOKS and not _own_page(origin, host, key):
        raise Failure(
            "origin",
            f"a page of {origin[:100]} asks in its visitor's name; only the box's own may, at {host[:100]}, "
            "and where GENEDGE_KEY is not set only by an address of this machine",
        )
    if key is None or public:
        return
    shown = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    if not hmac.compare_digest(shown.encode(), key.encode()):
        raise Failure("key", "the key is missing or wrong; send it as Authorization: Bearer KEY")


def _own_page(origin: str, host: str, key: str | None) -> bool:
    """Whether a page is the box's own. A site may let its own name point to this machine: that proves nothing."""
    if origin.partition("://")[2].lower() != host.lower():
        return False
    return key is not None or _of_this_machine(host)


def _of_this_machine(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def failed(failure: Failure) -> Response:
    """A failure as an answer.

    Args:
        failure: any.
    """
    status, retry_s = STATUS[failure.kind], failure.retry_s
    if retry_s is None and status in COMES_BACK:
        retry_s = AGAIN_S
    headers = {} if retry_s is None else {"Retry-After": str(min(max(round(retry_s), 1), LONGEST_RETRY_S))}
    return JSONResponse(as_error(failure), status_code=status, headers=headers)


def as_error(failure: Failure) -> dict[str, Any]:
    """A failure as an object, in the form of OpenAI's interface.

    Args:
        failure: any.
    """
    field, colon, _ = failure.message.partition(":")
    param = field if failure.kind == "bad" and colon and field.isidentifier() else None
    kind = "invalid_request_error" if failure.kind in OF_CLIENT else f"{failure.kind}_error"
    return {"error": {"message": failure.message, "type": kind, "param": param, "code": failure.kind}}


def handlers(answered: Answered) -> dict[Any, Handler]:
    """What Starlette itself refuses, and what nobody foresaw, as answers like all others.

    Args:
        answered: told of each, with the status and what it took [s].
    """

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        takes = (error.headers or {}).get("Allow")
        told = error.detail if takes is None else f"{request.method} is not answered here; {takes} are"
        answered(request, error.status_code, 0.0)
        return JSONResponse(as_error(Failure("bad", told)), error.status_code, error.headers)

    async def unforeseen(request: Request, error: Exception) -> Response:
        now = time.monotonic()
        answered(request, 500, now - getattr(request.state, "began", now))
        told = f"{type(error).__name__}, which nobody foresaw; the box has written where"
        # Starlette raises it again: uvicorn then writes where it was, and closes the connection.
        return JSONResponse(as_error(Failure("failed", told)), 500, {"Connection": "close"})

    return {HTTPException: refused, Exception: unforeseen}


async def disconnected(request: Request) -> None:
    """Returns when the client is gone.

    Args:
        request: its.
    """
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            return

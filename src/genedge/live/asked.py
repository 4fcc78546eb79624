"""HTTP requests as they come, and failures as they go: what a box and the door before several have in common."""

import hmac
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from genedge.live.jobs import Failure

STATUS = {"bad": 400, "model": 404, "busy": 429, "loading": 503, "memory": 503, "gone": 502, "failed": 502}
LONGEST_RETRY_S = 120


class Unauthorized(Failure):
    """The key is missing or another."""

    def __init__(self) -> None:
        super().__init__("bad", "the key is missing or wrong; send it as Authorization: Bearer KEY")


def check_key(request: Request, key: str | None) -> None:
    """Refuses a request that does not show the key.

    Args:
        request: any.
        key: None if none is asked for.

    Raises:
        Unauthorized: it does not.
    """
    if key is None:
        return
    shown = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    if not hmac.compare_digest(shown.encode(), key.encode()):
        raise Unauthorized


def failed(failure: Failure) -> Response:
    """A failure as an answer.

    Args:
        failure: any.
    """
    status = 401 if isinstance(failure, Unauthorized) else STATUS[failure.kind]
    headers = {}
    if failure.retry_s is not None:
        headers["Retry-After"] = str(min(max(round(failure.retry_s), 1), LONGEST_RETRY_S))
    return JSONResponse(as_error(failure), status_code=status, headers=headers)


def as_error(failure: Failure) -> dict[str, Any]:
    """A failure as an object, in the form of OpenAI's interface.

    Args:
        failure: any.
    """
    field, colon, _ = failure.message.partition(":")
    param = field if failure.kind == "bad" and colon and field.isidentifier() else None
    kind = "invalid_request_error" if failure.kind in ("bad", "model") else f"{failure.kind}_error"
    return {"error": {"message": failure.message, "type": kind, "param": param, "code": failure.kind}}


async def disconnected(request: Request) -> None:
    """Returns when the client is gone.

    Args:
        request: its.
    """
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            return

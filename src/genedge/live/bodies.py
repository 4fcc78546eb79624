"""Bodies of requests: each of them bounded, and all that are there at once."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from genedge.live.jobs import Failure

# Bodies of the largest size, of which as many may be there at once for a box.
MOST_AT_ONCE = 4
RETRY_S = 5.0


class Bodies:
    """Reads them, and counts what is there."""

    def __init__(self, most_bytes: int, boxes: int = 1) -> None:
        """None is there.

        Args:
            most_bytes: of one.
            boxes: for which they are.
        """
        self._most, self._most_together, self._held = most_bytes, MOST_AT_ONCE * boxes * most_bytes, 0

    def done(self, request: Request) -> None:
        """A request has its answer; its body is of no more account.

        Args:
            request: it.
        """
        self._held -= getattr(request.state, "held", 0)

    async def whole(self, request: Request) -> bytes:
        """All of a body.

        Args:
            request: whose; asked again, it gives the same.

        Raises:
            Failure: it is too long, or too many are there.
        """
        if hasattr(request.state, "body"):
            return bytes(request.state.body)
        self._refuse_too_long(request.headers.get("content-length", ""))
        body = bytearray()
        async for piece in request.stream():
            body += piece
            self._counts(request, len(piece))
            if len(body) > self._most:
                raise self._too_long()
        whole: bytes = bytes(body)
        request.state.body = whole
        return whole

    async def fields(self, request: Request) -> Mapping[str, Any]:
        """A body in JSON.

        Args:
            request: whose.

        Raises:
            Failure: as above, or it is no JSON object.
        """
        try:
            fields = json.loads(await self.whole(request))
        except (ValueError, RecursionError):
            raise Failure("bad", "the body is not JSON") from None
        if not isinstance(fields, dict):
            raise Failure("bad", "the body must be a JSON object")
        return fields

    async def form(self, request: Request) -> tuple[dict[str, Any], dict[str, bytes]]:
        """A body that is a form.

        Args:
            request: whose.

        Returns:
            Its fields and its files.

        Raises:
            Failure: it is none, is too long, or too many are there.
        """
        self._refuse_too_long(request.headers.get("content-length", ""))

        async def counted() -> Message:
            message = await request.receive()
            self._counts(request, len(message.get("body", b"")))
            if request.state.held > self._most:
                raise self._too_long()
            return message

        fields, files = {}, {}
        try:
            counting = Request(request.scope, counted)
            async with counting.form(max_files=4, max_fields=64, max_part_size=self._most) as form:
                for key, value in form.multi_items():
                    if isinstance(value, UploadFile):
                        files[key.removesuffix("[]")] = await value.read()
                    else:
                        fields[key] = value
        except (Failure, ClientDisconnect):
            raise
        except Exception as e:
            raise Failure("bad", f"the body is no form: {e}") from None
        return fields, files

    def _counts(self, request: Request, count: int) -> None:
        self._held += count
        request.state.held = getattr(request.state, "held", 0) + count
        if self._held > self._most_together:
            raise Failure("busy", "so many requests are being read that there is no room for another", RETRY_S)

    def _refuse_too_long(self, said: str) -> None:
        if said.isdecimal() and int(said) > self._most:
            raise self._too_long()

    def _too_long(self) -> Failure:
        return Failure("bad", f"the body is too long; it may have {self._most >> 20} MiB")

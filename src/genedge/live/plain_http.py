"""HTTP to a server, as bare as it gets, since each request pays for what is between."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from types import TracebackType

import h11

READ_BYTES = 1 << 16
# Those of a connection, which are no part of a message.
HOP = {
    "connection", "content-length", "host", "keep-alive", "proxy-authenticate", "proxy-authorization", "te",
    "trailer", "transfer-encoding", "upgrade",
}  # fmt: skip
Headers = Iterable[tuple[str, str]]


class BrokenOffError(Exception):
    """The server has ended, or does not speak HTTP; the message says how."""


def passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers of a request or an answer that are the message's own.

    Args:
        headers: all.
    """
    return {key: value for key, value in headers.items() if key.lower() not in HOP}


class Answer:
    """An answer, of which the head is there; within `async with`, all of it is asked for as pieces.

    Attributes:
        status: of HTTP.
        headers: with names in small letters.
    """

    def __init__(self, connection: "_Connection", idle: "list[_Connection]", head: h11.Response) -> None:
        self._connection, self._idle = connection, idle
        self.status = head.status_code
        self.headers = {key.decode("ascii"): value.decode("latin-1") for key, value in head.headers}

    async def __aenter__(self) -> "Answer":
        """The answer."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, e: BaseException | None, at: TracebackType | None
    ) -> None:
        """A connection on which nothing is left over is kept."""
        if self._connection.again():
            self._idle.append(self._connection)
        else:
            self._connection.close()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body, as it comes.

        Raises:
            BrokenOffError: it ends too soon.
        """
        while not isinstance(event := await self._connection.next(), h11.EndOfMessage):
            if isinstance(event, h11.Data):
                yield bytes(event.data)


class Server:
    """A server that listens on a port, with connections that are kept."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        """Nothing asked yet.

        Args:
            port: on which it listens.
            host: its address.
        """
        self._host, self._port = host, port
        self._idle: list[_Connection] = []

    async def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Sends a request, and waits for the head of the answer.

        Args:
            method: such as POST.
            path: with its query.
            headers: without those of a connection.
            body: all of it.

        Raises:
            BrokenOffError: nobody listens, or it ends before it answers.
        """
        connection = await self._connection()
        try:
            length = [("content-length", str(len(body)))] if body or method not in ("GET", "HEAD") else []
            connection.send(method, path, [("host", f"{self._host}:{self._port}"), *headers.items(), *length], body)
            head = await connection.next()
            while isinstance(head, h11.InformationalResponse):
                head = await connection.next()
        except BaseException:
            connection.close()
            raise
        assert isinstance(head, h11.Response)
        return Answer(connection, self._idle, head)

    def close(self) -> None:
        """No more is asked of it."""
        while self._idle:
            self._idle.pop().close()

    async def _connection(self) -> "_Connection":
        while self._idle:
            connection = self._idle.pop()
            if connection.open():
                return connection
            connection.close()
        try:
            return _Connection(*await asyncio.open_connection(self._host, self._port))
        except OSError as e:
            raise BrokenOffError(e.strerror or str(e)) from None


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._state = h11.Connection(h11.CLIENT)

    def open(self) -> bool:
        """Whether the server has not closed it meanwhile."""
        return not self._reader.at_eof()

    def again(self) -> bool:
        """Whether it can be used for another request, now that one is answered."""
        if self._state.states != {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
            return False
        self._state.start_next_cycle()
        return True

    def send(self, method: str, path: str, headers: Headers, body: bytes) -> None:
        fields = [(key.encode("latin-1"), value.encode("latin-1")) for key, value in headers]
        try:
            said = [
                self._state.send(h11.Request(method=method, target=path, headers=fields)),
                self._state.send(h11.Data(body)) if body else b"",
                self._state.send(h11.EndOfMessage()),
            ]
        except (h11.LocalProtocolError, ValueError) as e:
            raise BrokenOffError(str(e)) from None
        # In one piece: the server wakes once.
        self._writer.write(b"".join(bytes_ for bytes_ in said if bytes_))

    async def next(self) -> object:
        try:
            while (event := self._state.next_event()) is h11.NEED_DATA:
                self._state.receive_data(await self._reader.read(READ_BYTES))
        except (OSError, h11.RemoteProtocolError) as e:
            raise BrokenOffError(str(e) or type(e).__name__) from None
        if isinstance(event, h11.ConnectionClosed):
            raise BrokenOffError("the connection was closed")
        return event

    def close(self) -> None:
        self._writer.close()

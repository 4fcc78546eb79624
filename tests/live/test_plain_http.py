"""The client of models' servers: whatever HTTP allows is understood, and what it does not is told."""

import asyncio
import contextlib

import pytest

from genedge.live.plain_http import BrokenOffError, Server, passed_on

pytestmark = pytest.mark.heavy("h11")

ANSWERS = {
    "with its length": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
    "in chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", b"hello",
    ),
    "until the end": (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", b"hello"),
    "after a word in between": (
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi",
    ),
    "of the first version": (b"HTTP/1.0 200 OK\r\n\r\nhello", b"hello"),
    "without a body": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
}  # fmt: skip
BROKEN = {
    "nothing": b"",
    "no HTTP": b"220 smtp.example.com ESMTP\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello",
    "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhe",
    "a head without end": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000,
}


@contextlib.asynccontextmanager
async def server(answer, closes=True):
    """Hears one request after the other on a connection, answers each, and may then close it."""
    heard, connections = [], []

    async def serve(reader, writer):
        connections.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                fields = dict(line.lower().split(b": ", 1) for line in head.strip().split(b"\r\n")[1:])
                body = await reader.readexactly(int(fields.get(b"content-length", 0)))
                heard.append((head, body))
                writer.write(answer)
                await writer.drain()
                if closes:
                    break
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    asked = Server(listening.sockets[0].getsockname()[1])
    yield asked, heard, connections
    asked.close()
    listening.close()
    for writer in connections:
        writer.close()


async def whole(asked, method="POST", path="/x?y=%20", headers=None, body=b"question"):
    async with await asked.ask(method, path, headers or {}, body) as answer:
        return answer.status, b"".join([piece async for piece in answer.pieces()])


def timed(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 30))


@pytest.mark.parametrize("how", ANSWERS)
def test_answers(how):
    said, body = ANSWERS[how]

    async def ask():
        async with server(said) as (asked, heard, _):
            assert (await whole(asked))[1] == body
            ((head, sent),) = heard
            assert head.startswith(b"POST /x?y=%20 HTTP/1.1\r\n")
            assert sent == b"question"

    timed(ask())


@pytest.mark.parametrize("how", BROKEN)
def test_what_breaks_off_is_told(how):
    async def ask():
        async with server(BROKEN[how]) as (asked, _, _):
            with pytest.raises(BrokenOffError):
                await whole(asked)

    timed(ask())


def test_nobody_listens():
    async def ask():
        async with server(b"") as (asked, _, _):
            pass
        with pytest.raises(BrokenOffError, match=r"Connect call failed|refused"):
            await whole(asked)

    timed(ask())


def test_connections_are_kept_and_those_that_were_closed_are_not_used():
    said, _ = ANSWERS["with its length"]

    async def ask():
        async with server(said, closes=False) as (asked, heard, connections):
            for _ in range(5):
                assert await whole(asked) == (200, b"hello")
            assert (len(heard), len(connections)) == (5, 1)
            connections[0].close()
            await connections[0].wait_closed()
            await asyncio.sleep(0.05)
            assert await whole(asked) == (200, b"hello")
            # Two at a time need two.
            await asyncio.gather(whole(asked), whole(asked))
            assert len(connections) == 3

    timed(ask())


def test_an_answer_that_is_not_read_to_its_end_takes_its_connection_along():
    said, _ = ANSWERS["with its length"]

    async def ask():
        async with server(said, closes=False) as (asked, _, connections):
            async with await asked.ask("GET", "/", {}, b""):
                pass
            assert await whole(asked) == (200, b"hello")
            assert len(connections) == 2

    timed(ask())


def test_headers_of_a_connection_stay_behind_and_others_pass_as_they_are():
    headers = {
        "Connection": "keep-alive",
        "Transfer-Encoding": "chunked",
        "X-Name": "caf\xe9",
        "Content-Length": "9",
    }
    assert passed_on(headers) == {"X-Name": "caf\xe9"}

    async def ask():
        async with server(ANSWERS["with its length"][0]) as (asked, heard, _):
            await whole(asked, headers=passed_on(headers))
            assert b"X-Name: caf\xe9\r\n" in heard[0][0]
            with pytest.raises(BrokenOffError):
                await whole(asked, headers={"x": "a\r\nb: c"})

    timed(ask())

"""Messages are as long as a request or a result, come whole or not at all, and no faster than their rate."""

import socket
import threading
import time

import pytest

from genedge.testbed import wire


@pytest.fixture
def ends():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        here = socket.create_connection(listener.getsockname())
        there, _ = listener.accept()
        with here, there:
            yield here, there


@pytest.mark.parametrize("size", [1_000, 99_999, 1_000_000])
def test_a_message_is_as_long_as_it_should_be(size):
    assert len(wire.filled({"user": 3}, [b"picture", b"mask"], size)) == size


def test_a_message_that_does_not_fit_is_as_long_as_it_is():
    data = wire.filled({"user": 3}, [bytes(5_000)], 1_000)
    assert 5_000 < len(data) < 5_200


def test_it_comes_whole(ends):
    here, there = ends
    data = wire.filled({"user": 3}, [b"picture", b"", b"mask"], 2_000_000)
    sender = threading.Thread(target=wire.send, args=(here, data + b"next", None))
    sender.start()
    message = wire.receive(there)
    sender.join()
    assert message == wire.Message({"user": 3}, [b"picture", b"", b"mask"])
    # No byte of what follows is taken.
    assert there.recv(10) == b"next"


def test_half_a_message_is_none(ends):
    here, there = ends
    here.sendall(wire.filled({}, [b"picture"], 10_000)[:5_000])
    here.close()
    with pytest.raises(wire.Lost, match="closed after"):
        wire.receive(there)


@pytest.mark.parametrize(
    "bytes_",
    [b"\x00\x00\x00\x05hello", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x02{}", b'\x00\x00\x00\x0a{"size":9}'],
    ids=["no JSON", "beyond all bounds", "no size", "no parts"],
)
def test_something_else_is_refused(ends, bytes_):
    here, there = ends
    here.sendall(bytes_)
    here.close()
    with pytest.raises(wire.Lost):
        wire.receive(there)


def test_a_sender_that_paces_itself_is_never_faster_than_its_rate(ends):
    here, there = ends
    data = wire.filled({}, [], 250_000)
    began = time.monotonic()
    sender = threading.Thread(target=wire.send, args=(here, data, 8e6))
    sender.start()
    wire.receive(there)
    assert time.monotonic() - began >= 0.25
    sender.join()

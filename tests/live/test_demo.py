"""`genedge live --demo`: its address first, what came of it in the end, and nothing left whenever it is ended."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest
from live_server import alive, until

pytestmark = pytest.mark.heavy("starlette", "uvicorn", "httpx", "prometheus_client", "torch")

# Six seconds in place of a minute.
SHORT = """
from genedge import interruption
interruption.listen()
from genedge.live.demo import Play
Play.__new__.__defaults__ = (6.0, 1.5, 3, 0)
from genedge.cli import main
main()
"""


def marked(mark):
    """Processes that have it in their environment, as all have that were started by one that has."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark.encode() in path.read_bytes() and alive(int(path.parent.name)):
                found.append(int(path.parent.name))
    return found


class Demo:
    def __init__(self, *options):
        self.mark, self.said = uuid.uuid4().hex, []
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-c", SHORT, "live", "--demo", "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "GENEDGE_MARK": self.mark},
            start_new_session=True,
        )
        self.hears = threading.Thread(target=lambda: self.said.extend(self.process.stdout))
        self.hears.start()

    def says(self, what):
        return any(what in line for line in self.said)

    def ctrl_c(self):
        """As a terminal does: to all of the group."""
        os.killpg(self.process.pid, signal.SIGINT)


@contextlib.contextmanager
def demo(*options):
    running = Demo(*options)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
        running.process.wait()
        running.hears.join()
        running.process.stdout.close()


def hears(pid):
    """Whether it hears of signals; before, Python begins, and ends or is broken by them in its own way."""
    told = Path(f"/proc/{pid}/status").read_text()
    caught = int(told.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize(
    "moment", ["at once", "while it begins", "listening on", "Starting a second box", "requests by 3 users"]
)
def test_ctrl_c_at_any_moment_leaves_nothing(moment):
    with demo() as running:
        until(lambda: hears(running.process.pid))
        if moment == "while it begins":
            time.sleep(1.0)
        elif moment != "at once":
            until(lambda: running.says(moment) or running.process.poll() is not None, within_s=120)
        running.ctrl_c()
        assert running.process.wait(60) in (0, 130, -signal.SIGINT), running.said
        until(lambda: marked(running.mark) == [], within_s=20)
    assert not running.says("Traceback"), "".join(running.said)


def test_killed_it_leaves_nothing():
    with demo() as running:
        until(lambda: running.says("requests by 3 users") or running.process.poll() is not None, within_s=400)
        assert len(marked(running.mark)) > 3, running.said
        running.process.kill()
        until(lambda: marked(running.mark) == [], within_s=20)


def test_it_tells_what_came_of_it_and_goes_on(tmp_path):
    import httpx

    with demo("--journal", str(tmp_path / "journal")) as running:
        until(lambda: running.says("It goes on to serve") or running.process.poll() is not None, within_s=500)
        assert running.said[0].startswith("listening on http://127.0.0.1:")
        url = running.said[0].split()[-1]
        live, today = ([line for line in running.said if name in line] for name in ("live, dwell", "fifo+lru"))
        assert len(live) == len(today) == 1, running.said
        asked = int(next(line for line in running.said if " requests by 3 users" in line).split()[0])
        assert f"{asked} here" in today[0]
        assert " not" not in live[0]
        assert httpx.get(url, trust_env=False).status_code == 200
        box = httpx.get(f"{url}/v1/box", trust_env=False).json()
        assert box["counts"].get("edge", 0) + box["counts"].get("cloud", 0) == asked
        running.ctrl_c()
        assert running.process.wait(60) == 0
        until(lambda: marked(running.mark) == [], within_s=20)
    assert not running.says("Traceback"), "".join(running.said)

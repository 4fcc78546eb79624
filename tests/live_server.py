"""A live box over HTTP for tests, in a process of its own, whose models are servers that answer at once."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx

ECHO = """
import json, os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, load_s = int(sys.argv[1]), float(sys.argv[2])
time.sleep(load_s)


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer({"healthy": True})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fields = json.loads(body or b"{}")
        if fields.get("die"):
            os._exit(3)
        time.sleep(fields.get("takes_s", 0))
        while not os.path.exists(fields.get("until", "/")):
            time.sleep(0.01)
        self.answer({"path": self.path, "body": fields, "pid": os.getpid()})

    do_PUT = do_PATCH = do_DELETE = do_POST

    def answer(self, fields):
        body = json.dumps(fields).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


ThreadingHTTPServer(("127.0.0.1", port), Echo).serve_forever()
"""

BOX = """
name: echo
gpus: [{{memory_gb: 4}}]
models:
  defaults: {{memory_gb: 2, load_s: 0.2, B1_s_per_step: 0, B2_s: 0.001,
    worker: {{command: "{python} {echo} {{port}} 0", health: /healthz}}}}
  a: {{}}
  b: {{}}
  c: {{memory_gb: 3}}
  slow: {{worker: {{command: "{python} {echo} {{port}} 15", health: /healthz}}}}
  broken: {{worker: {{command: "{python} -c 'raise SystemExit(7)' {{port}}", health: /healthz}}}}
  large: {{memory_gb: 40}}
"""


class Live:
    """A box that listens: what it writes is taken as it comes, its access lines in `said`, the rest in `told`."""

    def __init__(self, process, url):
        self.process, self.client = process, httpx.Client(base_url=url, timeout=120, trust_env=False)
        self.url, self.said, self.told = url, [], []
        self.reading = [
            threading.Thread(target=into.extend, args=(stream,), daemon=True)
            for stream, into in ((process.stdout, self.said), (process.stderr, self.told))
        ]
        for thread in self.reading:
            thread.start()

    def complaints(self):
        """All that it has written besides access lines, once it has ended."""
        self.reading[1].join(10)
        return "".join(self.told)

    def ask(self, model, **fields):
        return self.client.post("/v1/anything", json={"model": model, **fields})

    def box(self):
        return self.client.get("/v1/box").json()

    def counted(self, name):
        """A number of the metrics."""
        lines = self.client.get("/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))

    def generates(self):
        return "generating" in [model["state"] for model in self.box()["gpus"][0]["resident"]]


@contextlib.contextmanager
def live(folder, *options, box=BOX, environment=None, ends_with=0):
    """Starts a box, and ends it."""
    folder = Path(folder)
    (folder / "echo.py").write_text(ECHO)
    (folder / "box.yaml").write_text(box.format(python=sys.executable, echo=folder / "echo.py"))
    process = subprocess.Popen(
        [sys.executable, "-m", "genedge", "live", str(folder / "box.yaml"), "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    served = None
    try:
        while (line := process.stderr.readline()).startswith("waiting for "):
            pass
        assert line.startswith("listening on "), line + process.stderr.read()
        served = Live(process, line.split()[-1])
        yield served
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert (status := process.wait(180)) == ends_with, (status, served.complaints())
    finally:
        if served is not None:
            served.client.close()
        process.kill()
        process.wait()
        if served is not None:
            for thread in served.reading:
                thread.join(10)
        process.stdout.close()
        process.stderr.close()


@contextlib.contextmanager
def gate(folder):
    """A file that is there after the block; requests whose `until` it is are being generated until then."""
    path = Path(folder) / "gate"
    try:
        yield str(path)
    finally:
        path.touch()


def until(true, within_s=60):
    """Waits for something."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(pid):
    """Whether a process is there, and no mere remains of one."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def child_of(parent, what):
    """A process's child that runs something."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            told, command = status.read_text(), (status.parent / "cmdline").read_text()
        except OSError:
            continue
        if f"\nPPid:\t{parent}\n" in told and what in command:
            return int(status.parent.name)
    return None

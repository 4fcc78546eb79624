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
        self.answer({"healthy": True})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fields = json.loads(body or b"{}")
        if fields.get("die"):
            os._exit(3)
        time.sleep(fields.get("takes_s", 0))
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
    """A box that listens."""

    def __init__(self, process, url):
        self.process, self.client = process, httpx.Client(base_url=url, timeout=120, trust_env=False)
        self.url, self.said = url, []
        self.access = threading.Thread(target=lambda: self.said.extend(self.process.stdout), daemon=True)
        self.access.start()

    def ask(self, model, **fields):
        return self.client.post("/v1/anything", json={"model": model, **fields})

    def box(self):
        return self.client.get("/v1/box").json()


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
            assert (status := process.wait(180)) == ends_with, (status, process.stderr.read())
    finally:
        if served is not None:
            served.client.close()
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


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

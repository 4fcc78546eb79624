"""Ctrl-C, SIGTERM and SIGHUP end every verb within seconds, in one line, and leave nothing half-written."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from genedge.interruption import STATUS

# With the time in which they are interrupted, from when they first listen; later they may be done.
VERBS = {
    "slots": ("slots --users 18 --count 3000", 4.0),
    "decide": ("decide --policy hcras --scenario paper", 4.0),
    "evaluate": ("evaluate --policies knapsack,optimal --users 10,18", 8.0),
    "train": ("train --out run", 8.0),
    "replay": ("replay trace.csv --box cloud-no-queue --memory 20", 4.0),
    "sweep": ("sweep --vary ddpg.batch=8,16 --out sweep", 15.0),
    "paper": ("paper --quick --out study", 15.0),
    "watch": ("watch --policy rcars --out watched.html", 6.0),
    "export": ("export learned exported", 4.0),
    "scenario show": ("scenario show paper", 0.5),
    "trace generate": ("trace generate --out drawn.csv", 2.0),
}
# Seconds; what a machine with nothing else to do needs is less than a tenth of it.
PATIENCE_S = 60.0


class Ended(NamedTuple):
    """How a command ended that was interrupted."""

    status: int
    err: str
    seconds: float


def start(command: str, folder: Path) -> subprocess.Popen[bytes]:
    """Starts a command in a process group of its own, and waits until it listens."""
    with (folder / "slots.jsonl").open("rb") as slots, (folder / "err.txt").open("wb") as err:
        process = subprocess.Popen(
            # Whoever runs the tests in the background may have told them to ignore these.
            ["env", "--default-signal=INT,HUP", sys.executable, "-m", "genedge", *command.split()],
            cwd=folder,
            stdin=slots,
            stdout=subprocess.DEVNULL,
            stderr=err,
            start_new_session=True,
        )
    while process.poll() is None and not listens(process.pid):
        time.sleep(0.005)
    return process


def listens(pid: int) -> bool:
    """Whether a process has a handler for SIGTERM, which Python itself has not."""
    status = Path(f"/proc/{pid}/status").read_text().split()
    return bool(int(status[status.index("SigCgt:") + 1], 16) >> (signal.SIGTERM - 1) & 1)


def end(process: subprocess.Popen[bytes], folder: Path, number: int = signal.SIGINT, group: bool = True) -> Ended:
    """Sends a signal, by default as a terminal does, to the whole group; nothing of it is alive afterwards."""
    begun = time.monotonic()
    if process.poll() is None:
        (os.killpg if group else os.kill)(process.pid, number)
    try:
        status = process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    seconds = time.monotonic() - begun
    while alive(process.pid) and time.monotonic() < begun + PATIENCE_S:
        time.sleep(0.02)
    assert not alive(process.pid)
    return Ended(status, (folder / "err.txt").read_text(), seconds)


def alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def check(ended: Ended, folder: Path, done: bool = False) -> None:
    """Checks that a command was interrupted, or done already, and left nothing half-written."""
    assert "Traceback" not in ended.err, ended
    assert "Exception ignored" not in ended.err, ended
    assert "Error" not in ended.err, ended
    if ended.status or not done:
        assert ended.status == STATUS, ended
        assert ended.err.splitlines()[-1].startswith("genedge: interrupted"), ended
        assert ended.err.count("genedge: ") == 1, ended
    assert list(folder.rglob(".*")) == []


@pytest.fixture(scope="module")
def inputs(genedge, tmp_path_factory):
    """A folder with slots and a trace."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "slots.jsonl").write_text(genedge("slots", "--users", 10, "--count", 50).out)
    assert genedge("trace", "generate", "--requests", 30_000, "--out", folder / "trace.csv").status == 0
    return folder


@pytest.fixture
def folder(inputs, tmp_path):
    for path in inputs.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


@pytest.mark.heavy
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks into /proc")
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("seed", range(20))
def test_at_any_moment(verb, seed, folder):
    """200 interrupts at random times."""
    command, most_s = VERBS[verb]
    process = start(command, folder)
    time.sleep(random.Random(f"{verb} {seed}").uniform(0, most_s))
    ended = end(process, folder)
    print(f"{verb}: status {ended.status} in {ended.seconds:.2f} s")
    assert ended.seconds < 5
    check(ended, folder, done=True)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_while_a_file_is_written(number, folder):
    """Each signal alike; what was written so far is removed, and what stood there before stays."""
    (folder / "drawn.csv").write_text("mine")
    process = start("trace generate --requests 100000000 --out drawn.csv", folder)
    while not list(folder.glob(".drawn.csv.*")):
        time.sleep(0.01)
    check(end(process, folder, number), folder)
    assert (folder / "drawn.csv").read_text() == "mine"


WRITER = """
import os, pathlib, sys
from genedge.files import unfinished_beside
from genedge.interruption import serve
serve(os.getppid())
print(flush=True)
while True:
    with unfinished_beside(pathlib.Path(sys.argv[1]) / "file") as hidden:
        hidden.touch()
"""


@pytest.mark.heavy
@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="asks for signals of threads")
def test_a_worker_that_writes_file_after_file_leaves_nothing_unfinished(tmp_path):
    """As often as it takes: once in forty times it began another while the first was removed."""
    for _ in range(150):
        worker = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE)
        worker.stdout.readline()
        time.sleep(random.uniform(0, 0.01))
        worker.terminate()
        assert worker.wait(PATIENCE_S) == STATUS
        worker.stdout.close()
        assert list(tmp_path.glob(".*")) == []


# What is raised is lost in all of these; a program that is interrupted in their midst ends all the same.
LOSING = {
    "a callback": """
import weakref
interruption.GRACE_S = 1000.0
class Thing: pass
def lose(_):
    raise_signal(SIGINT)
    for i in range(1000): pass
thing = Thing()
ref = weakref.ref(thing, lose)
del thing
time.sleep(60)
""",
    "somebody who catches everything": """
for _ in range(2):
    try:
        raise_signal(SIGINT)
        time.sleep(60)
    except BaseException:
        pass
    time.sleep(60)
""",
    "compiled code": """
import threading
threading.Timer(0.5, lambda: os.kill(os.getpid(), SIGINT)).start()
hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
""",
    "Ctrl-C again": """
import threading
threading.Timer(0.3, lambda: os.kill(os.getpid(), SIGINT)).start()
threading.Timer(1.2, lambda: os.kill(os.getpid(), SIGINT)).start()
interruption.GRACE_S = 1000.0
hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
""",
    "an import": """
import sys
sys.path.insert(0, str(pathlib.Path(__file__).parent))
try:
    import interrupted
except BaseException:
    time.sleep(60)
""",
    "another error": """
try:
    raise_signal(SIGINT)
    time.sleep(60)
except BaseException:
    raise RuntimeError("something else")
""",
    "the exit": """
import atexit
atexit.register(lambda: (raise_signal(SIGINT), time.sleep(60)))
""",
}


@pytest.mark.parametrize("case", LOSING)
def test_no_interruption_is_lost(case, tmp_path):
    """By code that runs as a verb of the program, between its start and its end."""
    (tmp_path / "interrupted.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\n")
    work = "".join(f"    {line}\n" for line in LOSING[case].splitlines())
    program = f"""
import hashlib, os, pathlib, time
from signal import SIGINT, default_int_handler, raise_signal, signal
import genedge.cli
from genedge import files, interruption

def work():
    hidden = files.unfinished_beside(pathlib.Path("result"))
    hidden.__enter__().write_text("half")
{work}
    hidden.__exit__(None, None, None)
    return 0, ""

signal(SIGINT, default_int_handler)
genedge.cli._outcome = work
genedge.cli.main()
"""
    path = tmp_path / "program.py"
    path.write_text(program)
    done = subprocess.run(
        [sys.executable, path], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=40
    )
    # At the exit all is done, and the status is that of what was done.
    assert (done.returncode, done.stderr) == ((0, "") if case == "the exit" else (STATUS, "genedge: interrupted\n"))
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_worker_leaves_ctrl_c_to_its_parent_and_ends_when_told_to(number, tmp_path):
    """At once, in the midst of compiled code, without a word and with nothing half-written."""
    program = """
import hashlib, os, pathlib, signal
from genedge import files, interruption
interruption.serve(os.getppid())
with files.unfinished_beside(pathlib.Path("result")) as hidden:
    hidden.write_text("half")
    signal.raise_signal(signal.SIGINT)
    print("working", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as worker:
        assert worker.stdout.readline() == b"working\n"
        time.sleep(0.3)
        assert worker.poll() is None
        worker.send_signal(number)
        assert worker.wait(PATIENCE_S) == STATUS
        assert worker.stdout.read() == b""
    assert list(tmp_path.iterdir()) == []


def test_the_user_is_told_how_to_go_on(tmp_path):
    program = """
import genedge.cli, signal
from genedge import interruption
def work():
    with interruption.resumable("the same command goes on"):
        signal.raise_signal(signal.SIGTERM)
genedge.cli._outcome = work
genedge.cli.main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (STATUS, "genedge: interrupted; the same command goes on\n")

"""One writer at a time: of processes and of threads, whatever becomes of the one that holds a folder."""

import subprocess
import sys
import threading
import time

import pytest

from genedge.errors import InputError
from genedge.export.folder import _whole_folder
from genedge.folders import LOCK, is_empty, one_writer
from genedge.learn.runs import create_run, open_run
from genedge.scenario import load_scenario

HOLDER = """
import sys
from pathlib import Path
from genedge.folders import one_writer

with one_writer(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder():
    """A function: folder -> another process that writes to it until its standard input ends."""
    started = []

    def hold(folder):
        command = [sys.executable, "-c", HOLDER, str(folder)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in started:
        process.kill()
        process.communicate()


def test_another_process_is_named_and_a_killed_one_holds_nobody_up(holder, tmp_path):
    folder = tmp_path / "a" / "b"
    process = holder(folder)
    told = rf"{folder}: is being written by another genedge \(process {process.pid}\); wait for it, or choose"
    with pytest.raises(InputError, match=told), one_writer(folder):
        raise AssertionError("two writers")
    process.kill()
    process.wait()
    # Its file is still there, and is nobody's lock.
    assert (folder / LOCK).read_text() == str(process.pid)
    assert is_empty(folder)
    with one_writer(folder):
        (folder / "mine").touch()
    assert [path.name for path in folder.iterdir()] == ["mine"]


def test_one_that_ends_leaves_nothing(holder, tmp_path):
    process = holder(tmp_path / "a" / "b")
    process.communicate("")
    assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stop", [KeyboardInterrupt, InputError])
def test_whatever_ends_the_work_ends_the_lock(stop, tmp_path):
    folder = tmp_path / "out"
    for _ in range(2):
        with pytest.raises(stop), one_writer(folder):
            raise stop("now")
    assert not folder.exists()


def test_threads_never_meet(tmp_path):
    """They come and go, so that the lock's file and its folder are made and removed under each other's hands."""
    folder, inside, met, entered, refused = tmp_path / "deep" / "out", [], [], [], []

    def work(me):
        for _ in range(100):
            try:
                with one_writer(folder):
                    inside.append(me)
                    time.sleep(1e-4)
                    met.extend([list(inside)] * (len(inside) > 1))
                    entered.append(me)
                    inside.remove(me)
            except InputError as e:
                refused.append(str(e))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert met == []
    assert entered
    assert len(entered) + len(refused) == 400
    assert all("is being written by another genedge" in text for text in refused)
    assert not (folder / LOCK).exists()


def test_of_runs_made_at_once_one_is_whole_and_the_others_are_refused(tmp_path):
    folder, start, made, refused = tmp_path / "run", threading.Barrier(4), [], []
    scenarios = [load_scenario("paper", [f"seed={i}"]) for i in range(4)]

    def make(i):
        start.wait()
        try:
            create_run(folder, scenarios[i], 3, "ddpg", 10, i)
            made.append(i)
        except InputError as e:
            refused.append(str(e))

    threads = [threading.Thread(target=make, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = made
    run = open_run(folder)
    assert (run.seed, run.scenario.settings.seed) == (winner, winner)
    assert sorted(path.name for path in folder.iterdir()) == ["run.json", "scenario.yaml"]
    assert len(refused) == 3
    assert all("is being written" in text or "already there and not empty" in text for text in refused)


def test_of_exports_made_at_once_the_first_stays(tmp_path):
    out = tmp_path / "out"

    def write(word, meanwhile):
        with _whole_folder(out) as folder:
            (folder / "cell.json").write_text(word)
            meanwhile()

    with pytest.raises(InputError, match="out: already there and not empty; choose another folder"):
        write("second", lambda: write("first", lambda: None))
    assert (out / "cell.json").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("there", ["a file", "a folder of that name", "a link", "no permission to write"])
def test_a_folder_that_cannot_be_held(there, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    victim = tmp_path / "victim"
    victim.write_text("mine")
    if there == "a file":
        folder.write_text("mine")
    else:
        folder.mkdir()
    if there == "a folder of that name":
        (folder / LOCK).mkdir()
    elif there == "a link":
        (folder / LOCK).symlink_to(victim)
    elif there == "no permission to write":

        def refuse(*arguments):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("genedge.folders.os.open", refuse)
    with pytest.raises(InputError, match="out: cannot be written: "), one_writer(folder):
        raise AssertionError("held")
    assert victim.read_text() == "mine"


def test_where_there_are_no_such_locks_a_sentence_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with pytest.raises(InputError, match="genedge runs on Linux and macOS"), one_writer(tmp_path / "out"):
        raise AssertionError("held")
    assert not (tmp_path / "out").exists()

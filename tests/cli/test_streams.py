"""Inputs that are no plain files, and standard streams that are closed or full, for every verb."""

import os
import socket
import subprocess
import sys

import pytest

from genedge import files

# Each has a place for the file; those that read a name as something else say that there is no such thing.
READERS = {
    "scenario show FILE": "",
    "slots --scenario FILE": "",
    "decide --policy rcars --scenario FILE": "",
    "decide --policy FILE": "",
    "decide --policy sb3:FILE": "",
    "decide --policy FILE:decide": ".py",
    "score --slots FILE": "",
    "train --out new --scenario FILE": "",
    "train --resume FILE": "",
    "evaluate --policies FILE": "",
    "watch --policy FILE": "",
    "runs FILE": "",
    "export FILE new": "",
    "cite FILE": "",
    "replay FILE --box cloud-no-queue": ".csv",
    "replay --box FILE trace.csv": ".yaml",
    "trace convert FILE --out new.csv": ".csv",
}
# Of a run's folder; a policy of a run reads the last.
WITHIN = {
    "run.json": "cite run",
    "scenario.yaml": "cite run",
    "metrics.jsonl": "runs run",
    "best.npz": "export run new",
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Tests need not wait for a second until nobody writes to a pipe."""
    monkeypatch.setattr(files, "WRITER_WITHIN_MS", 50)


def make(kind, path):
    """Something at a path that is no plain file; what must be closed afterwards."""
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    else:
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(path))
        listening.close()


def refused(answer, folder, before):
    assert answer.status == 2, answer
    assert answer.out == ""
    assert "Traceback" not in answer.err
    assert answer.err.strip().splitlines()[-1].startswith(("genedge: ", "Error: ")), answer.err
    assert sorted(path.name for path in folder.rglob("*")) == before


@pytest.mark.parametrize("kind", ["folder", "pipe", "endless", "socket"])
@pytest.mark.parametrize("command", READERS)
def test_what_is_no_plain_file_is_refused(command, kind, genedge, tmp_path, monkeypatch):
    """At once: no pipe that nobody writes to is waited for, and nothing without an end is read into the memory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trace.csv").write_text("time,model,user,steps\n0,a,u,1\n")
    name = f"there{READERS[command]}"
    make(kind, tmp_path / name)
    before = sorted(path.name for path in tmp_path.rglob("*"))
    words = command.replace("FILE", name).split()
    refused(genedge(*words, stdin="{}"), tmp_path, before)


@pytest.mark.parametrize("kind", ["folder", "pipe", "endless", "socket"])
@pytest.mark.parametrize("file", WITHIN)
def test_nor_is_it_in_the_folder_of_a_run(file, kind, genedge, tmp_path, monkeypatch):
    from genedge.learn.runs import create_run
    from genedge.scenario import load_scenario

    monkeypatch.chdir(tmp_path)
    create_run(tmp_path / "run", load_scenario("paper"), None, "ddpg", 1, 0)
    (tmp_path / "run" / file).unlink(missing_ok=True)
    make(kind, tmp_path / "run" / file)
    before = sorted(path.name for path in tmp_path.rglob("*"))
    refused(genedge(*WITHIN[file].split()), tmp_path, before)


# --- Processes of their own ------------------------------------------------------------------------------------


def shell(command, folder):
    """Runs a line of the shell, in which `genedge` is this one."""
    script = f'genedge() {{ "{sys.executable}" -m genedge "$@"; }}; {command}'
    return subprocess.run(
        ["bash", "-c", script], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def test_pipes_are_read_as_files_are(genedge, tmp_path):
    def piped(text):
        """The name that the shell gives a pipe, in `<(...)`."""
        read, write = os.pipe()
        os.write(write, text.encode())
        os.close(write)
        return f"/dev/fd/{read}"

    slots = genedge(*["slots", "--users", "3", "--count", "1"]).out
    (tmp_path / "slots.jsonl").write_text(slots)
    decided = genedge("decide", "--policy", "greedy", stdin=slots).out
    scored = genedge("score", "--slots", tmp_path / "slots.jsonl", stdin=decided)
    assert scored.status == 0
    assert genedge("score", "--slots", piped(slots), stdin=decided) == scored
    mine = "name: mine\nbase: paper\nradio: {uplink_bandwidth_mhz: 10}\n"
    (tmp_path / "mine.yaml").write_text(mine)
    shown = genedge("scenario", "show", tmp_path / "mine.yaml", "--json")
    assert shown.status == 0
    assert genedge("scenario", "show", piped(mine), "--json") == shown


@pytest.mark.parametrize(
    ("source", "words"),
    [
        # A folder is refused by Python itself, before this program begins.
        ("< /dev/zero", "standard input line 1: longer than"),
        ("< <(yes)", "standard input line 1, column 1: not valid JSON"),
        ("<&-", "standard input is closed"),
    ],
)
def test_standard_input_is_read_with_care(source, words, tmp_path):
    done = shell(f"ulimit -v 8000000; genedge decide --policy rcars {source}", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"genedge: {words}")
    assert done.stderr.count("\n") == 1


DRAW = "trace generate --requests 20000 --out drawn.csv"


@pytest.mark.parametrize("where", [">&-", "> /dev/full"])
def test_lost_results_are_told_once(where, tmp_path):
    """Before any work where that is known then."""
    for command in ("scenario show paper", "--version", "--help", DRAW):
        done = shell(f"genedge {command} {where}", tmp_path)
        assert done.returncode == 2, command
        message = done.stderr.splitlines()[-1]
        assert message == (
            "genedge: standard output is closed; send it to a file, or to /dev/null"
            if where == ">&-"
            else "genedge: output: No space left on device"
        )
        assert done.stderr.count("genedge: ") == 1
    assert (tmp_path / "drawn.csv").exists() == (where != ">&-")


@pytest.mark.parametrize("where", ["2>&-", "2> /dev/full", "2> >(true)", "<&- 2>&-"])
def test_progress_never_ends_the_work(where, genedge, tmp_path):
    """Nor is any of it written into files or among the results."""
    wanted = genedge(*DRAW.replace("drawn.csv", str(tmp_path / "wanted.csv")).split())
    done = shell(f"genedge {DRAW} {where}", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == wanted.out.replace(str(tmp_path / "wanted.csv"), "drawn.csv")
    assert (tmp_path / "drawn.csv").read_bytes() == (tmp_path / "wanted.csv").read_bytes()


def test_a_streams_number_is_given_to_no_file(tmp_path):
    """What a library prints there would be written into it."""
    program = """
import os
from genedge.cli import streams
streams.mend_streams()
with open("file", "w") as file:
    assert file.fileno() > 2
    os.write(2, b"printed by a library")
"""
    (tmp_path / "program.py").write_text(program)
    done = shell(f'"{sys.executable}" program.py <&- >&- 2>&-', tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "file").read_text() == ""


@pytest.mark.parametrize("where", ["2>&-", "2> /dev/full"])
def test_what_cannot_be_told_still_has_its_status(where, tmp_path):
    done = shell(f"genedge scenario show nothing {where}", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


PLATFORMS = ["cuda", "nonsense", ",", "CPU"]
ON_JAX = ["slots", "decide --policy rcars", "score --slots /dev/null", "train --out new", "export learned new"]
ON_JAX += ["evaluate --policies rcars", "watch --policy rcars", "paper --out new", "demo --out new"]


@pytest.mark.parametrize("command", ON_JAX)
def test_platforms_that_jax_does_not_find_are_refused_first(command, genedge, tmp_path, monkeypatch):
    """Here the answer of JAX is made up, as it asks its environment once in a process."""
    import jax

    from genedge.xla import require_device

    def devices():
        raise AssertionError

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(jax, "devices", devices)
    require_device.cache_clear()
    refused(genedge(*command.split()), tmp_path, [])


@pytest.mark.heavy
@pytest.mark.parametrize("platform", PLATFORMS)
def test_as_jax_itself_answers(platform, tmp_path):
    done = shell(f"JAX_PLATFORMS={platform} genedge slots", tmp_path)
    message = f"genedge: JAX_PLATFORMS is {platform!r}: JAX finds no such device here; unset it, or set it to cpu\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)


NOWHERE = "JAX finds no such device here; unset it, or set it to cpu"
ENVIRONMENTS = {
    "JAX_PLATFORM_NAME=gpu": f"JAX_PLATFORM_NAME is 'gpu': {NOWHERE}",
    "JAX_DEFAULT_DEVICE=tpu": f"JAX_DEFAULT_DEVICE is 'tpu': {NOWHERE}",
    "JAX_ENABLE_X64=maybe": "JAX does not start: invalid truth value 'maybe' for environment 'JAX_ENABLE_X64'; "
    "mend or unset the environment variable",
    "JAX_NUM_CPU_DEVICES=few": 'JAX does not start: Invalid value "few" for JAX flag jax_num_cpu_devices; '
    "mend or unset the environment variable",
}


@pytest.mark.heavy
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_keeps_jax_from_starting_is_one_line(environment, tmp_path):
    done = shell(f"{environment} genedge slots", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"genedge: {ENVIRONMENTS[environment]}\n")


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path):
    (tmp_path / "file").touch()
    environment = f"XDG_CACHE_HOME={tmp_path}/file PYTHONWARNINGS=error JAX_RAISE_PERSISTENT_CACHE_ERRORS=1"
    done = shell(f"{environment} genedge slots --count 1 --users 1", tmp_path)
    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (0, 1, "")


def test_in_python_it_is_one_line_too(tmp_path):
    program = """
import genedge
scenario = genedge.load_scenario("paper")
params = scenario.params
for call in (lambda: genedge.policy("learned", scenario), lambda: genedge.sample_episode(params, 0, 1, 1, 1)):
    try:
        call()
    except genedge.InputError as e:
        print(e)
"""
    environment = {**os.environ, "JAX_PLATFORMS": "cuda"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.count("JAX_PLATFORMS is 'cuda': JAX finds no such device here") == 2

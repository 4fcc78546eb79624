"""Runs side by side: what is done is not done again, what diverges is kept, and bits are those of lone runs."""

import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from alike import assert_same_end

from genedge.engines import ONE_THREAD
from genedge.learn import runs, side_by_side
from genedge.learn.training import DivergedError

SETTINGS = (
    *("ddpg.hidden_layers=[16]", "ddpg.batch=8", "ddpg.warmup_slots=20", "ddpg.replay_size=200"),
    *("cell.slots_per_episode=5", "cell.users=2", "cell.places=3", "models.count=4"),
)
SMALL = [word for setting in SETTINGS for word in ("--set", setting)] + ["--episodes", "30"]
# The larger rate diverges at once.
RATES = ("--vary", "ddpg.critic_learning_rate=1e-3,1e15")
GOOD, BAD = "ddpg.critic_learning_rate=0.001", "ddpg.critic_learning_rate=1e+15"


@pytest.fixture
def trained(monkeypatch):
    """The names of what is trained, which is done in this process, and made up."""
    names = []

    def train_run(run, report):
        names.append(f"{run.folder.parent.name}/{run.folder.name}")
        diverged = run.folder.parent.name == BAD
        rows = [] if diverged else [dict.fromkeys(run.row, episode) for episode in (10, 20, 30)]
        (run.folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        for name in () if diverged else ("checkpoint.npz", "best.npz", "last.npz", "card.md"):
            (run.folder / name).touch()
        (run.folder / "ended.json").write_text(json.dumps({"ended": "diverged" if diverged else "finished"}))
        if diverged:
            raise DivergedError("diverged")

    def engine(work):
        for piece, folder in work.items():
            yield piece, piece.run(folder)

    monkeypatch.setattr(side_by_side, "train_run", train_run)
    monkeypatch.setattr("genedge.cli.verbs.sweep.chosen_engine", lambda name, address: engine)
    monkeypatch.setattr("genedge.engines.on_cores", engine)
    return names


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_has_ended_is_not_trained_again(trained, genedge, tmp_path):
    sweep = ("sweep", *RATES, *SMALL, "--out", tmp_path / "s")
    answer = genedge(*sweep, "--seeds", "0,1")
    assert answer.status == 0, answer.err
    assert trained == [f"{setting}/seed-{seed}" for setting in (GOOD, BAD) for seed in (0, 1)]
    told = answer.out.splitlines()
    assert told[:3] == [
        *(f"{tmp_path}/s/{BAD}/seed-{seed}: training diverged; it is not trained again" for seed in (0, 1)),
        f"{tmp_path}/s: 4 runs, 2 of them diverged",
    ]
    cell = f"--scenario {tmp_path}/s/{GOOD}/seed-0/scenario.yaml --users 2"
    assert told[3:] == [f"next: genedge evaluate --policies '{tmp_path}/s/*' {cell}"]
    # What is done within a second tells nothing of its progress.
    assert not answer.err or answer.err.splitlines()[-1].startswith("[120/120] 4 of 4 runs done")

    before = files(tmp_path)
    again = genedge(*sweep, "--seeds", "0,1")
    assert (again.status, again.out, len(trained)) == (0, answer.out, 4)
    assert files(tmp_path) == before
    # More seeds: only these.
    assert genedge(*sweep, "--seeds", "0,1,2").status == 0
    assert trained[4:] == [f"{GOOD}/seed-2", f"{BAD}/seed-2"]
    # What a finished run came to is gone: trained again, from what is there.
    (tmp_path / "s" / GOOD / "seed-0" / "best.npz").unlink()
    assert genedge("train", "--resume", tmp_path / "s").status == 0
    assert trained[6:] == [f"{GOOD}/seed-0"]


def test_runs_are_ordinary_ones(trained, genedge, tmp_path):
    assert genedge("sweep", *RATES, *SMALL, "--seeds", "3", "--out", tmp_path / "s").status == 0
    good, bad = genedge("runs", tmp_path / "s", "--json").rows
    assert [row["run"] for row in (good, bad)] == [f"{tmp_path}/s/{setting}/seed-3" for setting in (GOOD, BAD)]
    assert [(row["episode"], row["ended"]) for row in (good, bad)] == [(30, "finished"), (0, "diverged")]
    assert good["settings"] == {"ddpg.critic_learning_rate": 0.001}
    shown = genedge("runs", tmp_path / "s").out
    assert "30 of 30" in shown
    assert "0 of 30, diverged" in shown


@pytest.mark.parametrize("verb", ["sweep", "train"])
def test_an_interrupted_one_goes_on_with_the_same_command(verb, trained, genedge, tmp_path, monkeypatch):
    varied = (*RATES[:1], GOOD) if verb == "sweep" else ()
    command = (verb, *varied, *SMALL, "--seeds", "0,1,2", "--out", tmp_path / "s")
    place = f"{GOOD if verb == 'sweep' else 's'}/seed-"
    with monkeypatch.context() as patch:
        patch.setattr(side_by_side, "describe", interrupted_after(2, side_by_side.describe))
        answer = genedge(*command)
    assert (answer.status, trained) == (130, [])
    assert answer.err.splitlines()[-1] == "genedge: interrupted; the same command goes on from here"
    with monkeypatch.context() as patch:
        patch.setattr(side_by_side, "train_run", interrupted_after(1, side_by_side.train_run))
        answer = genedge(*command)
    assert (answer.status, trained) == (130, [f"{place}0"])
    assert genedge(*command).status == 0
    assert trained == [f"{place}{seed}" for seed in (0, 1, 2)]


def interrupted_after(calls, function):
    done = 0

    def call(*arguments):
        nonlocal done
        done += 1
        if done > calls:
            raise KeyboardInterrupt
        return function(*arguments)

    return call


def test_another_commands_runs_are_left_alone(trained, genedge, tmp_path):
    out = tmp_path / "s"
    assert genedge("train", *SMALL, "--seeds", "0,1", "--out", out).status == 0
    before = files(tmp_path)
    others = [
        ("train", *SMALL, "--seeds", "0", "--out", out),
        ("train", *SMALL, "--seeds", "0,1,2", "--users", 1, "--out", out),
        ("train", *SMALL, "--set", "ddpg.batch=4", "--seeds", "0,1", "--out", out),
        ("sweep", *RATES, *SMALL, "--out", out),
    ]
    for other in others:
        answer = genedge(*other)
        assert answer.status == 2
        (line,) = answer.err.splitlines()
        assert line.startswith(f"genedge: {out}: holds runs of another command, such as {out}/seed-")
        assert line.endswith("; choose another --out, or give the command that made them")
    (tmp_path / "mine" / "seed-0").mkdir(parents=True)
    (tmp_path / "mine" / "seed-0" / "notes.txt").write_text("mine")
    answer = genedge("train", *SMALL, "--seeds", "0,1", "--out", tmp_path / "mine")
    assert (answer.status, answer.err.splitlines()) == (
        2,
        [f"genedge: {tmp_path}/mine/seed-0: already there and not empty; choose another folder"],
    )
    assert {path: path.read_bytes() for path in before} == before
    assert len(trained) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("sweep", "--vary", "ddpg.batch=4,4"), "--vary ddpg.batch=4,4: a value is there twice; give each once"),
        (("sweep", "--vary", "ddpg.batch"), "--vary ddpg.batch: write key=value,value"),
        (("sweep", "--vary", "ddpg.batch=4,0"), "ddpg.batch must be"),
        (("sweep", "--vary", "ddpg.btch=4"), "did you mean ddpg.batch?"),
        (("sweep", "--vary", "ddpg.batch=4", "--seeds", "0,0"), "--seeds 0,0: a seed is there twice"),
        (("sweep", "--vary", "ddpg.batch=4", "--engine", "slurm"), "no such engine; there are local and ray"),
        (("sweep", "--vary", "ddpg.batch=4", "--address", "host:1"), "give --engine ray with it"),
        (("sweep", "--vary", "ddpg.batch=4", "--users", "99"), "--users 99: the cell has 18 places"),
        (("train", "--seeds", "0,x"), "--seeds 0,x: write whole numbers with commas, such as 0,1,2"),
        (("train", "--seeds", "0,1", "--seed", "3"), "--seed and --seeds: give one of them"),
    ],
)
def test_refused_before_there_is_a_folder(options, message, genedge, tmp_path):
    answer = genedge(*options, "--out", tmp_path / "s")
    assert (answer.status, answer.out) == (2, "")
    assert message in answer.err
    assert "Traceback" not in answer.err
    assert not (tmp_path / "s").exists()


def test_a_file_is_no_folder(genedge, tmp_path):
    (tmp_path / "s").write_text("mine")
    answer = genedge("train", "--seeds", "0,1", "--out", tmp_path / "s")
    assert (answer.status, (tmp_path / "s").read_text()) == (2, "mine")
    assert answer.err == f"genedge: {tmp_path}/s: already there and not empty; choose another folder\n"


# --- Trained indeed -----------------------------------------------------------------------------------------


def alone(folder, *options):
    """A run that is trained by itself, on one thread."""
    command = [sys.executable, "-m", "genedge", "train", *SMALL, *options, "--out", str(folder)]
    done = subprocess.run(command, env=os.environ | ONE_THREAD, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def seen(folder, what, process):
    """Waits until something is there, while the process goes on."""
    while not (found := list(folder.glob(what))):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    return found


def workers_of(pid):
    """Those of its child processes that train, not what Python itself starts beside them."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


@pytest.mark.heavy
def test_bits_are_those_of_lone_runs(genedge, tmp_path):
    answer = genedge("train", *SMALL, "--seeds", "0,1", "--out", tmp_path / "s")
    assert answer.status == 0, answer.err
    for seed in (0, 1):
        alone(tmp_path / f"{seed}", "--seed", str(seed))
        assert_same_end(tmp_path / "s" / f"seed-{seed}", tmp_path / f"{seed}")
        assert runs.open_run(tmp_path / "s" / f"seed-{seed}").id == runs.open_run(tmp_path / f"{seed}").id


@pytest.mark.heavy
def test_what_is_killed_and_interrupted_goes_on(genedge, tmp_path):
    """A worker is killed, then the whole is interrupted; it ends with the bits of lone runs all the same."""
    long = [word for word in SMALL if word != "30"] + ["12000"]
    command = [sys.executable, "-m", "genedge", "sweep", *long, *RATES[:1], GOOD, "--seeds", "0,1"]
    command += ["--out", str(tmp_path / "s")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        seen(tmp_path / "s", f"{GOOD}/seed-0/metrics.jsonl", process)
        answer = genedge(*command[3:])
        assert (answer.status, "is being written by another genedge" in answer.err) == (2, True)
        killed = workers_of(process.pid)
        os.kill(killed[0], signal.SIGKILL)
        # Until others are in their place; they take seconds to begin.
        while not set(workers_of(process.pid)) - set(killed):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    answer = genedge(*command[3:])
    assert answer.status == 0, answer.err
    for seed in (0, 1):
        alone(tmp_path / f"{seed}", "--seed", str(seed), "--episodes", "12000", "--set", GOOD)
        assert_same_end(tmp_path / "s" / GOOD / f"seed-{seed}", tmp_path / f"{seed}")


# Ray starts its daemons by fork, of which JAX warns; they never call it.
@pytest.mark.filterwarnings("ignore:os.fork\\(\\) was called:RuntimeWarning")
@pytest.mark.heavy("ray")
def test_on_ray_it_is_the_same(genedge, tmp_path):
    """Also that a run diverged comes back from the nodes."""
    for engine in ("local", "ray"):
        answer = genedge("sweep", *SMALL, *RATES, "--engine", engine, "--out", tmp_path / engine)
        assert answer.status == 0, answer.err
        assert f"{tmp_path / engine}: 2 runs, 1 of them diverged" in answer.out
    assert_same_end(tmp_path / "ray" / GOOD / "seed-0", tmp_path / "local" / GOOD / "seed-0")
    names = [
        {path.relative_to(tmp_path / engine) for path in files(tmp_path / engine)} for engine in ("local", "ray")
    ]
    assert names[0] == names[1]
    cards = [(tmp_path / engine / GOOD / "seed-0" / "card.md").read_text() for engine in ("local", "ray")]
    told = [[line for line in card.splitlines() if line.startswith("genedge train")] for card in cards]
    assert told[0] == [line.replace(str(tmp_path / "ray"), str(tmp_path / "local")) for line in told[1]]


@pytest.mark.heavy
def test_the_next_command_is_one(genedge, tmp_path):
    answer = genedge("train", *SMALL, "--seeds", "0,1", "--out", tmp_path / "s")
    _, *words = shlex.split(answer.out.splitlines()[-1].removeprefix("next: "))
    answer = genedge(*words, "--episodes", 1)
    assert answer.status == 0, answer.err
    assert "2 seeds × 1 episode" in answer.out


def test_all_runs_of_a_sweep_train_on_the_same_file(trained, genedge, tmp_path):
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    slots = genedge("slots", "--count", "10", "--seed", "3", *settings).out
    (tmp_path / "s.jsonl").write_text(slots)
    sweep = ("sweep", "--vary", "ddpg.batch=4,8", *SMALL, "--slots", tmp_path / "s.jsonl", "--seeds", "0,1")
    answer = genedge(*sweep, "--out", tmp_path / "s")
    assert answer.status == 0, answer.err
    described = [json.loads(path.read_text()) for path in (tmp_path / "s").rglob("run.json")]
    digest = hashlib.sha256(slots.encode()).hexdigest()
    assert [(run["slots"], run["slots_sha256"]) for run in described] == [(str(tmp_path / "s.jsonl"), digest)] * 4
    assert f"--slots {tmp_path}/s.jsonl" in answer.out.splitlines()[-1]

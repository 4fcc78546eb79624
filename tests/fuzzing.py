"""A fuzzer of the doors: damaged files and command lines go in; one line and status 2, or a result, comes out.

`make fuzz MINUTES=10` damages what is in the corpus, door after door, until the time is over, and prints how many
inputs came through clean. An input that does not is made small, printed, and put into the corpus, where the tests
meet it from then on.

The corpus is `tests/corpus/DOOR/NAME`; what is wrong or odd in each is in its name.
"""

import atexit
import contextlib
import json
import re
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from command_line import Answer, call
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from made_up import made_up

from genedge.errors import InputError
from genedge.export import runner
from genedge.learn.runs import create_run
from genedge.paper.folder import keep, listed, load
from genedge.paper.tasks import Found, Measure
from genedge.scenario import load_scenario

CORPUS = Path(__file__).parent / "corpus"
# No input here may take longer, or more memory, than this: what is refused is refused before the work.
MOST_S = 20.0
MOST_KIB = 1_000_000

# What breaks readers of YAML, JSON, CSV and command lines.
WORDS = (
    *(b"", b"0", b"-1", b"1e3", b"1e400", b"-0.0", b".nan", b".inf", b"NaN", b"Infinity", b"5e-324", b"1e15"),
    *(b"0x10", b"1_000", b"1:30", b"9" * 5000, b"0x" + b"f" * 5000, b"2024-13-45", b"2024-11-15T16:57:50+08:00"),
    *(b"true", b"null", b"~", b"[]", b"{}", b"[1, 2]", b"{a: 1}", b"'", b'"', b"\\", b"$", b"$x_1$", b"=1+1"),
    *(b"!!int ''", b"!!bool x", b"!!timestamp x", b"!!float x", b"!!binary x", b"!!python/object:os.system x"),
    *(b"&a", b"*a", b"<<: *a", b"? [1]", b"---", b"...", b"%YAML 1.1", b"!!set {a}", b"!!omap [a: 1]", b"|"),
    *(b"[" * 2000, b"{a: " * 500, b"\x00", b"\xff", b"\xef\xbb\xbf", b"\r", b"\n", b"\t", b",", b";", b":", b"#"),
    *(b"\x1b[31m", b"[red]", b"\xe2\x80\xae", b"\xed\xa0\x80", b"../x", b"/dev/null", b"name", b"value", b"base"),
)
TASK = Measure("paper", (), 1, (3,), ("rcars",), 1, "")
TOKEN = re.compile(rb"[^\s,:{}\[\]\"'=]+")


def _scenario(data: bytes, folder: Path) -> Answer:
    (folder / "mine.yaml").write_bytes(data)
    return call("scenario", "show", folder / "mine.yaml", "--json")


def _set(data: bytes, folder: Path) -> Answer:
    return call("scenario", "show", "paper", "--json", "--set", _argument(data))


def _plan(data: bytes, folder: Path) -> Answer:
    # The study itself is not asked for: a folder that cannot be made ends it after the plan was read.
    (folder / "file").touch()
    return call("paper", "--quick", "--out", folder / "file" / "study", "--plan", _argument(data))


def _catalogue(data: bytes, folder: Path) -> Answer:
    (folder / "mine.yaml").write_bytes(data)
    return _replay(CORPUS / "trace" / "valid.csv", "--set", f"models={folder / 'mine.yaml'}")


def _trace(data: bytes, folder: Path) -> Answer:
    (folder / "trace.csv").write_bytes(data)
    return _replay(folder / "trace.csv")


def _trace_lines(data: bytes, folder: Path) -> Answer:
    (folder / "trace.jsonl").write_bytes(data)
    return _replay(folder / "trace.jsonl")


def _replay(trace: Path, *more: object) -> Answer:
    given = ("--box", "cloud-no-queue", "--memory", 16, "--schedulers", "lru,cost-aware,static", "--json")
    return call("replay", trace, *given, *more)


def _measurements(data: bytes, folder: Path) -> Answer:
    (folder / "runs.csv").write_bytes(data)
    return call("fit", folder / "runs.csv", "--json", "--out", folder / "models.yaml", "--model", "mine")


def _gentd26(data: bytes, folder: Path) -> Answer:
    return _converted(data, folder, "--format", "gentd26")


def _table(data: bytes, folder: Path) -> Answer:
    return _converted(data, folder, "--columns", "time=when,model=Model,user=Who,steps=n,generation_s=took")


def _llama_swap(data: bytes, folder: Path) -> Answer:
    return _converted(data, folder, "--format", "llama-swap")


def _ollama(data: bytes, folder: Path) -> Answer:
    return _converted(data, folder, "--format", "ollama")


def _converted(data: bytes, folder: Path, *how: str) -> Answer:
    """What is converted is a trace, which is looked at."""
    (folder / "requests").write_bytes(data)
    answer = call("trace", "convert", folder / "requests", "--out", folder / "out.csv", *how)
    return answer if answer.status else call("trace", "show", folder / "out.csv", "--json")


def _slots(data: bytes, folder: Path) -> Answer:
    (folder / "slots.jsonl").write_bytes(data)
    return call(
        "score", "--slots", folder / "slots.jsonl", stdin=(CORPUS / "decisions" / "valid.jsonl").read_bytes()
    )


def _decisions(data: bytes, folder: Path) -> Answer:
    return call("score", "--slots", CORPUS / "slots" / "valid.jsonl", stdin=data)


def _run(data: bytes, folder: Path) -> Answer:
    return _runs(folder, "run.json", data)


def _metrics(data: bytes, folder: Path) -> Answer:
    return _runs(folder, "metrics.jsonl", data)


def _runs(folder: Path, name: str, data: bytes) -> Answer:
    for path in _a_run().iterdir():
        shutil.copy(path, folder)
    (folder / name).write_bytes(data)
    return call("runs", folder, "--json")


@cache
def _a_run() -> Path:
    """A run's folder in which nothing was trained yet."""
    create_run(_kept() / "run", load_scenario("paper", ["cell.users=3", "cell.places=4"]), None, "ddpg", 30, 1)
    return _kept() / "run"


def _arguments(data: bytes, folder: Path) -> Answer:
    words = [word.replace("FOLDER", str(folder)) for word in _argument(data).split("\n")]
    return call(*words)


def _written(data: bytes, folder: Path) -> Answer:
    (folder / "written.json").write_bytes(data)
    return _python(lambda: listed(folder))


def _result(data: bytes, folder: Path) -> Answer:
    path = folder / _a_result().relative_to(_a_result().parents[1])
    path.parent.mkdir()
    path.write_bytes(data)
    return _python(lambda: load(folder, TASK))


@cache
def _a_result() -> Path:
    """What a task found, as its study keeps it."""
    folder = _kept()
    told = made_up(TASK)
    keep(folder, TASK, Found(told["found"], told["times"], {}))
    return next(folder.glob("results/*.json"))


def _cell(data: bytes, folder: Path) -> Answer:
    for path in _an_export().iterdir():
        shutil.copy(path, folder)
    (folder / "cell.json").write_bytes(data)
    slot = json.loads((CORPUS / "slots" / "valid.jsonl").read_text(encoding="utf-8").splitlines()[0])
    return _python(lambda: runner.Policy(folder).decide(slot))


@cache
def _an_export() -> Path:
    folder = _kept() / "export"
    call("export", "learned", folder, "--format", "numpy")
    return folder


@cache
def _kept() -> Path:
    """A folder for what is made once."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    return folder


def _python(work: Callable[[], object]) -> Answer:
    """What a function says, as a command would."""
    try:
        work()
    except (InputError, runner.InputError) as e:
        return Answer(2, "", f"genedge: {e}")
    return Answer(0, "", "")


def _argument(data: bytes) -> str:
    """As Python makes text of what a shell gives it; no shell can give a NUL."""
    return data.replace(b"\0", b"").decode("utf-8", "surrogateescape")


DOORS: Mapping[str, Callable[[bytes, Path], Answer]] = MappingProxyType(
    {
        "scenario": _scenario,
        "set": _set,
        "plan": _plan,
        "catalogue": _catalogue,
        "trace": _trace,
        "trace-lines": _trace_lines,
        "measurements": _measurements,
        "gentd26": _gentd26,
        "table": _table,
        "llama-swap": _llama_swap,
        "ollama": _ollama,
        "slots": _slots,
        "decisions": _decisions,
        "run": _run,
        "metrics": _metrics,
        "written": _written,
        "result": _result,
        "cell": _cell,
        "arguments": _arguments,
    }
)


MADE: Mapping[str, Callable[[], Path]] = MappingProxyType(
    {"run": lambda: _a_run() / "run.json", "result": _a_result, "cell": lambda: _an_export() / "cell.json"}
)


def fault(door: str, data: bytes) -> str | None:
    """What is wrong with what the program does with an input; None where nothing is.

    Args:
        door: where it goes in.
        data: the input.
    """
    before, start = _peak_kib(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            answer = DOORS[door](data, Path(folder))
        except Exception as e:
            return f"raised {type(e).__name__}: {e}"
        hidden = [path.name for path in Path(folder).rglob(".*")]
    took, grown = time.monotonic() - start, _peak_kib() - before
    if answer.status not in (0, 2):
        return f"status {answer.status}: {answer.err}"
    if "Traceback" in answer.err or "Exception ignored" in answer.err:
        return f"a traceback: {answer.err}"
    if answer.status == 2 and not re.search(r"^(genedge: |Error|.*\bError\b|Usage)", answer.err, re.MULTILINE):
        return f"status 2 without a word: {answer.err!r}"
    if len(answer.err) > 5000:
        return f"{len(answer.err)} characters of error"
    if control := re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", answer.out + answer.err):
        return f"a control character on the terminal: {control[0]!r}"
    if hidden:
        return f"left behind: {hidden}"
    if took > MOST_S:
        return f"took {took:.0f} s"
    return f"took {grown / 1e6:.1f} GB" if grown > MOST_KIB else None


def _peak_kib() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak


@cache
def corpus(door: str) -> tuple[bytes, ...]:
    """The inputs that are kept of a door.

    Args:
        door: its name.
    """
    kept = [path.read_bytes() for path in sorted((CORPUS / door).iterdir())]
    # Whole ones of these hold checksums and versions, which change.
    if door in MADE:
        kept.append(MADE[door]().read_bytes())
    return tuple(kept)


@st.composite
def damaged(draw: st.DrawFn, door: str) -> bytes:
    """An input like one of the corpus, with up to four places changed.

    Args:
        draw: of hypothesis.
        door: whose corpus.
    """
    data = draw(st.sampled_from(corpus(door)))
    for _ in range(draw(st.integers(0, 4))):
        how = draw(st.sampled_from(("word", "token", "cut", "flip", "line twice", "line of another")))
        tokens = [*TOKEN.finditer(data)]
        if how == "token" and tokens:
            start, end = draw(st.sampled_from(tokens)).span()
        else:
            start = end = draw(st.integers(0, len(data)))
        lines = data.split(b"\n")
        at = draw(st.integers(0, len(lines) - 1))
        if how in ("word", "token"):
            data = data[:start] + draw(st.sampled_from(WORDS)) + data[end:]
        elif how == "cut":
            data = data[:start] + data[start + draw(st.integers(1, 20)) :]
        elif how == "flip":
            data = data[:start] + draw(st.binary(min_size=1, max_size=1)) + data[start + 1 :]
        elif how == "line twice":
            data = b"\n".join([*lines[:at], lines[at], *lines[at:]])
        else:
            other = draw(st.sampled_from(draw(st.sampled_from(corpus(door))).split(b"\n")))
            data = b"\n".join([*lines[:at], other, *lines[at:]])
    return data


def fuzz(door: str, inputs: int, number: int) -> tuple[int, tuple[bytes, str] | None]:
    """Damages inputs of one door.

    Args:
        door: its name.
        inputs: how many at most.
        number: seed of the damage.

    Returns:
        How many were tried, and the smallest input found that does not come through, with what is wrong.
    """
    tried, found = 0, None

    @seed(number)
    @settings(
        max_examples=inputs,
        database=None,
        deadline=None,
        derandomize=False,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(damaged(door))
    def comes_through(data: bytes) -> None:
        nonlocal tried, found
        tried += 1
        if wrong := fault(door, data):
            found = data, wrong
            raise AssertionError(wrong)

    with contextlib.suppress(AssertionError):
        comes_through()
    return tried, found


def main(minutes: float) -> int:
    """Fuzzes door after door until the time is over; returns 1 if an input did not come through.

    Args:
        minutes: for all of it.
    """
    end, number = time.monotonic() + 60 * minutes, int(time.time())
    tried, shut = dict.fromkeys(DOORS, 0), set()
    while time.monotonic() < end and len(shut) < len(DOORS):
        number += 1
        for door in DOORS.keys() - shut:
            inputs, found = fuzz(door, 50, number)
            tried[door] += inputs
            if found is not None:
                shut.add(door)
                (CORPUS / door / f"found-{number}").write_bytes(found[0])
                print(f"{door}: {found[1]}\n  kept as found-{number}: {found[0][:200]!r}", flush=True)
        print(f"{sum(tried.values())} inputs, {len(shut)} faults", flush=True)
    print(", ".join(f"{door} {inputs}" for door, inputs in tried.items()))
    return int(bool(shut))


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))

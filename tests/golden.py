"""Golden outputs: what commands printed when they were last believed, number by number.

`make golden` runs the commands anew, prints what differs, line by line, and keeps it. Counts, names and ids are
the same everywhere. Fractions are the same to the last bit on a machine like the one that made them (`machine`);
another processor rounds otherwise, and there a ten-thousandth is let pass.
"""

import contextlib
import difflib
import hashlib
import json
import math
import os
import platform
import re
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from command_line import call

FOLDER = Path(__file__).parent / "golden"
PRESETS = sorted(path.stem for path in (files("genedge") / "scenarios").iterdir() if path.name.endswith(".yaml"))
# Few models asked for often, many asked for seldom, and a rush in which loads overlap.
TRACES = {
    "few": {"requests": 2000, "models": 8, "rate": 0.05, "seed": 1},
    "many": {"requests": 3000, "models": 60, "rate": 0.2, "seed": 2},
    "rush": {"requests": 2000, "models": 20, "rate": 2, "seed": 3},
}
BOXES = ("cloud-no-queue", "load-free")
SCHEDULERS = "lru,lfu,gdsf,popularity,cost-aware,keep-forever,static,belady"
POLICIES = "rcars,hcras,cloud-only,constant,greedy,knapsack,learned,learned-search,priced,optimal"
RULES = "cloud-only,constant,lru,lfu,gdsf,popularity,cost-aware,keep-forever,forecast,rcars,greedy,knapsack,optimal"
CASES = (
    "scenarios",
    "evaluate-paper",
    "evaluate-edge-box",
    *(f"replay-{trace}-{box}" for trace in TRACES for box in BOXES),
)
# Of every run its own, and what the totals say already.
LEFT_OUT = ("decision_ms", "first_s", "trace", "over_time", "comparisons", "largest_advantage")


def printed(case: str) -> Any:
    """What the command of a case prints now, without times and paths.

    Args:
        case: one of CASES.
    """
    kind, _, rest = case.partition("-")
    if kind == "scenarios":
        return {name: _json("scenario", "show", name, "--json")["scenario_id"] for name in PRESETS}
    if kind == "evaluate":
        policies = POLICIES if rest == "paper" else RULES
        more = ("--set", "hcras.generations=20") if rest == "paper" else ()
        return _json(
            *("evaluate", "--scenario", rest, "--policies", policies, "--episodes", 1, "--seed", 1, "--json", *more)
        )
    trace, _, box = rest.partition("-")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.csv"
        settings = (word for key, value in TRACES[trace].items() for word in (f"--{key}", value))
        call("trace", "generate", "--out", path, *settings)
        given = ("--memory", 16, "--box", box, "--schedulers", SCHEDULERS, "--json")
        return _json("replay", path, *given)


def kept(case: str) -> str:
    """What was kept of a case, as text; nothing where it is new.

    Args:
        case: one of CASES.
    """
    path = FOLDER / f"{case}.json"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def differences(kept: Any, now: Any, exact: bool, place: str = "") -> Iterator[str]:
    """Where two outputs differ, a line each.

    Args:
        kept: as it was.
        now: as it is.
        exact: whether fractions must be the same to the last bit.
        place: where in the output these stand.
    """
    if isinstance(kept, dict) and isinstance(now, dict):
        for key in kept.keys() | now.keys():
            where = f"{place}.{key}"
            if key in kept and key in now:
                yield from differences(kept[key], now[key], exact, where)
            else:
                yield f"{where}: {'is new' if key in now else 'is gone'}"
    elif isinstance(kept, list) and isinstance(now, list) and len(kept) == len(now):
        for i, (was, found) in enumerate(zip(kept, now, strict=True)):
            yield from differences(was, found, exact, f"{place}.{i}")
    elif isinstance(kept, float) and isinstance(now, float) and not exact:
        if not math.isclose(kept, now, rel_tol=1e-4, abs_tol=1e-6):
            yield f"{place}: was {kept!r}, is {now!r}"
    elif type(kept) is not type(now) or kept != now:
        yield f"{place}: was {kept!r}, is {now!r}"


def machine() -> str:
    """A fingerprint of what rounding depends on: processor, libraries and compiler options."""
    try:
        processor = re.findall(r"^(?:model name|flags)\s*:.*$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)[:2]
    except OSError:
        processor = [platform.processor()]
    libraries = [version(name) for name in ("numpy", "jaxlib", "highspy")]
    told = [platform.machine(), *processor, *libraries, os.environ.get("XLA_FLAGS", "")]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def _json(*arguments: object) -> Any:
    answer = call(*arguments)
    if answer.status != 0:
        raise RuntimeError(answer.err)
    return _without(json.loads(answer.out))


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(inner) for key, inner in value.items() if key not in LEFT_OUT}
    return [_without(inner) for inner in value] if isinstance(value, list) else value


def main() -> None:
    """Keeps what the commands print now, and tells what that changes."""
    FOLDER.mkdir(exist_ok=True)
    for case in CASES:
        now = json.dumps({"machine": machine(), "printed": printed(case)}, indent=1, ensure_ascii=False) + "\n"
        before = kept(case)
        changes = [*difflib.unified_diff(before.splitlines(), now.splitlines(), "kept", "now", n=2, lineterm="")]
        print(f"{case}: {'as it was' if not changes else 'new' if not before else 'differs'}")
        if before:
            print(*changes, sep="\n")
        (FOLDER / f"{case}.json").write_text(now, encoding="utf-8")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()

"""Fixtures that several rooms share, which tests run, and in which order."""

import json
import os
import signal
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import optax
import pytest
from hypothesis import Phase, settings
from installed import CHROMIUM, lacks

from genedge.cell.types import Slot
from genedge.scenario import Scenario, load_scenario
from genedge.xla import AS_STATED, set_up_jax

# Ours changes no type without saying so. Users' policies may, so only these tests state it. Ranks are promoted on
# purpose: whatever leading axes slots have, the catalogue has none.
AS_STATED["numpy_dtype_promotion"] = "strict"
# But for this one of optax, which raises to the power of a whole number.
optax.tree.bias_correction = jax.numpy_dtype_promotion("standard")(optax.tree.bias_correction)

# In the background of a shell Ctrl-C is ignored, and whoever is started there ignores it, too; some tests send it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Most of a test's time is compilation; workers and later runs share what was compiled.
set_up_jax()

# The same examples on every machine; no deadline, as the first example of a test pays for its compilation; and
# no explanations, which take minutes to find in compiled code.
settings.register_profile(
    "genedge", deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate, Phase.shrink]
)
settings.load_profile("genedge")


# Every compiled program takes some of the memory maps that the kernel lets a process have, 65,530 as a rule; a
# worker that has none left crashes.
MAPS = Path("/proc/self/maps")
MANY_MAPS = 30_000


@pytest.fixture(scope="module", autouse=True)
def few_maps() -> Iterator[None]:
    """Forgets compiled programs when there are many; they are read again from where workers share them."""
    yield
    if MAPS.exists() and MAPS.read_bytes().count(b"\n") > MANY_MAPS:
        jax.clear_caches()


@pytest.fixture(scope="session")
def paper() -> Scenario:
    return load_scenario("paper")


@pytest.fixture(scope="session")
def draw_slot():
    """A function that makes slots from a NumPy generator, without the package's own samplers."""

    def draw(rng: np.random.Generator, *batch: int, places: int = 18, models: int = 10) -> Slot:
        shape = (*batch, places)
        return Slot(
            skew=np.full(batch, 0.8),
            requests=rng.integers(0, models, shape),
            input_bits=rng.uniform(40e6, 80e6, shape),
            gain=10 ** rng.uniform(-12, -7, shape),
            position_m=rng.uniform(-125, 125, (*shape, 2)),
            active=rng.random(shape) < 0.7,
        )

    return draw


@pytest.fixture(scope="module")
def browser():
    """A headless browser, which looks nothing up of its own: a page needs no network, and there may be none.

    It ends with its module: while it runs, no test can have an event loop of its own.
    """
    from playwright.sync_api import sync_playwright

    quiet = ["--disable-quic", "--disable-background-networking", "--disable-sync"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", *quiet]
        )
        yield opened
        opened.close()


# --- Which tests run, and in which order ------------------------------------------------------------------

# How long each group of tests takes in either half, [s]; `make durations` records it.
DURATIONS = Path(__file__).parent / "durations.json"


def pytest_addoption(parser: pytest.Parser) -> None:
    """An option for `make durations`."""
    parser.addoption("--record-durations", action="store_true", help=f"Write how long tests take to {DURATIONS}.")


def group_of(nodeid: str) -> str:
    """The tests that one worker runs one after the other, as they share fixtures: a file's, a page's or a verb's.

    Args:
        nodeid: a test's.
    """
    file, _, test = nodeid.partition("@")[0].partition("::")
    if test.startswith("test_at_any_moment["):
        return f"interrupted: {test.rpartition('-')[2].rstrip(']')}"
    return test if test.startswith("test_runs[") else file


def half_of(config: pytest.Config) -> str:
    """Which tests are asked for: `heavy`, or `quick` without them.

    Args:
        config: of this run.
    """
    return "heavy" if "heavy" in config.option.markexpr else "quick"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Function]) -> None:
    """The longest group first, so that no worker waits long for the other at the end.

    Heavy tests run where they are asked for, with `-m heavy`; elsewhere they are counted as skipped. A heavy test
    that lacks what it needs is skipped too, but in CI it fails: there nobody would see that it never runs. What is
    tested of every agent is heavy of all but the paper's, as each is compiled anew.
    """
    half = half_of(config)
    durations = json.loads(DURATIONS.read_text(encoding="utf-8"))[half]
    # New groups may be long.
    items.sort(key=lambda item: -durations.get(group_of(item.nodeid), float("inf")))
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group_of(item.nodeid)))
        if getattr(item, "callspec", None) and item.callspec.params.get("agent", "ddpg") != "ddpg":
            item.add_marker(pytest.mark.heavy)
        heavy = item.get_closest_marker("heavy")
        if heavy is None:
            continue
        if half == "quick":
            item.add_marker(pytest.mark.skip(reason="heavy: `make test-heavy` runs it"))
        elif (missing := lacks(heavy.args)) and not os.environ.get("CI"):
            item.add_marker(pytest.mark.skip(reason=f"not installed: {', '.join(missing)}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Tells which groups took longest, and keeps it where asked to."""
    took: dict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                took[group_of(report.nodeid)] += report.duration
    longest = sorted(took.items(), key=lambda item: -item[1])
    terminalreporter.write_line(f"tests took {sum(took.values()):.0f} s in {len(took)} groups, the longest:")
    for group, seconds in longest[:10]:
        terminalreporter.write_line(f"  {seconds:6.1f} s  {group}")
    if config.getoption("--record-durations"):
        known = json.loads(DURATIONS.read_text(encoding="utf-8"))
        known[half_of(config)] = {group: round(seconds, 1) for group, seconds in sorted(took.items())}
        DURATIONS.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")

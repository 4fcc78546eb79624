"""How long an exported actor takes for a decision: python benchmarks/latency.py

Prints, for 10 and 18 users, the median and the 99th percentile of the time from a slot's arrays to the decision,
one at a time on one core: checking the slot, the actor, and decoding its raw action. `numpy` and `onnx` are the
runner with each kind of file; `jax` is the package's own compiled policy with a batch of one. The actors are those
that the preset `paper` trains, with random weights, on which no time depends. The three take turns, so that what
else runs on the machine meets them all. `alone` is the 99th percentile without the decisions during which, or right
before which, the system gave the core to somebody else (`share` of them are left): what a core of one's own shows.
"""

# First, because it sets what libraries read when they start.
import one_core  # noqa: F401

# isort: split
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from genedge.cell.sampling import sample_episode
from genedge.cell.types import Slot
from genedge.export.folder import export_actor
from genedge.export.runner import Policy
from genedge.learn.actor import Network, decide, init_actor
from genedge.scenario import Scenario, load_scenario

USERS = (10, 18)
SLOTS, ROUNDS = 500, 20

# A name, the agent whose settings make such an actor, and changes of these.
ACTORS = (
    ("mlp 128, 128", "ddpg", ()),
    ("equivariant 32", "td3", ()),
    ("equivariant 64", "td3", ("td3.width=64",)),
    ("equivariant 64, layer norm", "any_cell", ()),
)


def main() -> None:
    header = (
        f"{'actor':28}{'users':>6}  {'':7}{'p50 µs':>8}{'p99 µs':>8}{'alone':>7}{'share':>7}{'p50 × numpy':>13}"
    )
    print(header)
    for name, agent, changes in ACTORS:
        scenario = load_scenario("paper", changes)
        settings = scenario.hyperparameters(agent)
        places = scenario.settings.cell.places if settings.network == "mlp" else None
        actor = init_actor(settings, jax.random.key(0), len(scenario.models), places or 0)
        for users in USERS:
            measured = measure(ways(actor, scenario, places, users))
            for way, (micros, alone) in measured.items():
                p50, p99 = np.percentile(micros, [50, 99])
                # JAX hands its work to a thread of its own, and so gives the core away itself.
                of_alone = f"{np.percentile(micros[alone], 99):.0f}" if alone.mean() > 0.5 else "–"
                ratio = p50 / np.median(measured["numpy"][0])
                print(
                    f"{name:28}{users:6}  {way:7}{p50:8.0f}{p99:8.0f}{of_alone:>7}{alone.mean():7.2f}{ratio:13.1f}",
                    flush=True,
                )


def ways(
    actor: Network, scenario: Scenario, places: int | None, users: int
) -> dict[str, tuple[Callable[[Any], Any], list[Any]]]:
    """How to decide, and the slots as each way takes them."""
    slots = jax.tree.map(
        np.asarray, sample_episode(scenario.params, jax.random.key(1), users, places or users, SLOTS)
    )
    names = ("skew", "requests", "input_bits", "channel_gain", "active")
    fields = [slots.skew, *(x[:, :users] for x in (slots.requests, slots.input_bits, slots.gain, slots.active))]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*fields, strict=True)]
    found: dict[str, tuple[Callable[[Any], Any], list[Any]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for form in ("numpy", "onnx"):
            export_actor(actor, scenario, places, Path(folder) / form, form)
            found[form] = Policy(Path(folder) / form).decide, rows
    compiled = jax.jit(decide)
    params = jax.device_put(scenario.params)

    def in_jax(slot: Slot) -> Any:
        return jax.tree.map(np.asarray, compiled(actor, params, slot))

    found["jax"] = in_jax, [jax.tree.map(lambda x: x[k : k + 1], slots) for k in range(SLOTS)]  # noqa: B023
    return found


def measure(
    found: dict[str, tuple[Callable[[Any], Any], list[Any]]],
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The time of each decision [µs], and whether it had the core alone; a first round is left out."""
    nanos: dict[str, list[int]] = {way: [] for way in found}
    switches: dict[str, list[int]] = {way: [] for way in found}
    for _ in range(1 + ROUNDS):
        for way, (decide_one, slots) in found.items():
            for slot in slots:
                start = time.perf_counter_ns()
                decide_one(slot)
                nanos[way].append(time.perf_counter_ns() - start)
                switches[way].append(resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw)
    alone = {way: np.array(s[SLOTS:]) == np.array(s[SLOTS - 2 : -2]) for way, s in switches.items()}
    return {way: (np.array(nanos[way][SLOTS:]) / 1e3, alone[way]) for way in found}


if __name__ == "__main__":
    main()

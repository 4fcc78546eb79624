"""Small cells, and a grid of the decisions that they have."""

import itertools

import jax
import numpy as np

import genedge
from genedge.cell.types import Decision, Params, Slot
from genedge.scenario import load_scenario


def small(changes: tuple[str, ...]) -> tuple[Params, Slot]:
    """Four slots with two models, of which one fits, and three users.

    Args:
        changes: to the paper's cell.
    """
    scenario = load_scenario(
        "paper",
        [
            *changes,
            *("models.count=2", "cell.users=3", "cell.places=3", "server.storage_gb=8", "server.total_steps=300"),
        ],
    )
    drawn = genedge.sample_episode(scenario.params, jax.random.key(5), users=3, places=3, slots=4)
    return scenario.params, jax.tree.map(np.asarray, drawn)


def every_decision(params: Params, slots: Slot, k: int) -> tuple[Slot, Decision]:
    """A fine grid of shares for every cache that fits, of those that keep the floor.

    Args:
        params: of the cell.
        slots: of it.
        k: which slot.

    Returns:
        The slot, as often as there are decisions, and the decisions.
    """
    parts = np.arange(1, 16)
    shares = np.array([(i, j, 16 - i - j) for i in parts for j in parts if i + j < 16]) / 16
    steps = np.array([p for p in itertools.product(np.arange(5) / 4, repeat=3) if sum(p) <= 1 + 1e-9])
    caches = [
        c for c in itertools.product((False, True), repeat=2) if np.dot(c, params.models.storage_gb) <= params.C
    ]
    chosen = list(itertools.product(range(len(caches)), range(len(shares)), range(len(steps))))
    c, b, s = np.array(chosen).T
    many = jax.tree.map(lambda x: np.repeat(x[k : k + 1], len(c), axis=0), slots)
    served, cache = many.active, np.array(caches)[c]
    share = np.where(served, shares[b], 0)
    share = share / np.maximum(share.sum(axis=-1, keepdims=True), 1e-9)
    decided = Decision(cache, share, np.where(served, steps[s], 0))
    floor = np.asarray(params.models.floor_steps)[many.requests]
    hit = np.take_along_axis(cache, many.requests, axis=-1) & served
    kept = (~hit | (decided.steps * float(params.S) >= floor)).all(axis=-1)
    return jax.tree.map(lambda x: x[kept], (many, decided))

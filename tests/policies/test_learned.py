"""The shipped policy: near the optimum on cells it never saw, and its search never worse than its network."""

import jax
import numpy as np
import pytest

from genedge.cell.feasible import breaches, in_float64
from genedge.cell.sampling import sample_episode
from genedge.errors import InputError
from genedge.learn.arrays import save
from genedge.optimum import solve_optimal
from genedge.optimum.certificate import objective
from genedge.policies import learned, policy
from genedge.policies.learned import WEIGHTS, WEIGHTS_ID, shipped_actor
from genedge.scenario import load_scenario

# Users, models, further settings: within what it was trained for, on catalogues of other seeds.
CELLS = {
    "small": (6, 5, ()),
    "as in the paper": (18, 10, ()),
    "large": (50, 30, ()),
    "floor": (18, 10, ("server.quality_floor={largest_tv: best}",)),
    "another server": (12, 10, ("server.storage_gb=30", "server.total_steps=600")),
    "another objective": (12, 10, ("objective.alpha=0.55",)),
}


@pytest.mark.heavy
@pytest.mark.parametrize("cell", CELLS)
def test_near_the_optimum_on_cells_it_never_saw(cell):
    users, models, settings = CELLS[cell]
    gaps, searched_gaps = [], []
    for seed in (501, 502):
        scenario = load_scenario("paper", [f"seed={seed}", f"models.count={models}", *settings])
        slots = jax.tree.map(np.asarray, sample_episode(scenario.params, jax.random.key(seed), users, users, 30))
        optimum = solve_optimal(scenario.params, slots).lower_bound
        costs = []
        for name in ("learned", "learned-search"):
            decision = in_float64(policy(name, scenario)(scenario.params, slots, jax.random.key(0)))
            assert not breaches(scenario.params, slots, decision)
            costs.append(objective(scenario.params, slots, decision))
        once, searched = costs
        # The network's own decision is the first that the search tries; costs are compared in single precision.
        assert (searched <= once * (1 + 1e-5)).all()
        gaps.append(once.mean() / optimum.mean() - 1)
        searched_gaps.append(searched.mean() / optimum.mean() - 1)
    assert np.mean(gaps) < 0.015
    assert np.mean(searched_gaps) < np.mean(gaps)
    assert np.mean(searched_gaps) < 0.005


def test_weights_are_small_and_have_a_card():
    assert WEIGHTS.stat().st_size < 2 * 2**20
    card = WEIGHTS.with_suffix(".md").read_text()
    for words in ("genedge train", "any-cell", "assumed", "Gap to the certified optimum"):
        assert words in card


DAMAGES = {
    "missing": lambda path: path.unlink(),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:1000]),
    "of another": lambda path: np.savez(path, run=np.array(WEIGHTS_ID)),
    "no numbers": lambda path: save(path, jax.tree.map(lambda x: x * np.nan, shipped_actor()), WEIGHTS_ID),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_weights_are_told_with_what_helps(damage, tmp_path, monkeypatch):
    """They belong to the program; nobody can train them by going on with a run."""
    copy = tmp_path / "learned.npz"
    copy.write_bytes(WEIGHTS.read_bytes())
    DAMAGES[damage](copy)
    monkeypatch.setattr(learned, "WEIGHTS", copy)
    with pytest.raises(
        InputError, match=r"learned\.npz: (missing|damaged).*; it is a part of genedge; install"
    ) as told:
        shipped_actor()
    assert "genedge train" not in str(told.value)

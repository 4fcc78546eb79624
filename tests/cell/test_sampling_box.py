"""Requests of a box: popularity drifts, two neighbours in rank at a time; all else is as in the paper's cell."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from scipy import stats

from genedge.cell.popularity import popularity
from genedge.cell.sampling import sample_episode, sample_episodes, sample_slot
from genedge.scenario import load_scenario

EPISODES, SLOTS, PLACES, M = 800, 20, 4, 5
KEY = jax.random.key(12)
DRIFT = 0.2  # of the preset

# Seeds are fixed, so a test passes always or never: a p-value below this is no accident.
LEAST_P = 0.003

compiled_slot = jax.jit(sample_slot, static_argnames="places")


@pytest.fixture(scope="module")
def edge_box():
    return load_scenario("edge-box").params


@pytest.fixture(scope="module")
def drawn(edge_box):
    """Many slots: fields of shape (EPISODES, SLOTS, ...), in NumPy."""
    return jax.tree.map(np.asarray, sample_episodes(edge_box, KEY, 3, PLACES, SLOTS, EPISODES))


def swapped_pairs(ranking):
    """The first of the two neighbouring ranks that change places before each slot but the first, −1 for none."""
    before, after = ranking[:, :-1], ranking[:, 1:]
    moved = before != after
    pair = np.where(moved.any(axis=-1), moved.argmax(axis=-1), -1)
    for e, t in zip(*np.nonzero(pair >= 0), strict=True):
        k = pair[e, t]
        expected = before[e, t].copy()
        expected[[k, k + 1]] = expected[[k + 1, k]]
        np.testing.assert_array_equal(after[e, t], expected)
    return pair


# --- The ranking


def test_rankings_are_permutations_that_begin_in_order(drawn):
    assert drawn.ranking.shape == (EPISODES, SLOTS, M)
    assert (np.sort(drawn.ranking, axis=-1) == np.arange(M)).all()
    assert (drawn.ranking[:, 0] == np.arange(M)).all()


def test_only_neighbours_change_places_as_often_as_the_drift_says_and_all_pairs_alike(edge_box, drawn):
    assert edge_box.box.rank_drift == DRIFT
    pair = swapped_pairs(drawn.ranking)
    assert stats.binomtest(int((pair >= 0).sum()), pair.size, DRIFT).pvalue > LEAST_P
    assert stats.chisquare(np.bincount(pair[pair >= 0], minlength=M - 1)).pvalue > LEAST_P


def test_the_drift_depends_neither_on_its_past_nor_on_the_skew(edge_box, drawn):
    pair = swapped_pairs(drawn.ranking) + 1
    state = np.abs(drawn.skew[..., None] - edge_box.skews).argmin(axis=-1)
    for other in (pair[:, :-1], state[:, 2:], state[:, 1:-1]):
        table = np.zeros((other.max() + 1, M))
        np.add.at(table, (other, pair[:, 1:]), 1)
        assert stats.chi2_contingency(table).pvalue > LEAST_P


def test_a_drift_of_1_changes_two_in_every_slot(edge_box):
    params = edge_box._replace(box=edge_box.box._replace(rank_drift=np.array(1.0)))
    slots = jax.tree.map(np.asarray, sample_episodes(params, KEY, 3, PLACES, SLOTS, EPISODES))
    pair = swapped_pairs(slots.ranking)
    assert (pair >= 0).all()
    assert stats.chisquare(np.bincount(pair.ravel(), minlength=M - 1)).pvalue > LEAST_P


def test_a_single_model_has_no_neighbour():
    params = load_scenario("edge-box", ["models.count=1"]).params
    slots = sample_episode(params, KEY, 3, PLACES, SLOTS)
    assert not np.asarray(slots.ranking).any()
    assert not np.asarray(slots.requests).any()


# --- Requests


def test_requests_follow_zipf_by_rank(edge_box, drawn):
    rank_of = np.argsort(drawn.ranking, axis=-1)
    rank = np.take_along_axis(rank_of, drawn.requests, axis=-1)
    for skew in edge_box.skews:
        counts = np.bincount(rank[np.isclose(drawn.skew, skew)].ravel(), minlength=M)
        expected = np.array(reference.zipf(skew, M)) * counts.sum()
        assert stats.chisquare(counts, expected).pvalue > LEAST_P
    # Late in the episodes models are not asked for as they are numbered.
    late = drawn.ranking[:, -1]
    assert (late != np.arange(M)).any(axis=-1).mean() > 0.5


def test_popularity_is_of_models_and_by_their_rank(edge_box, drawn):
    slots = jax.tree.map(lambda x: x[:40], drawn)
    found = np.asarray(popularity(edge_box, slots))
    for e in range(40):
        for t in range(SLOTS):
            by_rank = reference.zipf(float(slots.skew[e, t]), M)
            for rank, m in enumerate(slots.ranking[e, t]):
                assert found[e, t, m] == pytest.approx(by_rank[rank], rel=1e-5)


def test_popularity_without_a_ranking_is_by_number(paper, draw_slot):
    slot = draw_slot(np.random.default_rng(0))
    np.testing.assert_allclose(popularity(paper.params, slot), reference.zipf(0.8, 10), rtol=1e-5)


def test_without_drift_a_box_gets_the_papers_requests(paper, plain_box):
    plain = sample_episode(paper.params, KEY, 3, PLACES, SLOTS)
    found = sample_episode(paper.params._replace(box=plain_box(10)), KEY, 3, PLACES, SLOTS)
    assert (np.asarray(found.ranking) == np.arange(10)).all()
    assert found.memory is None
    jax.tree.map(np.testing.assert_array_equal, found._replace(ranking=None), plain)


def test_the_drift_leaves_all_else_as_it_was(edge_box, drawn):
    still = edge_box._replace(box=edge_box.box._replace(rank_drift=np.array(0.0)))
    slots = jax.tree.map(np.asarray, sample_episodes(still, KEY, 3, PLACES, SLOTS, EPISODES))
    for name in ("skew", "input_bits", "gain", "position_m", "active"):
        np.testing.assert_array_equal(getattr(slots, name), getattr(drawn, name), err_msg=name)
    # What is asked for at each rank is the same, too.
    asked = np.take_along_axis(drawn.ranking, slots.requests, axis=-1)
    np.testing.assert_array_equal(asked, drawn.requests)


# --- Streams


def assert_same(a, b):
    """Bit by bit, but for what is computed from positions: XLA may round it in another order."""
    assert a.memory is b.memory is None
    for name in a._fields[:-1]:
        x, y = np.asarray(getattr(a, name)), np.asarray(getattr(b, name))
        assert x.shape == y.shape
        if name in ("gain", "position_m", "input_bits"):
            np.testing.assert_allclose(x, y, rtol=1e-5, err_msg=name)
        else:
            np.testing.assert_array_equal(x, y, err_msg=name)


def test_slot_by_slot_is_the_same_episode(edge_box):
    whole = sample_episode(edge_box, KEY, 3, PLACES, SLOTS)
    assert (np.asarray(whole.ranking[-1]) != np.arange(M)).any()
    state, ranking = jnp.array(0), jnp.full(M, 3)  # Of no account in the first slot.
    for t in range(SLOTS):
        state, slot, _ = compiled_slot(edge_box, KEY, jnp.array(t), state, 3, PLACES, ranking)
        ranking = slot.ranking
        assert_same(slot, jax.tree.map(lambda x, t=t: x[t], whole))


@pytest.mark.parametrize("at_once", [1, 7 * PLACES])
def test_long_episodes_are_drawn_in_blocks_that_do_not_show(edge_box, monkeypatch, at_once):
    """Blocks of one slot, and blocks of which the last one is not full."""
    whole = sample_episode(edge_box, KEY, 3, PLACES, SLOTS)
    monkeypatch.setattr("genedge.cell.sampling.USERS_AT_ONCE", at_once)
    # A function of its own: what JAX has traced of the other one is drawn in a single block.
    anew = jax.jit(lambda params, key: sample_episode.__wrapped__(params, key, 3, PLACES, SLOTS))
    assert_same(anew(edge_box, KEY), whole)

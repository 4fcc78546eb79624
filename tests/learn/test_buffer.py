"""The replay buffer keeps the newest transitions, whole."""

import jax
import jax.numpy as jnp
import numpy as np

from genedge.cell.types import Slot
from genedge.learn.buffer import Transition, add, empty_replay, sample


def numbered(i):
    """A transition whose every number is i, but for the next slot's, which are i + 1."""

    def slot(value):
        one = jnp.full(2, value, jnp.float32)
        return Slot(one[0], jnp.full(2, value), one, one, jnp.stack([one, one]), one > 2)

    return Transition(slot(i), jnp.full(3, i, jnp.float32), jnp.full(2, i, jnp.float32), slot(i + 1))


def test_replay_is_a_ring():
    replay = empty_replay(3, numbered(0))
    for i in range(5):
        replay = add(replay, numbered(i))
    assert int(replay.added) == 5
    assert sorted(np.asarray(replay.data.reward[:, 0])) == [2, 3, 4]
    batch = jax.jit(sample, static_argnames="batch")(replay, jax.random.key(0), batch=3000)
    values, counts = np.unique(np.asarray(batch.reward[:, 0]), return_counts=True)
    assert list(values) == [2, 3, 4]
    np.testing.assert_allclose(counts / 3000, 1 / 3, atol=0.05)
    # What was stored together is drawn together.
    for value in (2, 3, 4):
        drawn = jax.tree.map(lambda x, value=value: np.asarray(x)[batch.reward[:, 0] == value], batch)
        for ours, theirs in zip(jax.tree.leaves(drawn), jax.tree.leaves(numbered(value)), strict=True):
            assert (ours == np.asarray(theirs)).all()
            assert ours.dtype == theirs.dtype


def test_a_buffer_not_yet_full_is_sampled_where_it_is_filled():
    replay = add(add(empty_replay(100, numbered(0)), numbered(7)), numbered(8))
    drawn = np.asarray(sample(replay, jax.random.key(0), 50).reward)
    assert set(drawn.ravel()) == {7, 8}

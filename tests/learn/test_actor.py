"""Actors and critics of both kinds: what they say, in which order, and the symmetry of what they decide."""

import jax
import numpy as np
import pytest
import reference_networks as reference

from genedge.cell.feasible import breaches, in_float64
from genedge.learn.actor import act, decide, init_actor, init_critic, outputs, values
from genedge.scenario import load_scenario

PLACES, MODELS = 4, 3
SETTINGS = tuple(f"sac.{setting}" for setting in ("hidden_layers=[8]", "width=8", "layer_norm=true"))
kinds = pytest.mark.parametrize("kind", ["mlp", "equivariant"])
compiled = {f: jax.jit(f) for f in (outputs, act, values, decide)}


def loud(network):
    """Fresh outputs are near zero; here they matter."""
    leaves, structure = jax.tree.flatten(network)
    rng = np.random.default_rng(1)
    return jax.tree.unflatten(structure, [x + 0.3 * rng.normal(size=x.shape).astype(np.float32) for x in leaves])


@pytest.fixture(scope="module")
def cell():
    return load_scenario("paper", [*SETTINGS, f"models.count={MODELS}", "server.storage_gb=12"])


@pytest.fixture(scope="module")
def slots(draw_slot):
    drawn = draw_slot(np.random.default_rng(0), 5, places=PLACES, models=MODELS)
    return jax.tree.map(lambda x: x.astype(np.float32) if x.dtype == float else x, drawn)


def settings(kind):
    return load_scenario("paper", [*SETTINGS, f"sac.network={kind}"]).hyperparameters("sac")


@kinds
@pytest.mark.parametrize("channels", [1, 2])
def test_what_an_actor_says(kind, channels, cell, slots):
    """Priorities of models first, then bandwidth and then steps of users, in each channel."""
    actor = loud(init_actor(settings(kind), jax.random.key(0), MODELS, PLACES, channels))
    said = compiled[outputs](actor, cell.params, slots)
    assert said.shape == (5, channels, MODELS + 2 * PLACES)
    for t in range(5):
        slot = reference.row(slots, t)
        np.testing.assert_allclose(said[t], reference.outputs(actor, cell.params, slot), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(compiled[act](actor, cell.params, slots), np.tanh(said[:, 0]), rtol=1e-5)


@kinds
def test_what_a_critic_values(kind, cell, slots):
    critic = loud(init_critic(settings(kind), jax.random.key(0), MODELS, PLACES))
    action = np.random.default_rng(2).uniform(-1, 1, (5, MODELS + 2 * PLACES)).astype(np.float32)
    found = compiled[values](critic, cell.params, slots, action)
    assert found.shape == (5, PLACES if kind == "equivariant" else 1)
    for t in range(5):
        expected = reference.values(critic, cell.params, reference.row(slots, t), action[t])
        np.testing.assert_allclose(found[t], expected, rtol=1e-3, atol=1e-4)
    # What is said of a place without a user is of no account.
    empty = np.concatenate([np.zeros((5, MODELS), bool), ~slots.active, ~slots.active], axis=1)
    assert empty.any()
    other = compiled[values](critic, cell.params, slots, np.where(empty, -action, action))
    np.testing.assert_array_equal(other, found)
    if kind == "equivariant":
        assert not np.asarray(found)[~slots.active].any()
        assert np.asarray(found)[slots.active].all()


@kinds
def test_fresh_actors_hardly_say_anything(kind, cell, slots):
    actor = init_actor(settings(kind), jax.random.key(0), MODELS, PLACES, 2)
    assert np.abs(compiled[outputs](actor, cell.params, slots)).max() < 0.2


def of_users(slot, users):
    return jax.tree.map(lambda x: x[:, users], slot._replace(skew=None))._replace(skew=slot.skew)


def test_decisions_follow_exchanged_users_and_models(cell, slots):
    actor = loud(init_actor(settings("equivariant"), jax.random.key(0), MODELS, PLACES))
    before = in_float64(compiled[decide](actor, cell.params, slots))
    assert breaches(cell.params, slots, before) == []
    assert before.cache.any()
    assert not before.cache.all()
    for order in ([3, 1, 0, 2], [1, 2, 3, 0]):
        after = in_float64(compiled[decide](actor, cell.params, of_users(slots, order)))
        np.testing.assert_array_equal(after.cache, before.cache)
        np.testing.assert_allclose(after.bandwidth, before.bandwidth[:, order], rtol=1e-4)
        np.testing.assert_allclose(after.steps, before.steps[:, order], rtol=1e-4, atol=1e-6)
    for order in ([2, 0, 1], [0, 2, 1]):
        models = jax.tree.map(lambda x, order=order: x[order], cell.params.models)
        asked = slots._replace(requests=np.argsort(order)[slots.requests])
        after = in_float64(compiled[decide](actor, cell.params._replace(models=models), asked))
        np.testing.assert_array_equal(after.cache, before.cache[:, order])
        np.testing.assert_allclose(after.bandwidth, before.bandwidth, rtol=1e-4)
        np.testing.assert_allclose(after.steps, before.steps, rtol=1e-4, atol=1e-6)


def test_one_actor_decides_for_any_number_of_users_and_models(cell, slots, draw_slot):
    """Places without a user and models without a place in the storage change nothing, there or not."""
    actor = loud(init_actor(settings("equivariant"), jax.random.key(0), MODELS, PLACES))
    present = slots._replace(active=np.tile(np.arange(PLACES) < 2, (5, 1)), requests=slots.requests % 2)
    m = cell.params.models
    absent = m._replace(storage_gb=np.where(np.arange(MODELS) < 2, m.storage_gb, np.inf))
    whole = in_float64(compiled[decide](actor, cell.params._replace(models=absent), present))
    few = cell.params._replace(models=jax.tree.map(lambda x: x[:2], m))
    part = in_float64(compiled[decide](actor, few, of_users(present, [0, 1])))
    assert not whole.cache[:, 2:].any()
    assert not whole.bandwidth[:, 2:].any()
    assert part.cache.any()
    np.testing.assert_array_equal(part.cache, whole.cache[:, :2])
    np.testing.assert_allclose(part.bandwidth, whole.bandwidth[:, :2], rtol=1e-4)
    np.testing.assert_allclose(part.steps, whole.steps[:, :2], rtol=1e-4, atol=1e-6)

    other = load_scenario("paper", ["models.count=25"]).params
    crowd = draw_slot(np.random.default_rng(1), 3, places=40, models=25)
    decision = in_float64(compiled[decide](actor, other, crowd))
    assert decision.cache.shape == (3, 25)
    assert breaches(other, crowd, decision) == []

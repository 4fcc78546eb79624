"""Networks against a second implementation in NumPy, and the symmetry that one of them has."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference_networks as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from genedge.env.tokens import MODEL_FEATURES, USER_FEATURES, Tokens
from genedge.learn.networks import (
    apply_equivariant,
    apply_mlp,
    init_equivariant,
    init_mlp,
)

WIDTH, OF_USERS, OF_MODELS, USER_OUTPUTS, MODEL_OUTPUTS = 8, 2, 1, 3, 2
compiled = jax.jit(apply_equivariant)
normed = pytest.mark.parametrize("layer_norm", [False, True])


def loud(network, seed=1):
    """Every weight, bias, gain and shift changed, so that none of them can be left out unnoticed."""
    leaves, structure = jax.tree.flatten(network)
    rng = np.random.default_rng(seed)
    return jax.tree.unflatten(
        structure, [leaf + 0.3 * rng.normal(size=leaf.shape).astype(np.float32) for leaf in leaves]
    )


NETWORKS = [
    loud(
        init_equivariant(
            jax.random.key(0), WIDTH, (OF_USERS, OF_MODELS), (USER_OUTPUTS, MODEL_OUTPUTS), 1.0, layer_norm
        )
    )
    for layer_norm in (False, True)
]


def some_cell(seed, N, M, active=None, present=None):
    """What a network sees of a random cell, and further features, of inactive users and absent models too."""
    rng = np.random.default_rng(seed)
    active = rng.random(N) < 0.7 if active is None else np.asarray(active)
    present = np.ones(M, bool) if present is None else np.asarray(present)
    requests = rng.choice(np.flatnonzero(present), N)
    seen = Tokens(
        users=np.where(active[:, None], rng.normal(size=(N, USER_FEATURES)), 0).astype(np.float32),
        models=np.where(present[:, None], rng.normal(size=(M, MODEL_FEATURES)), 0).astype(np.float32),
        asks=((requests[:, None] == np.arange(M)) & active[:, None]).astype(np.float32),
        active=active,
        present=present,
    )
    of_users, of_models = (rng.normal(size=shape).astype(np.float32) for shape in ((N, OF_USERS), (M, OF_MODELS)))
    return seen, of_users, of_models


def rearranged(cell, users, models):
    """The cell with its users and models in another order, or some of them cut off."""
    seen, of_users, of_models = cell
    seen = Tokens(
        users=seen.users[users],
        models=seen.models[models],
        asks=seen.asks[users][:, models],
        active=seen.active[users],
        present=seen.present[models],
    )
    return seen, of_users[users], of_models[models]


def assert_close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-5)


# --- Against NumPy


@normed
def test_a_multi_layer_perceptron(layer_norm):
    network = loud(init_mlp(jax.random.key(0), (5, 7, 6, 2), 1.0, layer_norm))
    assert len(network.norms) == (2 if layer_norm else 0)
    x = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(np.float32)
    ours = jax.jit(apply_mlp)(network, x)
    assert ours.shape == (2, 3, 2)
    for at in np.ndindex(2, 3):
        assert_close(ours[at], reference.mlp(network, x[at].astype(float)))


@pytest.mark.parametrize(("N", "M"), [(4, 3), (1, 1), (9, 2)])
@normed
def test_one_network_over_any_number_of_users_and_models(layer_norm, N, M):
    network = NETWORKS[layer_norm]
    assert len(network.norms) == (6 if layer_norm else 0)
    for seed in range(3):
        cell = some_cell(seed, N, M, present=np.arange(M) != 1)
        users, models = compiled(network, *cell)
        assert (users.shape, models.shape) == ((N, USER_OUTPUTS), (M, MODEL_OUTPUTS))
        expected_users, expected_models = reference.equivariant(network, *cell)
        assert_close(users, expected_users)
        assert_close(models, expected_models)


def test_batches_of_slots_over_one_catalogue():
    cells = [some_cell(seed, 4, 3) for seed in range(6)]
    catalogue = {name: getattr(cells[0][0], name) for name in ("models", "present")}
    cells = [(seen._replace(**catalogue), *further) for seen, *further in cells]
    seen, of_users, of_models = jax.tree.map(lambda *x: np.stack(x).reshape(2, 3, *x[0].shape), *cells)
    users, models = compiled(NETWORKS[1], seen._replace(**catalogue), of_users, of_models)
    for i, cell in enumerate(cells):
        alone = compiled(NETWORKS[1], *cell)
        assert_close(users[divmod(i, 3)], alone[0])
        assert_close(models[divmod(i, 3)], alone[1])


# --- Symmetry

N, M = 6, 5


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    network=st.sampled_from(NETWORKS),
    order=st.permutations(range(N)),
    present=st.lists(st.booleans(), min_size=M, max_size=M).filter(any),
)
def test_exchanging_users_exchanges_their_outputs_and_leaves_those_of_models(seed, network, order, present):
    cell = some_cell(seed, N, M, present=present)
    users, models = compiled(network, *cell)
    other_users, other_models = compiled(network, *rearranged(cell, list(order), list(range(M))))
    assert_close(other_users, np.asarray(users)[list(order)])
    assert_close(other_models, models)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    network=st.sampled_from(NETWORKS),
    order=st.permutations(range(M)),
    present=st.lists(st.booleans(), min_size=M, max_size=M).filter(any),
)
def test_exchanging_models_with_their_requests_exchanges_their_outputs(seed, network, order, present):
    cell = some_cell(seed, N, M, present=present)
    users, models = compiled(network, *cell)
    other_users, other_models = compiled(network, *rearranged(cell, list(range(N)), list(order)))
    assert_close(other_users, users)
    assert_close(other_models, np.asarray(models)[list(order)])


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    network=st.sampled_from(NETWORKS),
    users=st.permutations(range(N)),
    models=st.permutations(range(M)),
)
def test_who_is_not_there_changes_nothing(seed, network, users, models):
    """Two users who are not active and two models that cannot be cached, whatever a critic adds to them."""
    users, models = sorted(users[:-2]), sorted(models[:-2])
    cell = some_cell(seed, N, M, active=np.isin(np.arange(N), users), present=np.isin(np.arange(M), models))
    with_all = compiled(network, *cell)
    without = compiled(network, *rearranged(cell, users, models))
    assert_close(without[0], np.asarray(with_all[0])[users])
    assert_close(without[1], np.asarray(with_all[1])[models])
    # Who is there does: this network is not deaf.
    fewer = compiled(network, *rearranged(cell, users[:-1] + users[:1], models))
    assert not np.allclose(fewer[1], without[1])


# --- Fresh networks


@normed
def test_fresh_weights(layer_norm):
    """Their spread keeps the size of what ReLUs pass on; the last layer's is as small as asked for."""
    network = init_mlp(jax.random.key(3), (400, 300, 200, 100), 0.01, layer_norm)
    for layer, scale in zip(network.layers, (2**0.5, 2**0.5, 0.01), strict=True):
        inputs = layer.weight.shape[0]
        assert float(layer.weight.std()) * inputs**0.5 == pytest.approx(scale, rel=0.05)
        assert not np.asarray(layer.bias).any()
    for norm in network.norms:
        assert (np.asarray(norm.gain) == 1).all()
        assert (np.asarray(norm.shift) == 0).all()


def test_fresh_equivariant_weights():
    network = init_equivariant(jax.random.key(3), 64, (2, 1), (1, 0), 0.01, True)
    assert network.user.weight.shape == (USER_FEATURES + 2, 64)
    assert network.model.weight.shape == (MODEL_FEATURES + 1, 64)
    assert network.asked.weight.shape == (MODEL_FEATURES, 64)
    assert network.model_out.weight.shape == (64, 0)
    for name in ("askers", "everyone", "model_again", "catalogue", "user_again", "answer", "cell", "user_last"):
        assert float(getattr(network, name).weight.std()) * 8 == pytest.approx(2**0.5, rel=0.05), name
    assert float(jnp.abs(network.user_out.weight).max()) < 0.01


def test_no_weight_is_drawn_twice():
    weights = [
        np.asarray(leaf).ravel()
        for leaf in jax.tree.leaves(init_equivariant(jax.random.key(4), 16, (2, 1), (2, 1), 1.0, False))
    ]
    drawn = np.concatenate([w[w != 0] for w in weights])
    assert len(np.unique(drawn)) == len(drawn)

"""The networks, written a second time: plain loops over users and models, in NumPy and float64.

Of the package's code it uses what makes features of slots, `observe` and `tokens`, which have tests of their own.
"""

import jax
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from genedge.env.observation import observe
from genedge.env.tokens import tokens
from genedge.learn.networks import Mlp

compiled_observe, compiled_tokens = jax.jit(observe), jax.jit(tokens)


def plain(tree):
    """A pytree in NumPy and float64."""
    return jax.tree.map(lambda x: np.asarray(x, np.float64), tree)


def row(batch, i):
    """One of a batch."""
    return jax.tree.map(lambda x: np.asarray(np.asarray(x)[i]), batch)


def affine(layer, x):
    weight, bias = layer
    return x @ weight + bias


def hidden(norms, i, x):
    if norms:
        gain, shift = norms[i]
        x = (x - np.mean(x)) / np.sqrt(np.var(x) + 1e-5) * gain + shift
    return np.maximum(x, 0)


def mlp(network, x):
    """Of one vector."""
    network = plain(network)
    for i, layer in enumerate(network.layers[:-1]):
        x = hidden(network.norms, i, affine(layer, x))
    return affine(network.layers[-1], x)


def equivariant(network, seen, of_users, of_models):
    """Of one slot: a list of the users' outputs, and one of the models'."""
    n = plain(network)
    seen, of_users, of_models = plain((seen, of_users, of_models))
    nothing = np.zeros(len(n.user.bias))
    N, M = seen.asks.shape

    def wishes(user):
        return [m for m in range(M) if seen.asks[user, m]]

    users = []
    for i in range(N):
        x = affine(n.user, [*seen.users[i], *of_users[i]])
        for m in wishes(i):
            x = x + affine(n.asked, seen.models[m])
        users.append(hidden(n.norms, 0, x) if seen.active[i] else nothing)

    models = []
    for m in range(M):
        mine = sum((users[i] for i in range(N) if m in wishes(i)), nothing)
        x = affine(n.model, [*seen.models[m], *of_models[m]]) + affine(n.askers, mine)
        x = x + affine(n.everyone, sum(users) / 10)
        models.append(hidden(n.norms, 1, x) if seen.present[m] else nothing)

    catalogue = sum(models) / 10
    models = [affine(n.model_again, x) + affine(n.catalogue, catalogue) for x in models]
    models = [hidden(n.norms, 2, x) if seen.present[m] else nothing for m, x in enumerate(models)]

    again = []
    for i in range(N):
        x = affine(n.user_again, users[i]) + affine(n.cell, sum(models) / 10)
        for m in wishes(i):
            x = x + affine(n.answer, models[m])
        again.append(hidden(n.norms, 3, x))
    users = [affine(n.user_out, hidden(n.norms, 4, affine(n.user_last, x))) for x in again]
    models = [affine(n.model_out, hidden(n.norms, 5, affine(n.model_last, x))) for x in models]
    return users, models


def outputs(actor, params, slot):
    """What an actor says of one slot, shape (channels, M + 2 N)."""
    if isinstance(actor, Mlp):
        size = len(params.models.A1) + 2 * len(slot.requests)
        return mlp(actor, np.asarray(compiled_observe(params, slot), np.float64)).reshape(-1, size)
    users, models = equivariant(
        actor, compiled_tokens(params, slot), [[]] * len(slot.requests), [[]] * len(params.models.A1)
    )
    channels = len(models[0])
    return np.array(
        [[x[c] for x in models] + [x[c] for x in users] + [x[channels + c] for x in users] for c in range(channels)]
    )


def act(actor, params, slot):
    """An actor's action in one slot."""
    return np.tanh(outputs(actor, params, slot)[0])


def values(critic, params, slot, action):
    """The parts of a critic's value in one slot: one, or one for each user."""
    action = np.asarray(action, np.float64)
    M, N = len(params.models.A1), len(slot.requests)
    if isinstance(critic, Mlp):
        heard = np.array([*([1] * M), *slot.active, *slot.active]) * action
        return mlp(critic, np.concatenate([np.asarray(compiled_observe(params, slot), np.float64), heard]))
    of_users = [[action[M + i], action[M + N + i]] for i in range(N)]
    users, _ = equivariant(critic, compiled_tokens(params, slot), of_users, [[x] for x in action[:M]])
    return np.array([float(x[0]) if slot.active[i] else 0.0 for i, x in enumerate(users)])


def gradient(optimiser, network):
    """What Adam was given in its first step: then a tenth of it is in its memory."""
    memory, _ = ravel_pytree(optax.tree_utils.tree_get(optimiser, "mu"))
    return ravel_pytree(network)[1](10 * memory)

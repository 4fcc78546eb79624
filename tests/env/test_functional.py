"""The environment: the slots of the sampler, the costs of the service, a time limit that terminates nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genedge.cell.feasible import action_size, decode
from genedge.cell.sampling import sample_episode
from genedge.cell.service import total_utility
from genedge.env.functional import reset, step
from genedge.env.observation import observation_size, observe

T, USERS, PLACES = 6, 4, 5


@pytest.fixture(scope="module")
def episode(paper):
    """An episode of random actions: observations, actions, steps, and the slots the sampler draws."""
    params, key = paper.params, jax.random.key(2)
    observation, state = jax.jit(reset, static_argnums=3)(params, key, USERS, PLACES)
    move = jax.jit(step, static_argnums=3)
    actions = np.random.default_rng(0).uniform(-1, 1, (T, action_size(10, PLACES))).astype(np.float32)
    observations, steps = [observation], []
    for action in actions:
        steps.append(move(params, state, action, T))
        state = steps[-1].state
        observations.append(steps[-1].observation)
    return observations, actions, steps, sample_episode(params, key, USERS, PLACES, T + 1)


def test_meets_the_slots_of_the_sampler(paper, episode):
    observations, _, _, slots = episode
    expected = observe(paper.params, slots)
    np.testing.assert_allclose(np.stack(observations), expected, rtol=1e-5, atol=1e-5)


def test_reward_is_minus_the_cost_of_the_slot_decided(paper, episode):
    _, actions, steps, slots = episode
    decided = jax.tree.map(lambda x: x[:T], slots)
    cost = total_utility(paper.params, decided, decode(paper.params, decided, jnp.asarray(actions)))
    np.testing.assert_allclose([float(s.reward) for s in steps], -np.asarray(cost), rtol=1e-5)
    np.testing.assert_allclose([float(s.info.utility.sum()) for s in steps], cost, rtol=1e-5)


def test_the_time_limit_truncates_and_nothing_terminates(episode):
    _, _, steps, _ = episode
    assert [bool(s.truncated) for s in steps] == [False] * (T - 1) + [True]
    assert not any(bool(s.terminated) for s in steps)


def test_the_action_does_not_change_what_comes_next(paper):
    params = paper.params
    _, state = reset(params, jax.random.key(0), USERS, PLACES)
    low, high = (step(params, state, jnp.full(action_size(10, PLACES), x), T) for x in (-1.0, 1.0))
    np.testing.assert_array_equal(low.observation, high.observation)
    assert low.reward != high.reward


def test_observation_field_by_field(paper, episode):
    """The documented layout, written a second time."""
    observations, _, _, slots = episode
    slot = jax.tree.map(lambda x: np.asarray(x[0], np.float64), slots)
    m = paper.params.models
    requests = slot.requests.astype(int)
    typical = -(128.1 + 37.6 * np.log10(0.0625))
    expected = [(slot.skew - 0.8) / 0.4]
    expected += [(10 * np.log10(slot.gain[n]) - typical) / 20 if n < USERS else 0 for n in range(PLACES)]
    expected += [(slot.input_bits[n] - 60e6) / 20e6 if n < USERS else 0 for n in range(PLACES)]
    low, high = m.output_bits.min(), m.output_bits.max()
    expected += [
        (2 * m.output_bits[requests[n]] - low - high) / (high - low) if n < USERS else 0 for n in range(PLACES)
    ]
    expected += [float(n < USERS) for n in range(PLACES)]
    for n in range(PLACES):
        expected += [float(n < USERS and k == requests[n]) for k in range(10)]
    assert len(expected) == observation_size(10, PLACES)
    np.testing.assert_allclose(observations[0], expected, rtol=1e-4, atol=1e-5)

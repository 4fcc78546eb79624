"""The environment of a box: the sampler's slots, a memory that goes on from step to step, what is seen of it."""

import jax
import numpy as np
import pytest
import reference

from genedge.cell.feasible import action_size, breaches, decode, first_memory
from genedge.cell.memory import advance
from genedge.cell.sampling import sample_episode
from genedge.cell.service import total_utility
from genedge.env.functional import reset, step
from genedge.env.observation import observation_size
from genedge.scenario import load_scenario

T, USERS, PLACES, M = 12, 6, 8, 5
compiled_reset = jax.jit(reset, static_argnums=3)
compiled_step = jax.jit(step, static_argnums=3)
compiled_decode, compiled_cost = jax.jit(decode), jax.jit(total_utility)


def boxes(every):
    return load_scenario("edge-box", [f"server.cache_every_slots={every}", "requests.rank_drift=0.7"]).params


@pytest.fixture(scope="module", params=[3, "null"])
def episode(request):
    """An episode of random actions: params, actions, observations, states and steps."""
    params = boxes(request.param)
    observation, state = compiled_reset(params, jax.random.key(3), USERS, PLACES)
    actions = np.random.default_rng(1).uniform(-1, 1, (T, action_size(M, PLACES))).astype(np.float32)
    observations, states, steps = [observation], [state], []
    for action in actions:
        steps.append(compiled_step(params, states[-1], action, T))
        states.append(steps[-1].state)
        observations.append(steps[-1].observation)
    return params, actions, np.stack(observations), states, steps


def test_meets_the_slots_of_the_sampler(episode):
    params, _, _, states, _ = episode
    whole = sample_episode(params, jax.random.key(3), USERS, PLACES, T + 1)
    assert len(np.unique(whole.ranking, axis=0)) > 4
    for t, state in enumerate(states):
        expected = jax.tree.map(lambda x, t=t: x[t], whole)
        for name in ("requests", "ranking", "skew", "active"):
            np.testing.assert_array_equal(getattr(state.slot, name), getattr(expected, name), err_msg=name)
        np.testing.assert_allclose(state.slot.gain, expected.gain, rtol=1e-5)


def test_the_memory_goes_on_as_decisions_say(episode):
    params, actions, _, states, _ = episode
    jax.tree.map(np.testing.assert_array_equal, states[0].slot.memory, first_memory(params))
    held = []
    for t, action in enumerate(actions):
        before = states[t].slot
        decision = compiled_decode(params, before, action)
        assert breaches(params, before, decision) == []
        expected = advance(params, before.memory, decision.cache)
        jax.tree.map(np.testing.assert_array_equal, states[t + 1].slot.memory, expected)
        held.append(np.asarray(expected.held))
    held = np.stack([np.asarray(states[0].slot.memory.held), *held])
    changes = np.flatnonzero((held[1:] != held[:-1]).any(axis=1))
    if params.box.every is None:
        assert len(changes) > T / 2
    else:
        # Decisions count in slots 2, 5, 8 and 11.
        assert set(changes) <= {2, 5, 8, 11}
        assert len(changes) >= 2
        assert [int(state.slot.memory.until) for state in states] == [2, 1, 0] * 4 + [2]


def test_reward_is_minus_the_cost_of_the_slot_decided(episode):
    params, actions, _, states, steps = episode
    for state, action, taken in zip(states, actions, steps, strict=False):
        cost = compiled_cost(params, state.slot, compiled_decode(params, state.slot, action))
        assert float(taken.reward) == pytest.approx(-float(cost), rel=1e-5)
        assert float(np.asarray(taken.info.utility).sum()) == pytest.approx(float(cost), rel=1e-5)
    # Somebody queues at some time.
    assert max(np.asarray(taken.info.queue_s).max() for taken in steps) > 0


def test_observations_are_finite_and_as_long_as_promised(episode):
    _, _, observations, _, _ = episode
    assert observations.shape == (T + 1, observation_size(M, PLACES, box=True))
    assert np.isfinite(observations).all()
    assert np.abs(observations).max() < 10


def test_what_is_seen_of_the_memory_field_by_field(episode):
    """The documented layout of the last 1 + 4 M numbers, written a second time."""
    params, _, observations, states, _ = episode
    every = 1 if params.box.every is None else int(params.box.every)
    for seen, state in zip(observations, states, strict=True):
        slot, memory = state.slot, state.slot.memory
        by_rank = reference.zipf(float(slot.skew), M)
        rank_of = {int(m): rank for rank, m in enumerate(np.asarray(slot.ranking))}
        held, wait = np.asarray(memory.held), np.asarray(memory.wait)
        expected = [float(memory.until) / every]
        expected += [float(h) for h in held]
        expected += [float(h and w == 0) for h, w in zip(held, wait, strict=True)]
        expected += [(wait[m] if held[m] else params.box.load_slots[m]) / 3 for m in range(M)]
        expected += [by_rank[rank_of[m]] * M / 2 for m in range(M)]
        np.testing.assert_allclose(seen[-1 - 4 * M :], expected, rtol=1e-5)


def test_the_action_changes_what_comes_next(episode):
    """Unlike in the paper's cell; where nothing is decided, it does not."""
    params, _, _, states, _ = episode
    low, high = (np.full(action_size(M, PLACES), x, np.float32) for x in (-1, 1))
    for state in states[:3]:
        after = [compiled_step(params, state, action, T).state.slot.memory.held for action in (low, high)]
        assert np.array_equal(*after) == (int(state.slot.memory.until) > 0)

"""The cache's learner: what it may name, what it stores of an episode, and where its updates lead."""

from itertools import combinations, pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genedge.cell.feasible import decode
from genedge.cell.sampling import sample_episodes
from genedge.cell.service import total_utility
from genedge.errors import InputError
from genedge.evaluation.boxes import evaluate_box
from genedge.learn import off_policy as loop
from genedge.learn.buffer import CacheTransition, Replay
from genedge.learn.double_dqn import (
    FEATURES,
    CacheLearner,
    _update,
    choose,
    init_cache_learner,
    largest_caches,
    see_box,
)
from genedge.learn.networks import apply_of_caches, init_of_caches
from genedge.learn.runs import create_run
from genedge.learn.training import train_run
from genedge.learn.two_timescale import ALGORITHM, TwoTimescaleActor, decide, pair
from genedge.optimum.dynamic import solver
from genedge.policies.boxes import box_policy
from genedge.scenario import load_scenario

# Of the agents the paper's is tested at every turn; the others where there is time to compile them.
pytestmark = pytest.mark.heavy

SMALL = (
    "two_timescale.width=4",
    "two_timescale.batch=4",
    "two_timescale.warmup_slots=4",
    "two_timescale.replay_size=60",
    "two_timescale.cache_width=8",
    "two_timescale.cache_batch=4",
    "two_timescale.cache_updates=2",
    "two_timescale.cache_replay_size=30",
    "cell.users=2",
    "cell.slots_per_episode=11",
)
USERS, T, K, EPISODES = 2, 11, 3, 5


@pytest.fixture(scope="module")
def scenario():
    return load_scenario("edge-box", SMALL)


@pytest.fixture(scope="module")
def learner(scenario):
    s, params = scenario.hyperparameters("two_timescale"), scenario.params
    plan = loop.OffPolicyPlan(s, USERS, USERS, 5, T, EPISODES, largest_caches(params))
    slots = sample_episodes(params, jax.random.key(1), USERS, USERS, T, 2)
    made = loop.init(ALGORITHM, plan, params, jax.random.key(0), slots)
    return loop.train(ALGORITHM, plan, params, made, EPISODES)[0]


@pytest.mark.parametrize(
    "changes", [(), ("server.pinned=[3]",), ("server.storage_gb=0",), ("server.storage_gb=99",)]
)
def test_the_caches_that_may_be_named_are_those_to_which_nothing_can_be_added(changes):
    s = load_scenario("edge-box", changes)
    sizes, room, pinned = s.params.models.storage_gb, s.settings.server.storage_gb, set(s.settings.server.pinned)
    fit = [
        set(c)
        for size in range(6)
        for c in combinations(range(5), size)
        if sum(sizes[list(c)]) <= room and pinned <= set(c)
    ]
    expected = {frozenset(c) for c in fit if not any(c < other for other in fit)}
    named = largest_caches(s.params)
    assert {frozenset(np.flatnonzero(c).tolist()) for c in named} == expected
    assert len(named) == len(expected)


def test_too_many_models_are_refused():
    with pytest.raises(InputError, match="too many caches"):
        largest_caches(load_scenario("edge-box", ["models.count=20"]).params)


def test_the_value_does_not_depend_on_the_order_of_models():
    network = init_of_caches(jax.random.key(0), 8, FEATURES, 1.0, True)
    rng = np.random.default_rng(0)
    models = jnp.asarray(rng.normal(size=(3, 5, FEATURES)), jnp.float32)
    caches = rng.random((7, 5)) < 0.5
    order = rng.permutation(5)
    values = apply_of_caches(network, models, caches)
    assert values.shape == (3, 7)
    np.testing.assert_allclose(apply_of_caches(network, models[:, order], caches[:, order]), values, rtol=1e-4)
    # It does depend on the cache, on each model, and on which of them the cache holds.
    assert np.asarray(values).std(axis=1).min() > 1e-3
    assert not np.allclose(apply_of_caches(network, models[:, order], caches), values, rtol=1e-2)


def test_an_episodes_decisions_are_stored_with_what_their_slots_earned(scenario, learner):
    """Recomputed from the slots and actions in the other buffer."""
    params = scenario.params
    slots, actions = learner.replay.data.slot, learner.replay.data.action
    stored, of_caches = learner.cache.replay, np.asarray(learner.cache.caches)
    utility = np.asarray(total_utility(params, slots, decode(params, slots, actions)))[: EPISODES * T]
    reward = (-utility - float(learner.cache.level)) / float(learner.cache.scale)
    held, until = np.asarray(slots.memory.held), np.asarray(slots.memory.until)
    seen = np.asarray(see_box(params, slots))
    expected = []
    for e in range(EPISODES):
        due = [e * T + t for t in range(T) if until[e * T + t] == 0]
        assert [d - e * T for d in due] == [2, 5, 8]
        expected += [(seen[a], held[a + 1], reward[a + 1 : b + 1].mean(), seen[b]) for a, b in pairwise(due)]
    assert int(stored.added) == len(expected)
    for i, (before, cache, earned, after) in enumerate(expected):
        np.testing.assert_allclose(stored.data.seen[i], before, atol=1e-6)
        np.testing.assert_array_equal(of_caches[stored.data.cache[i]], cache)
        assert float(stored.data.reward[i]) == pytest.approx(earned, abs=1e-4)
        np.testing.assert_allclose(stored.data.next_seen[i], after, atol=1e-6)


def test_only_slots_that_decide_change_the_memory(learner):
    held, until = (
        np.asarray(x) for x in (learner.replay.data.slot.memory.held, learner.replay.data.slot.memory.until)
    )
    for e in range(EPISODES):
        for t in range(T - 1):
            if until[e * T + t] > 0:
                np.testing.assert_array_equal(held[e * T + t + 1], held[e * T + t])


def test_what_decides_is_the_pair_as_it_is_now(scenario, learner):
    assert isinstance(pair(learner), TwoTimescaleActor)
    slots = jax.tree.map(lambda x: x[:8], learner.replay.data.slot)
    values = apply_of_caches(learner.cache.online, see_box(scenario.params, slots), learner.cache.caches)
    decision = decide(pair(learner), scenario.params, slots)
    np.testing.assert_array_equal(
        decision.cache, np.asarray(learner.cache.caches)[np.asarray(values).argmax(axis=1)]
    )


def test_chance_falls_from_always_to_seldom(scenario, learner):
    s, params = scenario.hyperparameters("two_timescale"), scenario.params
    slot = jax.tree.map(lambda x: x[0], learner.replay.data.slot)
    best = apply_of_caches(learner.cache.online, see_box(params, slot), learner.cache.caches).argmax()
    keys = jax.random.split(jax.random.key(3), 2000)

    def named(progress):
        return np.asarray(
            jax.vmap(lambda k: choose(s, learner.cache, params, slot, jnp.float32(progress), k))(keys)
        )

    caches = len(learner.cache.caches)
    first = np.bincount(named(0.0), minlength=caches) / len(keys)
    np.testing.assert_allclose(first, 1 / caches, atol=0.05)
    for progress, chance in ((0.25, 0.525), (0.5, 0.05), (1.0, 0.05)):
        others = (named(progress) != int(best)).mean()
        assert others == pytest.approx(chance * (1 - 1 / caches), abs=0.04)


def fed(s, discount, rewards, following):
    """A learner whose buffer says what each cache earns in each of two states, and which state comes next."""
    states = jnp.asarray(np.random.default_rng(1).normal(size=(2, 3, FEATURES)), jnp.float32)
    caches = jnp.asarray([[True, False, False], [False, True, False], [False, False, True]])
    s = s.model_copy(
        update={"cache_discount": discount, "cache_updates": 1500, "cache_batch": 32, "cache_width": 32}
    )
    cache = init_cache_learner(s, jax.random.key(0), caches, jnp.arange(3.0))
    rows = [(x, c) for x in range(2) for c in range(3)]
    data = CacheTransition(
        seen=states[jnp.array([x for x, _ in rows])],
        cache=jnp.array([c for _, c in rows]),
        reward=jnp.array([rewards[x][c] for x, c in rows]),
        next_seen=states[jnp.array([following[x][c] for x, c in rows])],
    )
    cache = cache._replace(replay=Replay(data, jnp.int32(len(rows))))
    learned: CacheLearner = jax.jit(lambda cache: _update(s, cache, 10**6, jax.random.key(2)))(cache)
    return np.asarray(apply_of_caches(learned.online, states, caches))


@pytest.mark.parametrize("discount", [0.0, 0.7])
def test_updates_lead_to_the_values_of_value_iteration(scenario, discount):
    rewards, following = [[0.0, 1.0, -1.0], [0.5, -0.5, 2.0]], [[0, 0, 1], [1, 1, 0]]
    q = np.zeros((2, 3))
    for _ in range(200):
        q = np.array([[rewards[x][c] + discount * q[following[x][c]].max() for c in range(3)] for x in range(2)])
    learned = fed(scenario.hyperparameters("two_timescale"), discount, rewards, following)
    np.testing.assert_allclose(learned, q, atol=0.15)
    np.testing.assert_array_equal(learned.argmax(axis=1), q.argmax(axis=1))


@pytest.mark.heavy
def test_a_trained_pair_comes_near_the_optimum(tmp_path):
    """Some minutes: it holds the right models, from nothing but what slots cost."""
    s = load_scenario("edge-box")
    run = create_run(tmp_path / "run", s, None, "two-timescale", 400, 0)
    train_run(run, lambda row: None)
    solve = solver(s.params, 8, 50)
    rules = {name: box_policy(name, s, solve) for name in (str(run.folder), "lru")}
    made = evaluate_box(s, rules, solve, 8, 40, 3, lambda text: None)
    pair, lru = (row.value("gap").mean for row in made.rows)
    assert pair < 0.03 < lru

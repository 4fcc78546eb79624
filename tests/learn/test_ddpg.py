"""DDPG's update against a NumPy reference of Eq. (19) to (22), and that it learns."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genedge.cell.sampling import sample_episodes
from genedge.cell.service import total_utility
from genedge.learn import ddpg
from genedge.learn.networks import Mlp, apply_mlp, init_mlp
from genedge.learn.replay import Transition, add, empty_replay, sample
from genedge.policies import policy
from genedge.scenario import load_scenario

TINY = (
    "ddpg.hidden_layers=[16, 16]",
    "ddpg.batch=8",
    "ddpg.replay_size=64",
    "ddpg.warmup_slots=20",
    "cell.slots_per_episode=10",
    "cell.places=3",
    "cell.users=3",
)


@pytest.fixture(scope="module")
def tiny():
    scenario = load_scenario("paper", TINY)
    plan = ddpg.Plan(scenario.settings.ddpg, 3, 3, 10, 10, episodes=8)
    slots = sample_episodes(scenario.params, jax.random.key(1), 3, 3, 10, 2)
    return scenario, plan, slots


def start(tiny):
    scenario, plan, slots = tiny
    return ddpg.init(plan, scenario.params, jax.random.key(0), slots)


def forward(network: Mlp, x: np.ndarray) -> np.ndarray:
    *hidden, (weight, bias) = zip(
        *(tuple(np.asarray(a, np.float64) for a in part) for part in network), strict=True
    )
    for w, b in hidden:
        x = np.maximum(x @ w + b, 0)
    return x @ weight + bias


def test_network_is_a_multi_layer_perceptron():
    network = init_mlp(jax.random.key(0), (5, 7, 6, 2), last_scale=1.0)
    x = np.random.default_rng(0).normal(size=(4, 5))
    np.testing.assert_allclose(apply_mlp(network, jnp.asarray(x)), forward(network, x), rtol=1e-4, atol=1e-5)


def test_replay_is_a_ring():
    replay = empty_replay(3, 2, 1)
    for i in range(5):
        replay = add(replay, Transition(jnp.full(2, i), jnp.full(1, i), jnp.float32(i), jnp.full(2, i + 1)))
    assert sorted(np.asarray(replay.data.reward)) == [2, 3, 4]
    batch = sample(replay, jax.random.key(0), 3000)
    values, counts = np.unique(np.asarray(batch.reward), return_counts=True)
    assert list(values) == [2, 3, 4]
    np.testing.assert_allclose(counts / 3000, 1 / 3, atol=0.05)
    np.testing.assert_array_equal(batch.next_observation[:, 0], batch.reward + 1)
    np.testing.assert_array_equal(batch.action[:, 0], batch.reward)


def test_a_buffer_not_yet_full_is_sampled_where_it_is_filled():
    replay = add(empty_replay(100, 1, 1), Transition(jnp.ones(1), jnp.ones(1), jnp.float32(7), jnp.ones(1)))
    assert (np.asarray(sample(replay, jax.random.key(0), 50).reward) == 7).all()


def test_update_follows_the_equations(tiny):
    """Targets, losses and soft updates recomputed in NumPy; gradients by central differences."""
    s = tiny[0].settings.ddpg
    learner = start(tiny)
    rng = np.random.default_rng(0)
    observations, actions = 1 + 3 * 14, 10 + 6
    batch = Transition(
        rng.normal(size=(8, observations)).astype(np.float32),
        rng.uniform(-1, 1, (8, actions)).astype(np.float32),
        rng.normal(-500, 80, 8).astype(np.float32),
        rng.normal(size=(8, observations)).astype(np.float32),
    )

    # Targets that differ from the online networks, and last layers large enough to matter.
    def loud(net, k):
        return jax.tree.map(lambda w: w + 0.1 * jax.random.normal(jax.random.key(k), w.shape), net)

    learner = learner._replace(
        actor=loud(learner.actor, 1),
        critic=loud(learner.critic, 2),
        target_actor=loud(learner.target_actor, 3),
        target_critic=loud(learner.target_critic, 4),
    )
    after, loss, q = ddpg.update(s, learner, jax.tree.map(jnp.asarray, batch))

    def q_of(critic, observation, action):
        return forward(critic, np.concatenate([observation, action], axis=1))[:, 0]

    next_action = np.tanh(forward(learner.target_actor, batch.next_observation))
    target = batch.reward / float(learner.reward_scale) + 0.99 * q_of(
        learner.target_critic, batch.next_observation, next_action
    )
    level = float(learner.target_level) + s.centring_rate * (target.mean() - float(learner.target_level))
    target = target - level
    assert float(after.target_level) == pytest.approx(level, rel=1e-4)
    assert float(loss) == pytest.approx(np.mean((q_of(learner.critic, *batch[:2]) - target) ** 2), rel=1e-3)
    ours = np.tanh(forward(learner.actor, batch.observation))
    assert float(q) == pytest.approx(q_of(learner.critic, batch.observation, ours).mean(), rel=1e-3, abs=1e-4)

    # Adam's first step is the learning rate against the gradient's sign: check it on the last biases.
    def critic_loss(bias):
        last = Mlp(learner.critic.weights, (*learner.critic.biases[:-1], bias))
        return np.mean((q_of(last, *batch[:2]) - target) ** 2)

    bias = np.asarray(learner.critic.biases[-1], np.float64)
    slope = (critic_loss(bias + 1e-4) - critic_loss(bias - 1e-4)) / 2e-4
    moved = float((after.critic.biases[-1] - learner.critic.biases[-1])[0])
    assert moved == pytest.approx(-np.sign(slope) * s.critic_learning_rate, rel=1e-2)

    def actor_q(bias):
        last = Mlp(learner.actor.weights, (*learner.actor.biases[:-1], bias))
        return q_of(learner.critic, batch.observation, np.tanh(forward(last, batch.observation))).mean()

    bias = np.asarray(learner.actor.biases[-1], np.float64)
    moved = np.asarray(after.actor.biases[-1] - learner.actor.biases[-1])
    for a in range(actions):
        nudge = 1e-4 * np.eye(actions)[a]
        slope = (actor_q(bias + nudge) - actor_q(bias - nudge)) / 2e-4
        if abs(slope) > 1e-4:
            assert moved[a] == pytest.approx(np.sign(slope) * s.actor_learning_rate, rel=2e-2)

    # Eq. (21) and (22).
    for online, old, new in (
        (after.actor, learner.target_actor, after.target_actor),
        (after.critic, learner.target_critic, after.target_critic),
    ):
        expected = jax.tree.map(lambda w, w_old: 0.005 * w + 0.995 * w_old, online, old)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-7), new, expected)


def test_stores_what_happened_and_bootstraps_through_the_time_limit(tiny):
    """Every slot leaves one transition, also the last of an episode, whose next state is the true next slot."""
    scenario, plan, _ = tiny
    learner, metrics = ddpg.train(plan, scenario.params, start(tiny), 2)
    data = jax.tree.map(np.asarray, learner.replay.data)
    assert int(learner.replay.added) == 20
    within = [i for i in range(19) if i != 9]
    np.testing.assert_array_equal(data.next_observation[within], data.observation[[i + 1 for i in within]])
    assert not (data.next_observation[9] == data.observation[10]).all()
    assert np.abs(data.next_observation[9]).sum() > 0
    np.testing.assert_allclose(metrics.reward, data.reward[:20].reshape(2, 10).mean(axis=1), rtol=1e-5)
    assert (np.abs(data.action[:20]) <= 1).all()


def test_two_halves_are_the_whole_bit_by_bit(tiny):
    scenario, plan, _ = tiny
    whole, _ = ddpg.train(plan, scenario.params, start(tiny), 4)
    half, _ = ddpg.train(plan, scenario.params, start(tiny), 2)
    halves, _ = ddpg.train(plan, scenario.params, half, 2)

    def plain(x):
        return jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x

    jax.tree.map(lambda a, b: np.testing.assert_array_equal(plain(a), plain(b)), whole, halves)


def test_evaluation_keeps_the_best_actor(tiny):
    scenario, _, slots = tiny
    learner = start(tiny)
    actors = [jax.tree.map(lambda w, d=d: w + d, learner.actor) for d in (0.0, 5.0, -5.0)]
    utilities = []
    for actor in actors:
        learner, utility = ddpg.evaluate(scenario.params, learner._replace(actor=actor), slots)
        utilities.append(float(utility))
    assert len(set(utilities)) > 1
    assert float(learner.best_utility) == min(utilities)
    jax.tree.map(np.testing.assert_array_equal, learner.best_actor, actors[int(np.argmin(utilities))])


def test_learns_to_beat_the_cloud():
    """Without the paper's long discount a small network soon finds what a slot's decision is worth."""
    scenario = load_scenario(
        "paper",
        (
            "ddpg.discount=0.0",
            "ddpg.hidden_layers=[64, 64]",
            "ddpg.batch=64",
            "ddpg.warmup_slots=500",
            "ddpg.actor_learning_rate=0.0003",
            "cell.places=5",
            "cell.users=5",
        ),
    )
    plan = ddpg.Plan(scenario.settings.ddpg, 5, 5, 10, 50, episodes=80)
    slots = sample_episodes(scenario.params, jax.random.key(1), 5, 5, 50, 4)
    learner = ddpg.init(plan, scenario.params, jax.random.key(0), slots)
    learner, _ = ddpg.train(plan, scenario.params, learner, 80)
    _, learned = ddpg.evaluate(scenario.params, learner, slots)
    flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), slots)
    cloud = total_utility(
        scenario.params, flat, policy("cloud-only", scenario)(scenario.params, flat, jax.random.key(0))
    ).mean()
    assert float(learned) < 0.85 * float(cloud)

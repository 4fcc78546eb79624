"""DDPG's and TD3's updates against a NumPy reference of Eq. (19) to (22), and the loop around them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import reference_networks as reference
from scipy import stats

from genedge.cell.feasible import decode
from genedge.cell.sampling import sample_episode, sample_episodes
from genedge.cell.service import serve, total_utility
from genedge.learn import ddpg
from genedge.learn import off_policy as loop
from genedge.learn.actor import act
from genedge.learn.buffer import Transition
from genedge.policies import policy
from genedge.scenario import load_scenario

USERS, PLACES, MODELS, T, WARMUP = 3, 4, 4, 10, 15
ACTIONS = MODELS + 2 * PLACES
SMALL = ("hidden_layers=[16, 16]", "width=8", "batch=8", "replay_size=64", f"warmup_slots={WARMUP}")
TINY = (
    *(f"{agent}.{setting}" for agent in ("ddpg", "td3") for setting in SMALL),
    # The paper's discount would be none of ours; the noise on the target's action is cut off more often than not.
    "td3.discount=0.9",
    "td3.target_noise_limit=0.1",
    # The actor learns with the critics, but for a test of its own; it is fined soon; and the noise falls.
    "ddpg.critic_alone=0",
    "ddpg.limit=0.1",
    "ddpg.limit_of_priorities=0.05",
    "ddpg.noise_first=0.3",
    "ddpg.noise_last=0.05",
    f"cell.slots_per_episode={T}",
    f"cell.places={PLACES}",
    f"cell.users={USERS}",
    f"models.count={MODELS}",
)
KEY = jax.random.key(0)
agents = pytest.mark.parametrize("agent", ["ddpg", "td3"])
compiled_update = jax.jit(ddpg.update)


class Tiny:
    """A small run of an agent. The networks of TD3 know the cell's symmetry, those of DDPG do not."""

    def __init__(self, agent):
        self.scenario = load_scenario("paper", TINY)
        self.params = self.scenario.params
        self.settings = self.scenario.hyperparameters(agent)
        # Only a multi-layer perceptron has places without users.
        self.places = PLACES if self.settings.network == "mlp" else USERS
        self.plan = loop.OffPolicyPlan(self.settings, USERS, self.places, MODELS, T, episodes=8)
        self.slots = sample_episodes(self.params, jax.random.key(1), USERS, self.places, T, 20)

    def start(self):
        return loop.init(ddpg.ALGORITHM, self.plan, self.params, KEY, self.slots)

    def train(self, learner, episodes):
        return loop.train(ddpg.ALGORITHM, self.plan, self.params, learner, episodes)


@pytest.fixture(scope="module")
def tiny():
    made = {}

    def make(agent):
        return made.setdefault(agent, Tiny(agent))

    return make


def loud(tree, seed):
    """Networks whose last layers matter, and targets that differ from the online ones."""
    leaves, structure = jax.tree.flatten(tree)
    rng = np.random.default_rng(seed)
    return jax.tree.unflatten(structure, [x + 0.1 * rng.normal(size=x.shape).astype(np.float32) for x in leaves])


def evened(critics, run, batch):
    """Each of two critics thinks least of some actions."""
    if len(critics) == 1:
        return critics
    first, second = critics
    said = [
        np.sum([reference.values(critic, run.params, reference.row(batch.next_slot, i), batch.action[i])])
        for critic in critics
        for i in range(8)
    ]
    gap = np.median(np.subtract(said[8:], said[:8])) / USERS
    bias = second.user_out.bias - np.float32(gap)
    return first, second._replace(user_out=second.user_out._replace(bias=bias))


@pytest.fixture(scope="module")
def updated(tiny):
    """An update that reaches all networks, and what went into it."""
    made = {}

    def make(agent):
        if agent not in made:
            run = tiny(agent)
            learner = run.start()
            networks = ("actor", "critics", "target_actor", "target_critics")
            nets = learner.nets._replace(**{n: loud(getattr(learner.nets, n), i) for i, n in enumerate(networks)})
            rng = np.random.default_rng(0)
            first, then = (jax.tree.map(lambda x, i=i: x[0, i : i + 8], run.slots) for i in (0, 1))
            parts = learner.replay.data.reward.shape[1]
            batch = Transition(
                first,
                jnp.asarray(rng.uniform(-1, 1, (8, MODELS + 2 * run.places)), jnp.float32),
                jnp.asarray(rng.normal(-3, 1, (8, parts)), jnp.float32),
                then,
            )
            nets = nets._replace(target_critics=evened(nets.target_critics, run, batch))
            learner = learner._replace(nets=nets, slots=jnp.int32(2))
            made[agent] = learner, batch, compiled_update(run.plan, run.params, learner, batch, KEY)
        return made[agent]

    return make


# --- One update


class Expected:
    """Eq. (19) and (20) and TD3's three additions, slot by slot in NumPy."""

    def __init__(self, run, learner, batch):
        s = run.settings
        if s.permute_users and s.network == "mlp":
            batch = ddpg.permuted(run.plan, batch, jax.random.split(KEY)[1])
        self.settings, self.params, self.batch, self.critics = s, run.params, batch, learner.nets.critics
        shape = (len(batch.action), batch.action.shape[1])
        noise = np.clip(s.target_noise * jax.random.normal(KEY, shape), -s.target_noise_limit, s.target_noise_limit)
        rows, self.least = [], set()
        for i, reward in enumerate(np.asarray(batch.reward)):
            slot = reference.row(batch.next_slot, i)
            action = np.clip(reference.act(learner.nets.target_actor, self.params, slot) + noise[i], -1, 1)
            tails = [reference.values(c, self.params, slot, action) for c in learner.nets.target_critics]
            least = int(np.argmin([tail.sum() for tail in tails]))
            self.least.add(least)
            rows.append(reward + s.discount * tails[least])
        self.target = np.array(rows)

    def values(self, critic, i, action):
        return reference.values(critic, self.params, reference.row(self.batch.slot, i), action)

    def critic_loss(self, critics):
        errors = [
            self.values(critic, i, action) - self.target[i]
            for critic in critics
            for i, action in enumerate(np.asarray(self.batch.action))
        ]
        return np.mean(np.square(errors))

    def penalised_loss(self, critics):
        """What the critics descend; matrices are weights, vectors are not."""
        weights = [np.square(leaf).sum() for leaf in jax.tree.leaves(critics) if np.ndim(leaf) == 2]
        return self.critic_loss(critics) + self.settings.weight_penalty * np.sum(weights)

    def q(self, actor):
        actions = [
            reference.act(actor, self.params, reference.row(self.batch.slot, i)) for i in range(len(self.target))
        ]
        return np.mean([self.values(self.critics[0], i, action).sum() for i, action in enumerate(actions)])

    def fined_q(self, actor):
        """What the actor climbs."""
        said = [
            reference.outputs(actor, self.params, reference.row(self.batch.slot, i))
            for i in range(len(self.target))
        ]
        limits = np.array([self.settings.limit_of_priorities] * MODELS + [self.settings.limit] * 2 * PLACES)
        beyond = np.maximum(np.abs(said)[:, 0] - limits, 0) if self.settings.fine else np.zeros(1)
        return self.q(actor) - self.settings.fine * np.square(beyond).sum() / len(said)


def assert_gradient(optimiser, function, at, sign):
    """The gradient that Adam was first given against central differences, at one number of each array."""
    given = [np.asarray(x, float) for x in jax.tree.leaves(reference.gradient(optimiser, at))]
    leaves, structure = jax.tree.flatten(reference.plain(at))
    rng = np.random.default_rng(3)
    found, expected = [], []
    for k, leaf in enumerate(leaves):
        if leaf.size == 0:
            continue
        place = tuple(rng.integers(leaf.shape))
        ends = []
        for nudge in (1e-5, -1e-5):
            nudged = [x.copy() for x in leaves]
            nudged[k][place] += nudge
            ends.append(function(jax.tree.unflatten(structure, nudged)))
        expected.append(sign * (ends[0] - ends[1]) / 2e-5)
        found.append(given[k][place])
    assert np.count_nonzero(np.abs(expected) > 1e-4) > len(expected) / 3
    np.testing.assert_allclose(found, expected, rtol=0.02, atol=2e-3 * np.abs(expected).max())


def assert_first_step_of_adam(before, after, optimiser, rate):
    """Adam's first step is the learning rate against the gradient's sign."""
    gradient = reference.gradient(optimiser, before)
    for old, new, g in zip(*map(jax.tree.leaves, (before, after, gradient)), strict=True):
        felt = np.abs(g) > 1e-5
        moved = np.asarray(new, float) - np.asarray(old, float)
        np.testing.assert_allclose(moved[felt], -rate * np.sign(g)[felt], rtol=0.02)


@agents
def test_update_follows_the_equations(agent, tiny, updated):
    """Targets, losses and soft updates recomputed in NumPy; gradients by central differences."""
    run = tiny(agent)
    learner, batch, (after, loss, q) = updated(agent)
    expected = Expected(run, learner, batch)
    nets, s = learner.nets, run.settings
    assert expected.least == set(range(s.critics))  # Each critic is the least somewhere.
    assert float(loss) == pytest.approx(expected.critic_loss(nets.critics), rel=1e-3)
    assert float(q) == pytest.approx(expected.q(nets.actor) * s.policy_delay, rel=1e-3, abs=1e-4)

    assert (s.weight_penalty, s.fine) == ((0, 0) if agent == "td3" else (0.0003, 0.1))
    assert agent == "td3" or expected.fined_q(nets.actor) < expected.q(nets.actor) - 0.01
    assert_gradient(after.nets.critic_optimiser, expected.penalised_loss, nets.critics, 1)
    assert_gradient(after.nets.actor_optimiser, expected.fined_q, nets.actor, -1)
    optimisers = after.nets.critic_optimiser, after.nets.actor_optimiser
    rates = s.critic_learning_rate, s.actor_learning_rate
    for name, optimiser, rate in zip(("critics", "actor"), optimisers, rates, strict=True):
        assert_first_step_of_adam(getattr(nets, name), getattr(after.nets, name), optimiser, rate)

    # Eq. (21) and (22).
    for name in ("actor", "critics"):
        online, old, new = (
            getattr(*of) for of in ((after.nets, name), (nets, f"target_{name}"), (after.nets, f"target_{name}"))
        )
        soft = jax.tree.map(lambda w, w_old: 0.005 * w + 0.995 * w_old, online, old)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-7), new, soft)


# Fujimoto et al. 2018, Section 6.1: clipped double Q-learning, d, and the noise of the target policy, clipped.
PUBLISHED = {"critics": 2, "policy_delay": 2, "target_noise": 0.2, "target_noise_limit": 0.5}


def test_td3_has_what_was_published_and_ddpg_has_none_of_it(paper):
    td3 = {name: paper.table[f"td3.{name}"].value for name in PUBLISHED}
    assert td3 == PUBLISHED
    ddpg = [paper.table[f"ddpg.{name}"].value for name in ("critics", "policy_delay", "target_noise")]
    assert ddpg == [1, 1, 0]


def test_the_two_critics_of_td3_are_not_the_same(tiny):
    first, second = tiny("td3").start().nets.critics
    for a, b in zip(jax.tree.leaves(first.user), jax.tree.leaves(second.user), strict=True):
        assert a.ndim == 1 or not np.isclose(a, b).any()


@pytest.mark.heavy
def test_the_actor_and_the_targets_of_td3_wait(tiny, updated):
    """Every other slot only the critics move, as far as they would have anyway."""
    run = tiny("td3")
    learner, batch, (after, loss, _) = updated("td3")
    odd, odd_loss, q = compiled_update(run.plan, run.params, learner._replace(slots=jnp.int32(3)), batch, KEY)
    assert (float(q), float(odd_loss)) == (0, pytest.approx(float(loss)))
    for name in ("actor", "target_actor", "target_critics", "actor_optimiser"):
        jax.tree.map(np.testing.assert_array_equal, getattr(odd.nets, name), getattr(learner.nets, name))
    for name in ("critics", "critic_optimiser"):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-9),
            getattr(odd.nets, name),
            getattr(after.nets, name),
        )


# --- Learning rates and noise over the run


@agents
def test_learning_rates_fall_linearly_until_the_last_slot(agent, tiny, halves):
    """Under a gradient that stays the same, Adam's steps are the learning rates."""
    plan = tiny(agent).plan
    s, slots = plan.settings, plan.episodes * T
    nets = halves(agent)[2].nets
    counts = [
        optax.tree_utils.tree_get_all_with_path(o, "count") for o in (nets.actor_optimiser, nets.critic_optimiser)
    ]
    assert [{int(count) for _, count in found} for found in counts] == [{-(-5 // s.policy_delay)}, {5}]
    rates, delays = (s.actor_learning_rate, s.critic_learning_rate), (s.policy_delay, 1)
    for adam, rate, delay in zip(loop.optimisers(plan, s.policy_delay), rates, delays, strict=True):
        state, steps = adam.init(jnp.zeros(())), []
        for _ in range((slots - WARMUP) // delay):
            step, state = adam.update(jnp.ones(()), state)
            steps.append(-float(step))
        assert steps[0] == pytest.approx(rate, rel=1e-3)
        np.testing.assert_allclose(np.diff(steps), steps[1] - steps[0], rtol=0.02, atol=1e-3 * rate / slots)
        # The warm-up, in which nothing is learned, may count or not; what does not divide by the delay is lost.
        left = s.learning_rate_last
        assert left - 1e-3 < steps[-1] / rate < left + (1 - left) * (WARMUP + 2 * delay) / slots


def test_noise_falls_over_the_run(tiny):
    run = tiny("ddpg")
    s, slot = run.settings, jax.tree.map(lambda x: x[0, 0], run.slots)
    actor = run.start().nets.actor
    clean = jax.jit(act)(actor, run.params, slot)
    explore = jax.jit(jax.vmap(ddpg.explore, (None, None, None, None, None, 0)))
    keys = jax.random.split(jax.random.key(2), 400)
    for progress in (0.0, 0.5, 1.0):
        noise = np.asarray(explore(run.plan, actor, run.params, slot, progress, keys) - clean)
        spread = s.noise_first + progress * (s.noise_last - s.noise_first)
        assert noise.std() == pytest.approx(spread, rel=0.05)
        assert noise.mean() == pytest.approx(0, abs=5 * spread / noise.size**0.5)
    far = np.asarray(explore(run.plan, loud(actor, 5), run.params, slot, 0.0, keys))
    assert np.abs(far).max() == 1


# --- The loop


def plain(x):
    return jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x


@pytest.fixture(scope="module")
def halves(tiny):
    """An episode, copied as it may be reused, and another one after it."""
    made = {}

    def make(agent):
        if agent not in made:
            run = tiny(agent)
            first, one = run.train(run.start(), 1)
            copy = jax.tree.map(lambda x: np.array(plain(x)), first)
            made[agent] = copy, one, *run.train(first, 1)
        return made[agent]

    return make


@agents
def test_stores_what_happened_and_bootstraps_through_the_time_limit(agent, tiny, halves):
    """Every slot leaves one transition, also the last of an episode, whose next state is the true next slot."""
    run = tiny(agent)
    _, first, learner, second = halves(agent)
    assert int(learner.replay.added) == 2 * T
    data = jax.tree.map(lambda x: np.asarray(x)[: 2 * T], learner.replay.data)
    for e in range(2):
        key = jax.random.fold_in(jax.random.fold_in(learner.key, e), 0)
        longer = sample_episode(run.params, key, USERS, run.places, T + 1)
        for name, whole in longer._asdict().items():
            for field, when in ((data.slot, slice(0, T)), (data.next_slot, slice(1, T + 1))):
                if whole is None:
                    assert getattr(field, name) is None, name
                    continue
                stored = getattr(field, name)[e * T : (e + 1) * T]
                np.testing.assert_allclose(stored, whole[when], rtol=1e-5, err_msg=name)
    # The reward is what the action stored beside it earned: in all, or by each user.
    earned = -np.asarray(serve(run.params, data.slot, decode(run.params, data.slot, data.action)).utility)
    credited = earned if run.settings.per_user else earned.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(
        data.reward * float(learner.reward_scale) + float(learner.reward_level), credited, rtol=1e-4
    )
    totals = earned.sum(axis=1).reshape(2, T).mean(axis=1)
    np.testing.assert_allclose(np.concatenate([first.reward, second.reward]), totals, rtol=1e-4)
    assert (np.abs(data.action) <= 1).all()


def assert_random(agent, actions):
    """Uniform ones of TD3; those of DDPG are Gaussian, and what is beyond the bounds is on them."""
    if agent == "td3":
        assert stats.kstest(actions.ravel(), stats.uniform(-1, 2).cdf).pvalue > 0.003
        return
    spread = 1.5
    first = actions[:, [0, MODELS, MODELS + PLACES]].ravel()  # One of each part: these are independent.
    inside = np.abs(first) < 1
    assert (
        stats.binomtest(int(inside.sum()), inside.size, 1 - 2 * stats.norm.sf(1, scale=spread * 2**0.5)).pvalue
        > 0.003
    )
    assert np.abs(first[~inside]).max() == 1


def test_random_actions_are_on_the_bounds_and_alike_within_their_parts(tiny):
    """Before they are cut off, numbers of one part correlate by a half, and those of two parts do not."""
    run, spread = tiny("ddpg"), 0.2
    settings = run.settings.model_copy(update={"random_spread": spread})
    keys = jax.random.split(jax.random.key(4), 20000)
    draw = jax.jit(jax.vmap(lambda key: settings.random_action(key, run.plan.parts)))
    actions = np.asarray(draw(keys))
    np.testing.assert_allclose(actions.std(axis=0), spread * 2**0.5, rtol=0.03)
    part = np.repeat([0, 1, 2], run.plan.parts)
    expected = np.where(part == part[:, None], 0.5, 0.0) + 0.5 * np.eye(ACTIONS)
    np.testing.assert_allclose(np.corrcoef(actions.T), expected, atol=0.03)
    np.testing.assert_allclose(actions.mean(axis=0), 0, atol=0.01)


@agents
def test_nothing_is_learned_before_the_warm_up_is_over(agent, tiny, halves):
    start, (one, first, two, second) = tiny(agent).start(), halves(agent)
    for name in ("actor", "critics", "target_actor", "target_critics"):
        jax.tree.map(np.testing.assert_array_equal, getattr(one.nets, name), getattr(start.nets, name))
        moved = [
            not np.array_equal(a, b)
            for a, b in zip(*(jax.tree.leaves(getattr(x.nets, name)) for x in (two, start)), strict=True)
            if a.size
        ]
        assert np.mean(moved) > 0.8, name
    assert float(first.critic_loss[0]) == float(first.q[0]) == 0
    assert float(second.critic_loss[0]) > 0
    assert float(second.q[0]) != 0
    random = np.asarray(two.replay.data.action)[:WARMUP]
    assert_random(agent, random)
    # Then the actor's own, which says hardly anything yet, with its noise.
    own = np.asarray(two.replay.data.action)[WARMUP : 2 * T]
    assert own.std() < 0.45
    assert random.std() > 0.5


@agents
def test_rewards_are_scaled_by_their_spread_under_random_actions(agent, tiny):
    run = tiny(agent)
    learner = run.start()
    rng = np.random.default_rng(0)
    shape = (20, 20, T, MODELS + 2 * run.places)
    slots = jax.tree.map(lambda x: np.broadcast_to(x, (20, *x.shape)), run.slots)
    decision = jax.jit(decode)(run.params, slots, rng.uniform(-1, 1, shape).astype(np.float32))
    utility = np.asarray(jax.jit(serve)(run.params, slots, decision).utility)[..., :USERS]
    rewards = -utility if run.settings.per_user else -utility.sum(axis=-1)
    assert float(learner.reward_scale) == pytest.approx(rewards.std(), rel=0.1)
    assert float(learner.reward_level) == pytest.approx(rewards.mean(), rel=0.1)


def test_two_halves_are_the_whole_bit_by_bit(tiny, halves):
    run = tiny("ddpg")
    _, _, two, _ = halves("ddpg")
    whole, _ = run.train(run.start(), 2)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(plain(a), plain(b)), whole, two)


def test_evaluation_keeps_the_best_actor(tiny):
    run = tiny("ddpg")
    learner = run.start()
    first = learner.nets.actor
    actors = [jax.tree.map(lambda w, d=d: w + d, first) for d in (0.0, 5.0, -5.0)]
    utilities = []
    for actor in actors:
        learner = learner._replace(nets=learner.nets._replace(actor=actor))
        learner, utility = loop.evaluate_actor(ddpg.ALGORITHM, run.params, learner, run.slots)
        utilities.append(float(utility))
    assert len(set(utilities)) > 1
    assert float(learner.best_utility) == min(utilities)
    jax.tree.map(np.testing.assert_array_equal, learner.best_actor, actors[int(np.argmin(utilities))])


# --- Over a whole run

# Without the paper's long discount a small network soon finds what a slot's decision is worth.
QUICK = {
    "ddpg": (80, 0.85, ("discount=0.0", "hidden_layers=[64, 64]", "batch=64", "actor_learning_rate=0.0003")),
    "td3": (30, 0.8, ("width=16",)),
}


@pytest.mark.heavy
@agents
def test_learns_to_beat_the_cloud(agent):
    episodes, least, settings = QUICK[agent]
    quick = ["cell.places=5", "cell.users=5", *(f"{agent}.{setting}" for setting in settings)]
    scenario = load_scenario("paper", quick)
    params = scenario.params
    plan = loop.OffPolicyPlan(scenario.hyperparameters(agent), 5, 5, 10, 50, episodes)
    slots = sample_episodes(params, jax.random.key(1), 5, 5, 50, 4)
    learner = loop.init(ddpg.ALGORITHM, plan, params, KEY, slots)
    learner, _ = loop.train(ddpg.ALGORITHM, plan, params, learner, episodes)
    _, learned = loop.evaluate_actor(ddpg.ALGORITHM, params, learner, slots)
    flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), slots)
    cloud = float(total_utility(params, flat, policy("cloud-only", scenario)(params, flat, KEY)).mean())
    assert float(learned) < least * cloud


# --- What is ours


def test_users_change_places_together_with_what_is_theirs(tiny):
    """Each transition earns what it did, shows the same users in another order, and leaves empty places last."""
    run = tiny("ddpg")
    first, then = (jax.tree.map(lambda x, i=i: x[:, i], run.slots) for i in (0, 1))
    action = jax.random.uniform(KEY, (20, ACTIONS), minval=-1, maxval=1)
    earned = -total_utility(run.params, first, decode(run.params, first, action))[:, None]
    before = Transition(first, action, earned, then)
    orders = set()
    for seed in range(60):
        after = ddpg.permuted(run.plan, before, jax.random.key(seed))
        again = -total_utility(run.params, after.slot, decode(run.params, after.slot, after.action))[:, None]
        np.testing.assert_allclose(again, after.reward, rtol=1e-5)
        np.testing.assert_array_equal(after.action[:, :MODELS], action[:, :MODELS])
        np.testing.assert_array_equal(after.slot.skew, first.skew)
        np.testing.assert_array_equal(after.slot.active, first.active)
        # The gain tells who somebody is.
        order = np.argmax(np.asarray(after.slot.gain)[..., None] == np.asarray(first.gain)[:, None], axis=-1)
        order[:, USERS:] = np.arange(USERS, PLACES)
        orders |= {tuple(of_one) for of_one in order}
        moved = partial(np.take_along_axis, indices=order, axis=1)
        for name in ("requests", "input_bits", "gain"):
            np.testing.assert_array_equal(
                getattr(after.slot, name), moved(np.asarray(getattr(first, name))), err_msg=name
            )
            np.testing.assert_array_equal(
                getattr(after.next_slot, name), moved(np.asarray(getattr(then, name))), err_msg=name
            )
        np.testing.assert_array_equal(after.slot.position_m[..., 1], moved(np.asarray(first.position_m[..., 1])))
        for start in (MODELS, MODELS + PLACES):
            of_users = slice(start, start + PLACES)
            np.testing.assert_array_equal(after.action[:, of_users], moved(np.asarray(action[:, of_users])))
    assert len(orders) == 6  # All there are of three users.


def test_the_critic_learns_alone_at_first():
    """Then actions are random, the actor and its target stay, and the critic's target follows."""
    scenario = load_scenario("paper", [*TINY, "ddpg.critic_alone=0.25"])
    settings = scenario.hyperparameters("ddpg")
    plan = loop.OffPolicyPlan(settings, USERS, PLACES, MODELS, T, episodes=8)
    alone = WARMUP + 20
    assert float(settings.random_slots(plan.slots)) == alone
    slots = sample_episodes(scenario.params, jax.random.key(1), USERS, PLACES, T, 20)
    start = loop.init(ddpg.ALGORITHM, plan, scenario.params, KEY, slots)
    kept = jax.tree.map(np.array, start.nets)
    learner, metrics = loop.train(ddpg.ALGORITHM, plan, scenario.params, start, 3)
    for name in ("actor", "actor_optimiser"):
        jax.tree.map(np.testing.assert_array_equal, getattr(learner.nets, name), getattr(kept, name))
    for a, b in zip(jax.tree.leaves(learner.nets.target_actor), jax.tree.leaves(kept.actor), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-9)  # It follows what does not move.
    for name in ("critics", "target_critics"):
        assert not np.array_equal(
            getattr(learner.nets, name)[0].layers[0].weight, getattr(kept, name)[0].layers[0].weight
        )
    assert metrics.critic_loss[2] > 0
    assert (metrics.q == 0).all()
    learner, metrics = loop.train(ddpg.ALGORITHM, plan, scenario.params, learner, 1)
    for name in ("actor", "target_actor"):
        assert not np.array_equal(
            getattr(learner.nets, name).layers[0].weight, getattr(kept, name).layers[0].weight
        )
    assert metrics.q[0] != 0
    random, own = np.split(np.asarray(learner.replay.data.action)[: 4 * T], [alone])
    assert_random("ddpg", random)
    assert own.std() < 0.45

"""SAC's density and update against SciPy and NumPy, its price of entropy, and that it learns."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference_networks as reference
from scipy import stats

from genedge.cell.sampling import sample_episodes
from genedge.cell.service import total_utility
from genedge.learn import off_policy as loop
from genedge.learn import sac
from genedge.learn.actor import init_actor, outputs
from genedge.learn.buffer import Transition
from genedge.policies import policy
from genedge.scenario import load_scenario

# Of the agents the paper's is tested at every turn; the others where there is time to compile them.
pytestmark = pytest.mark.heavy

USERS, MODELS, T, BATCH = 3, 4, 5, 6
TINY = (
    "sac.width=8",
    f"sac.batch={BATCH}",
    "sac.replay_size=64",
    "sac.discount=0.9",
    "sac.first_temperature=0.3",
    f"cell.slots_per_episode={T}",
    f"cell.places={USERS}",
    f"cell.users={USERS}",
    f"models.count={MODELS}",
)
KEY = jax.random.key(0)
compiled_sample = jax.jit(sac.sample_action)
compiled_outputs = jax.jit(outputs)
compiled_update = jax.jit(sac.update)


def loud(tree, seed):
    leaves, structure = jax.tree.flatten(tree)
    rng = np.random.default_rng(seed)
    return jax.tree.unflatten(structure, [x + 0.1 * rng.normal(size=x.shape).astype(np.float32) for x in leaves])


@pytest.fixture(scope="module")
def tiny():
    """A plan, its scenario, a learner whose networks all differ, and a mini-batch."""
    scenario = load_scenario("paper", TINY)
    plan = loop.OffPolicyPlan(scenario.hyperparameters("sac"), USERS, USERS, MODELS, T, episodes=8)
    slots = sample_episodes(scenario.params, jax.random.key(1), USERS, USERS, T, 20)
    learner = loop.init(sac.ALGORITHM, plan, scenario.params, KEY, slots)
    networks = ("actor", "critics", "target_critics")
    nets = learner.nets._replace(**{n: loud(getattr(learner.nets, n), i) for i, n in enumerate(networks)})
    rng = np.random.default_rng(0)
    first, then = (jax.tree.map(lambda x, t=t: x[:BATCH, t], slots) for t in (0, 1))
    batch = Transition(
        first,
        jnp.asarray(rng.uniform(-1, 1, (BATCH, MODELS + 2 * USERS)), jnp.float32),
        jnp.asarray(rng.normal(-3, 1, (BATCH, USERS)), jnp.float32),
        then,
    )
    return plan, scenario.params, learner._replace(nets=nets), batch


# --- The density of a random action


def log_density(action, mean, log_spread, means_something):
    """Of what a normal number becomes when it is squashed, SciPy's and the Jacobian of tanh."""
    action, mean, log_spread = (np.asarray(x, float) for x in (action, mean, log_spread))
    normal = stats.norm.logpdf(np.arctanh(action), mean, np.exp(log_spread))
    jacobian = np.log1p(-(action**2))
    return np.where(means_something, normal - jacobian, 0).sum(axis=-1)


@pytest.mark.parametrize("kind", ["mlp", "equivariant"])
def test_density_of_an_action(kind, paper, draw_slot):
    """Numbers at inactive places have no part in it: no decision depends on them."""
    s = load_scenario("paper", [f"sac.network={kind}", "sac.width=8", "sac.hidden_layers=[8]"]).hyperparameters(
        "sac"
    )
    actor = loud(init_actor(s, KEY, 10, 5, channels=2), 1)
    slots = draw_slot(np.random.default_rng(0), 400, places=5)
    slots = jax.tree.map(lambda x: x.astype(np.float32) if x.dtype == float else x, slots)
    action, density = compiled_sample(actor, paper.params, slots, KEY)
    assert (action.shape, density.shape) == ((400, 20), (400,))
    said = np.asarray(compiled_outputs(actor, paper.params, slots))
    means_something = np.concatenate([np.ones((400, 10), bool), slots.active, slots.active], axis=1)
    expected = log_density(action, said[:, 0], said[:, 1], means_something)
    np.testing.assert_allclose(density, expected, rtol=1e-3, atol=5e-3)
    # And the action is drawn from it.
    standard = (np.arctanh(np.asarray(action, float)) - said[:, 0]) / np.exp(said[:, 1])
    assert stats.kstest(standard.ravel(), stats.norm.cdf).pvalue > 0.003


def test_spreads_are_cut_off_far_out(tiny):
    """At e⁻⁵ and e²."""
    _, params, learner, batch = tiny
    actor = learner.nets.actor
    spread_only = {
        name: getattr(actor, name)._replace(weight=0 * getattr(actor, name).weight)
        for name in ("user_out", "model_out")
    }
    for log_spread, cut in ((-9.0, -5.0), (9.0, 2.0)):
        silent = actor._replace(
            user_out=spread_only["user_out"]._replace(bias=jnp.array([0, log_spread, 0, log_spread])),
            model_out=spread_only["model_out"]._replace(bias=jnp.array([0, log_spread])),
        )
        keys = jax.random.split(KEY, 30)
        action = [compiled_sample(silent, params, batch.slot, key)[0] for key in keys]
        found = np.percentile(np.abs(action), 20)
        expected = np.tanh(np.exp(cut) * stats.norm.ppf(0.6))
        assert found == pytest.approx(expected, rel=0.1)


# --- One update


class Expected:
    """The update of Haarnoja et al. 2018, slot by slot in NumPy, with the random numbers of the code."""

    def __init__(self, plan, params, learner, batch):
        self.plan, self.params, self.learner, self.batch = plan, params, learner, batch
        for_target, self.for_actor = jax.random.split(KEY)
        nets, s = learner.nets, plan.settings
        self.temperature = float(np.exp(nets.log_temperature))
        noise = np.asarray(jax.random.normal(for_target, batch.action.shape), float)
        rows = []
        for i, reward in enumerate(np.asarray(batch.reward)):
            slot = reference.row(batch.next_slot, i)
            action, density = self.random_action(nets.actor, slot, noise[i])
            tail = self.least(nets.target_critics, slot, action)
            # Each user pays its part of the entropy's price.
            rows.append(reward + s.discount * (tail - self.temperature * density / USERS))
        self.target = np.array(rows)

    def random_action(self, actor, slot, noise):
        mean, log_spread = reference.outputs(actor, self.params, slot)
        action = np.tanh(mean + np.exp(log_spread) * noise)
        return action, log_density(action, mean, log_spread, True)

    def least(self, critics, slot, action):
        return min((reference.values(c, self.params, slot, action) for c in critics), key=np.sum)

    def critic_loss(self, critics):
        errors = [
            reference.values(critic, self.params, reference.row(self.batch.slot, i), action) - self.target[i]
            for critic in critics
            for i, action in enumerate(np.asarray(self.batch.action))
        ]
        return np.mean(np.square(errors))

    def q_and_density(self, actor):
        noise = np.asarray(jax.random.normal(self.for_actor, self.batch.action.shape), float)
        found = []
        for i in range(BATCH):
            slot = reference.row(self.batch.slot, i)
            action, density = self.random_action(actor, slot, noise[i])
            found.append((self.least(self.learner.nets.critics, slot, action).sum(), density))
        return np.mean(found, axis=0)

    def actor_loss(self, actor):
        q, density = self.q_and_density(actor)
        return self.temperature * density - q


def slopes(function, at, seed=3):
    """Central differences at one number of each array: where, and how large."""
    leaves, structure = jax.tree.flatten(reference.plain(at))
    rng = np.random.default_rng(seed)
    for k, leaf in enumerate(leaves):
        if leaf.size:
            place = tuple(rng.integers(leaf.shape))
            ends = []
            for nudge in (1e-5, -1e-5):
                nudged = [x.copy() for x in leaves]
                nudged[k][place] += nudge
                ends.append(function(jax.tree.unflatten(structure, nudged)))
            yield k, place, (ends[0] - ends[1]) / 2e-5


def test_update_against_numpy(tiny):
    plan, _, learner, _ = tiny
    after, loss, q = compiled_update(*tiny, KEY)
    expected = Expected(*tiny)
    nets = learner.nets
    assert float(loss) == pytest.approx(expected.critic_loss(nets.critics), rel=1e-3)
    assert float(q) == pytest.approx(expected.q_and_density(nets.actor)[0], rel=1e-3, abs=1e-4)

    rates = plan.settings.critic_learning_rate, plan.settings.actor_learning_rate
    functions = expected.critic_loss, expected.actor_loss
    for name, rate, function in zip(("critics", "actor"), rates, functions, strict=True):
        optimiser = after.nets.critic_optimiser if name == "critics" else after.nets.actor_optimiser
        gradient = reference.gradient(optimiser, getattr(nets, name))
        given = [np.asarray(x, float) for x in jax.tree.leaves(gradient)]
        checked = [(given[k][place], slope) for k, place, slope in slopes(function, getattr(nets, name))]
        found, slope = np.transpose(checked)
        assert np.count_nonzero(np.abs(slope) > 1e-4) > len(slope) / 3
        np.testing.assert_allclose(found, slope, rtol=0.02, atol=2e-3 * np.abs(slope).max())
        moves = zip(*(jax.tree.leaves(getattr(x, name)) for x in (nets, after.nets)), given, strict=True)
        for old, new, gradient in moves:
            felt = np.abs(gradient) > 1e-5
            moved = np.asarray(new, float) - np.asarray(old, float)
            np.testing.assert_allclose(moved[felt], -rate * np.sign(gradient)[felt], rtol=0.02)

    soft = jax.tree.map(lambda w, w_old: 0.005 * w + 0.995 * w_old, after.nets.critics, nets.target_critics)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-7), after.nets.target_critics, soft
    )


@pytest.mark.parametrize(("shift", "sign"), [(0.0, -1), (-3.0, 1)])
def test_the_price_of_entropy_moves_the_right_way(shift, sign, tiny):
    """It falls while the actor is more random than asked for, and rises while it is less."""
    plan, params, learner, batch = tiny
    actor = learner.nets.actor
    actor = actor._replace(
        user_out=actor.user_out._replace(bias=actor.user_out.bias + jnp.array([0, shift, 0, shift])),
        model_out=actor.model_out._replace(bias=actor.model_out.bias + jnp.array([0, shift])),
    )
    entropy = -float(compiled_sample(actor, params, batch.slot, KEY)[1].mean())
    wanted = plan.settings.target_entropy * (MODELS + 2 * USERS)
    assert np.sign(wanted - entropy) == sign
    learner = learner._replace(nets=learner.nets._replace(actor=actor))
    after, _, _ = compiled_update(plan, params, learner, batch, KEY)
    moved = float(after.nets.log_temperature - learner.nets.log_temperature)
    assert moved == pytest.approx(sign * plan.settings.temperature_learning_rate, rel=1e-3)


def test_the_first_price_of_entropy(tiny):
    _, _, learner, _ = tiny
    assert float(jnp.exp(learner.nets.log_temperature)) == pytest.approx(0.3, rel=1e-6)


# --- Over a whole run


def test_learns_to_beat_the_cloud():
    scenario = load_scenario("paper", ["sac.width=16", "cell.places=5", "cell.users=5"])
    params, episodes = scenario.params, 30
    plan = loop.OffPolicyPlan(scenario.hyperparameters("sac"), 5, 5, 10, 50, episodes)
    slots = sample_episodes(params, jax.random.key(1), 5, 5, 50, 4)
    learner, _ = loop.train(
        sac.ALGORITHM, plan, params, loop.init(sac.ALGORITHM, plan, params, KEY, slots), episodes
    )
    _, learned = loop.evaluate_actor(sac.ALGORITHM, params, learner, slots)
    flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), slots)
    cloud = float(total_utility(params, flat, policy("cloud-only", scenario)(params, flat, KEY)).mean())
    assert float(learned) < 0.8 * cloud

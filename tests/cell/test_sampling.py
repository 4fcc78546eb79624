import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from scipy import stats

from genedge.cell.sampling import (
    Draws,
    draw,
    sample_episode,
    sample_episodes,
    sample_slot,
)
from genedge.scenario import load_scenario

EPISODES, SLOTS, PLACES = 2000, 10, 4
DRAWN_KEY = jax.random.key(11)
STATIONARY = np.array([2, 3, 2]) / 7  # of the preset's transition matrix, worked out by hand

# Seeds are fixed, so a test passes always or never: a p-value below this is no accident.
LEAST_P = 0.003

compiled_slot = jax.jit(sample_slot, static_argnames="places")


@pytest.fixture(scope="module")
def drawn(paper):
    """Many slots: fields of shape (EPISODES, SLOTS, PLACES), in NumPy."""
    slots = sample_episodes(paper.params, DRAWN_KEY, 3, PLACES, SLOTS, EPISODES)
    return jax.tree.map(np.asarray, slots)


@pytest.fixture(scope="module")
def state(paper, drawn):
    """The state of the skew in every slot, shape (EPISODES, SLOTS)."""
    return np.abs(drawn.skew[..., None] - paper.params.skews).argmin(axis=-1)


@pytest.fixture(scope="module")
def fading(paper, drawn):
    """|g|² of every user, from the gain and the reference's path loss."""
    distance_m = np.hypot(*np.moveaxis(drawn.position_m.astype(float), -1, 0))
    scenario = paper.as_json()
    loss_db = [reference.path_loss_db(scenario, d) for d in distance_m.ravel()]
    return drawn.gain.astype(float) * 10 ** (np.reshape(loss_db, distance_m.shape) / 10)


def frequencies_fit(counts, probabilities):
    expected = np.asarray(probabilities) / np.sum(probabilities) * np.sum(counts)
    return stats.chisquare(counts, expected).pvalue > LEAST_P


# --- Distributions


def test_users_are_uniform_in_the_area(drawn):
    for axis in (0, 1):
        coordinate = drawn.position_m[..., axis].ravel()
        assert stats.kstest(coordinate, stats.uniform(-125, 250).cdf).pvalue > LEAST_P


def test_the_base_station_is_in_the_middle_of_any_area():
    params = load_scenario("paper", ["cell.area_m=[100, 600]"]).params
    position_m = np.stack([episode(params, key).position_m for key in range(20)])
    half = np.abs(position_m).reshape(-1, 2).max(axis=0)
    assert (half <= [50, 300]).all()
    np.testing.assert_allclose(half, [50, 300], rtol=0.02)


def test_fading_is_exponential_with_mean_1(fading):
    assert stats.kstest(fading.ravel(), stats.expon.cdf).pvalue > LEAST_P


def test_request_sizes_are_uniform(drawn):
    assert stats.kstest(drawn.input_bits.ravel(), stats.uniform(40e6, 40e6).cdf).pvalue > LEAST_P


def test_requests_follow_zipf_given_the_skew(paper, drawn, state):
    for k, skew in enumerate(paper.params.skews):
        counts = np.bincount(drawn.requests[state == k].ravel(), minlength=10)
        assert frequencies_fit(counts, reference.zipf(skew, 10))


def test_the_skew_starts_and_stays_stationary(paper, state):
    np.testing.assert_allclose(paper.params.first_skew, STATIONARY, atol=1e-12)
    for t in range(SLOTS):
        assert frequencies_fit(np.bincount(state[:, t], minlength=3), STATIONARY)


def test_the_skew_is_a_markov_chain(paper, state):
    before, after = state[:, :-1], state[:, 1:]
    for k in range(3):
        assert frequencies_fit(np.bincount(after[before == k], minlength=3), paper.params.transition[k])
    # The slot before the last one says nothing more.
    for k in range(3):
        middle = state[:, 1:-1] == k
        table = np.zeros((3, 3))
        np.add.at(table, (state[:, :-2][middle], state[:, 2:][middle]), 1)
        assert stats.chi2_contingency(table).pvalue > LEAST_P


def test_the_first_state_can_be_given():
    params = load_scenario("paper", ["requests.first_skew=2"]).params
    skew = np.stack([episode(params, key).skew for key in range(40)])
    np.testing.assert_allclose(skew[:, 0], 1.2, rtol=1e-6)
    assert len(np.unique(skew[:, 1])) == 3


def test_everything_is_fresh_for_every_user_slot_and_episode(drawn, fading, state):
    # Requests of a slot share its skew; what is left of them beside it is independent.
    mean = np.array([drawn.requests[state == k].mean() for k in range(3)])
    components = {
        "x": drawn.position_m[..., 0],
        "y": drawn.position_m[..., 1],
        "fading": fading,
        "sizes": drawn.input_bits,
        "requests": drawn.requests - mean[state][..., None],
    }
    bound = 4 / np.sqrt(EPISODES * SLOTS * (PLACES - 1))
    for name, x in components.items():
        neighbours = {
            "users": (x[..., 1:], x[..., :-1]),
            "slots": (x[:, 1:], x[:, :-1]),
            "episodes": (x[1:], x[:-1]),
        } | {other: (x, y) for other, y in components.items() if other != name}
        for what, (a, b) in neighbours.items():
            assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < bound, (name, what)


# --- Streams


def episode(params, key=5, users=3, places=PLACES):
    return jax.tree.map(np.asarray, sample_episode(params, jax.random.key(key), users, places, SLOTS))


def fields(slot):
    """What the paper's cell sees of a slot, by name: all but what a box, an outage and late channels have."""
    assert {name for name, x in slot._asdict().items() if x is None} == {"ranking", "memory", "outage", "seen_gain"}
    return {name: x for name, x in slot._asdict().items() if x is not None}


def differing(a, b):
    a, b = fields(a), fields(b)
    return {name for name in a if not np.array_equal(a[name], b[name])}


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(paper):
    assert differing(episode(paper.params), episode(paper.params)) == set()
    everything = fields(episode(paper.params)).keys()
    assert differing(episode(paper.params), episode(paper.params, key=6)) == everything - {"active"}


@pytest.mark.parametrize(
    ("override", "changes"),
    [
        ("requests.skew_states=[1.5, 2.0, 2.5]", {"skew", "requests"}),
        ("requests.transition=[[0,1,0],[0,0,1],[1,0,0]]", {"skew", "requests"}),
        ("requests.input_size_mb=[1, 2]", {"input_bits"}),
        ("cell.area_m=[500, 300]", {"position_m", "gain"}),
        ("radio.path_loss_db_at_1_km=120", {"gain"}),
        ("radio.least_distance_m=60", {"gain"}),
        ("radio.uplink_bandwidth_mhz=5", set()),
        ("radio.noise_bandwidth=whole", set()),
        ("server.storage_gb=5", set()),
        ("objective.alpha=0.2", set()),
        ("seed=99", set()),
        ("cell.users=18", set()),
    ],
)
def test_a_changed_component_leaves_the_others_bit_identical(paper, override, changes):
    changed = load_scenario("paper", [override])
    assert differing(episode(paper.params), episode(changed.params)) == changes


def test_with_more_users_or_places_the_first_users_stay_as_they_were(paper):
    few, many = episode(paper.params, users=2), episode(paper.params, users=4)
    assert differing(few, many) == {"active"}
    assert (few.active == (np.arange(PLACES) < 2)).all()
    assert many.active.all()
    roomy = episode(paper.params, users=2, places=18)
    first = jax.tree.map(lambda x: x[:, :PLACES], roomy._replace(skew=None))._replace(skew=roomy.skew)
    assert differing(few, first) == set()


def test_episodes_are_single_episodes_of_folded_keys(paper, drawn):
    for e in (0, 1, EPISODES - 1):
        alone = sample_episode(paper.params, jax.random.fold_in(DRAWN_KEY, e), 3, PLACES, SLOTS)
        for name, x in fields(alone).items():
            np.testing.assert_allclose(x, fields(drawn)[name][e], rtol=1e-5, err_msg=name)


def test_slot_by_slot_is_the_same_episode(paper):
    params, key = paper.params, jax.random.key(5)
    whole = episode(params, users=6, places=18)
    state = jnp.array(0)
    for t in range(SLOTS):
        state, slot, lasting = compiled_slot(params, key, jnp.array(t), state, 6, 18)
        assert not jax.tree.leaves(lasting)
        assert slot.skew == np.float32(params.skews[state])
        for name, x in fields(slot).items():
            np.testing.assert_allclose(x, fields(whole)[name][t], rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("at_once", [1, 3 * PLACES, 7 * PLACES, SLOTS * PLACES])
def test_long_episodes_are_drawn_in_blocks_that_do_not_show(paper, monkeypatch, at_once):
    """Blocks of one slot, blocks of which the last one is not full, and a single one."""
    whole = fields(episode(paper.params))
    monkeypatch.setattr("genedge.cell.sampling.USERS_AT_ONCE", at_once)
    # A function of its own: what JAX has traced of the other one is drawn in a single block.
    anew = jax.jit(lambda params, key: sample_episode.__wrapped__(params, key, 3, PLACES, SLOTS))
    blocks = anew(paper.params, jax.random.key(5))
    for name, x in fields(blocks).items():
        assert x.shape == whole[name].shape
        np.testing.assert_allclose(x, whole[name], rtol=1e-5, err_msg=name)


def test_every_number_is_drawn_once():
    """Components, slots and places have numbers of their own; two words are drawn for each."""
    key = jax.random.key(3)
    numbers = np.stack([np.stack(draw(key, jnp.array(t), 18, lasting=True)) for t in range(40)])
    assert numbers.shape == (40, len(Draws._fields), 18, 2)
    # Of 24 bits, so among 10,080 numbers one or two pairs meet by accident.
    assert len(np.unique(numbers)) > numbers.size - 8
    assert stats.kstest(numbers.ravel(), "uniform").pvalue > LEAST_P
    flat = numbers.reshape(40, -1)
    assert np.abs(np.corrcoef(flat) - np.eye(40)).max() < 0.3


def test_draws_of_zero_do_no_harm(monkeypatch):
    """A uniform draw can be exactly 0: then the channel stays open, and no state of probability 0 is chosen."""
    params = load_scenario("paper", ["requests.first_skew=1"]).params
    zeros = Draws(*(jnp.zeros((18, 2)) for _ in Draws._fields))
    monkeypatch.setattr("genedge.cell.sampling.draw", lambda key, t, places, lasting: zeros)
    state, slot, _ = sample_slot(params, jax.random.key(0), jnp.array(0), jnp.array(0), 18, 18)
    assert (np.asarray(slot.gain) > 0).all()
    assert int(state) == 1

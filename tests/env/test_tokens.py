"""What an equivariant network reads of a slot: the documented features, written a second time."""

import jax
import numpy as np
import pytest

from genedge.cell.sampling import sample_episode
from genedge.env.tokens import MODEL_FEATURES, USER_FEATURES, tokens
from genedge.scenario import load_scenario

USERS, PLACES = 3, 5
compiled = jax.jit(tokens)


@pytest.fixture(scope="module")
def slots(paper):
    return jax.tree.map(np.asarray, sample_episode(paper.params, jax.random.key(3), USERS, PLACES, 4))


def test_features_of_users(paper, slots):
    seen = compiled(paper.params, slots)
    assert seen.users.shape == (4, PLACES, USER_FEATURES)
    for t in range(4):
        for n in range(USERS):
            expected = [
                (np.log10(slots.gain[t, n]) + 9.5) / 2,
                (slots.input_bits[t, n] - 60e6) / 40e6,
                slots.skew[t] - 1,
                USERS / 10 - 1,
            ]
            np.testing.assert_allclose(seen.users[t, n], expected, rtol=1e-5, atol=1e-6)
    assert not np.asarray(seen.users[:, USERS:]).any()


CELLS = {
    "paper": (),
    "best": ("server.quality_floor={largest_tv: best}",),
    "tv": ("server.quality_floor={largest_tv: 40}",),
    "steps": ("server.quality_floor={least_steps: 90}",),
    "another server": ("server.total_steps=600", "server.storage_gb=33"),
    "another objective": ("objective.alpha=0.4",),
    "the other weighing": ("objective.alpha_weighs=tv",),
}


@pytest.mark.parametrize("cell", CELLS)
def test_features_of_models(cell, slots):
    """Of any cell, counted in parts of its steps and its storage, and weighed as its objective weighs."""
    scenario = load_scenario("paper", CELLS[cell])
    params, told = scenario.params, scenario.as_json()
    S, C = (told["parameters"][symbol] for symbol in "SC")
    delay, tv = np.array([told["parameters"]["alpha"], 1 - told["parameters"]["alpha"]])[
        :: 1 if told["alpha_weighs"] == "delay" else -1
    ]
    m = params.models
    seen = compiled(params, slots)
    assert seen.models.shape == (10, MODEL_FEATURES)
    for k in range(10):
        unreachable = np.isinf(m.floor_steps[k])
        expected = [
            2 * m.storage_gb[k] / C - 0.6,
            (m.output_bits[k] - 60e6) / 40e6,
            20 * m.A1[k] / S - 1.5,
            tv / 0.3 * m.A2[k] / 50 - 2.5,
            20 * m.A3[k] / S - 3.5,
            tv / 0.3 * m.A4[k] / 25 - 1,
            delay / 0.7 * m.B1[k] * S / 250 - 1,
            delay / 0.7 * m.B2[k] / 5 - 1,
            2 if unreachable else m.floor_steps[k] / m.A3[k],
            0,
        ]
        np.testing.assert_allclose(seen.models[k], expected, rtol=1e-5, atol=1e-5)
    assert np.asarray(seen.present).all()


def test_some_models_cannot_reach_a_floor_and_some_can():
    """So that both cases above are met."""
    unreachable = np.isinf(load_scenario("paper", CELLS["tv"]).params.models.floor_steps)
    assert unreachable.any()
    assert not unreachable.all()


def test_who_asks_for_what(paper, slots):
    seen, slots = jax.tree.map(np.asarray, (compiled(paper.params, slots), slots))
    for t, n, k in np.ndindex(4, PLACES, 10):
        assert seen.asks[t, n, k] == (n < USERS and k == slots.requests[t, n])
    np.testing.assert_array_equal(seen.active, slots.active)


def test_absent_models_are_silent_and_not_counted(paper, slots):
    """A cell of any size has fewer models than there is room for; those have infinite storage."""
    m = paper.params.models
    absent = m._replace(storage_gb=np.where(np.arange(10) < 7, m.storage_gb, np.inf))
    seen = compiled(paper.params._replace(models=absent), slots)
    few = paper.params._replace(models=jax.tree.map(lambda x: x[:7], m))
    asked = slots._replace(requests=slots.requests % 7)
    assert not np.asarray(seen.models[7:]).any()
    assert np.asarray(seen.present).tolist() == [True] * 7 + [False] * 3
    np.testing.assert_allclose(seen.models[:7], compiled(few, asked).models, rtol=1e-6)
    np.testing.assert_allclose(seen.models[:7, -1], 7 / 10 - 1, rtol=1e-6)


def test_strange_numbers_at_inactive_places_do_no_harm(paper, slots):
    idle = ~slots.active
    strange = slots._replace(
        gain=np.where(idle, 0.0, slots.gain),
        input_bits=np.where(idle, np.inf, slots.input_bits),
        requests=np.where(idle, 9, slots.requests),
    )
    for ours, theirs in zip(compiled(paper.params, strange), compiled(paper.params, slots), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_features_are_of_order_one_in_every_preset():
    for preset in ("paper", "paper-attainable", "companion"):
        params = load_scenario(preset).params
        many = sample_episode(params, jax.random.key(0), 18, 18, 200)
        seen = compiled(params, many)
        assert np.abs(np.asarray(seen.users)).max() < 5
        assert np.abs(np.asarray(seen.models)).max() < 3

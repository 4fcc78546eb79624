"""A box behind Gymnasium's interface: its rules kept, its observation within bounds, its memory as it should be."""

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import genedge.gym  # noqa: F401, it registers the environments
from genedge.cell.memory import in_slot
from genedge.draw.canvas import pixels
from genedge.env.observation import observation_size
from genedge.errors import InputError
from genedge.gym.calls import look_back

T, USERS, PLACES, MODELS = 12, 3, 4, 5
SMALL = (f"cell.users={USERS}", f"cell.places={PLACES}", f"cell.slots_per_episode={T}")


def make(*overrides, **more):
    return gymnasium.make("genedge/Cell-v0", scenario="edge-box", overrides=(*SMALL, *overrides), **more)


def test_gymnasiums_own_check_finds_nothing():
    check_env(make().unwrapped, skip_render_check=True)


@pytest.mark.parametrize("every", ["1", "3", "null"])
def test_random_episodes_stay_within_the_space(every):
    env = make(f"server.cache_every_slots={every}", "requests.rank_drift=0.8")
    env.action_space.seed(1)
    observation, _ = env.reset(seed=2)
    seen = [observation]
    for _ in range(3 * T):
        observation, reward, _, truncated, _ = env.step(env.action_space.sample())
        assert np.isfinite(reward)
        seen.append(observation)
        if truncated:
            seen.append(env.reset()[0])
    assert all(env.observation_space.contains(x) for x in seen)
    box = np.stack(seen)[:, -(1 + 4 * MODELS) :]
    assert observation.shape == (observation_size(MODELS, PLACES, box=True),)
    # Every number moves that can: the next decision (with K > 1), what is held, what serves, loads, popularity.
    parts = {
        "until": box[:, :1],
        "held": box[:, 1:6],
        "serves": box[:, 6:11],
        "loads": box[:, 11:16],
        "popular": box[:, 16:],
    }
    assert {name for name, part in parts.items() if part.std(axis=0).max() == 0} == (
        {"until"} if every != "3" else set()
    )


def test_the_picture_shows_what_serves(monkeypatch):
    """What is in memory, loaded or loading, each as long as it is large; and who is served here or sent away."""
    env = make("server.cache_every_slots=1", render_mode="rgb_array")
    env.reset(seed=1)
    action = np.ones(env.action_space.shape, np.float32)
    decided = env.unwrapped._state.slot
    env.step(action)
    figures = []
    monkeypatch.setattr("genedge.draw.slot.pixels", lambda figure: (figures.append(figure), pixels(figure))[1])
    assert env.render().shape == (500, 1000, 3)
    (figure,) = figures
    params = env.unwrapped.scenario.params
    decision, outcome = jax.tree.map(np.asarray, look_back(params, decided, action))
    held = np.asarray(in_slot(params, decided.memory, decision.cache).held)
    assert held.any()
    area, memory, bandwidth, steps = figure.axes
    np.testing.assert_allclose([bar.get_width() for bar in memory.patches], params.models.storage_gb[held])
    users = np.flatnonzero(decided.active)
    for axes, share in ((bandwidth, decision.bandwidth), (steps, decision.steps)):
        rows = sorted(axes.patches, key=lambda bar: bar.get_y())
        np.testing.assert_allclose([bar.get_width() for bar in rows], share[users] * 100, rtol=1e-6)
        assert [bool(bar.get_hatch()) for bar in rows] == (~outcome.hit[users]).tolist()
    places = np.concatenate([np.asarray(marks.get_offsets()).reshape(-1, 2) for marks in area.collections])
    for place in np.asarray(decided.position_m)[users]:
        assert (np.abs(places - place).max(axis=1) < 1e-3).any()
    assert f"utility {outcome.utility.sum():.0f}" in figure.get_suptitle()


@pytest.mark.parametrize(
    "how", [make, lambda **more: gymnasium.make_vec("genedge/Cell-v0", 2, scenario="edge-box", **more)]
)
def test_there_is_no_gap_of_a_slot(how):
    with pytest.raises(InputError, match=r"gap: .*edge-box.*genedge evaluate"):
        how(gap=True)


def test_cells_side_by_side_are_each_a_box():
    envs = gymnasium.make_vec("genedge/Cell-v0", 3, scenario="edge-box", overrides=SMALL)
    envs.action_space.seed(1)
    observations, _ = envs.reset(seed=4)
    for _ in range(T + 3):
        assert envs.observation_space.contains(observations)
        observations, rewards, _, _, _ = envs.step(envs.action_space.sample())
        assert np.isfinite(rewards).all()

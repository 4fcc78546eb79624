import jax
import numpy as np
import pytest

from genedge.cell.channels.log_distance import LogDistance
from genedge.scenario import load_scenario


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


def test_path_loss_of_the_macro_cell(paper):
    distance_m = np.array([1000.0, 100.0, 10_000.0])
    np.testing.assert_allclose(paper.params.channel.path_loss_db(distance_m), [128.1, 90.5, 165.7], rtol=1e-12)


def test_distances_below_the_least_count_as_the_least(paper):
    loss = np.asarray(paper.params.channel.path_loss_db(np.array([0.0, 0.3, 1.0, 1.1])))
    assert loss[0] == loss[1] == loss[2] < loss[3]
    assert loss[0] == pytest.approx(128.1 - 3 * 37.6)


def test_gain_is_path_loss_times_fading(paper):
    u = np.array([[1 - np.exp(-1.0), 0.3], [1 - np.exp(-0.25), 0.9]])
    gain = paper.params.channel.gain(np.array([[600.0, 800.0], [0.0, -1000.0]]), u)
    np.testing.assert_allclose(gain, [10**-12.81, 0.25 * 10**-12.81], rtol=1e-12)


def test_a_quarter_of_the_side_is_typical(paper):
    assert float(paper.params.channel.typical_db(np.array([600.0, 400.0]))) == pytest.approx(-90.5, rel=1e-12)


def test_its_numbers_are_those_of_radio_and_naming_it_changes_nothing(paper):
    named = load_scenario("paper", ["channel.model=log-distance", "mobility.model=uniform"])
    assert named.id == paper.id
    assert jax.tree.structure(named.params) == jax.tree.structure(paper.params)
    changed = load_scenario("paper", ["radio.path_loss_db_at_1_km=100", "radio.least_distance_m=3"]).params.channel
    assert isinstance(changed, LogDistance)
    assert [float(x) for x in changed] == [100, 37.6, 3]

import jax
import numpy as np
import pytest
import reference

from genedge.cell.generation import generation_delay, tv_quality
from genedge.cell.types import of_requests
from genedge.scenario import load_scenario

PROPERTIES = ("A1", "A2", "A3", "A4", "B1", "B2")


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


def every_model(scenario, steps):
    """The catalogue repeated for each number of steps: models of shape (K, M) and steps likewise."""
    count = len(scenario.models)
    requests = np.tile(np.arange(count), (len(steps), 1))
    return of_requests(scenario.params.models, requests), np.repeat(np.array(steps)[:, None], count, 1)


def test_eq_10_to_12_against_the_reference(paper):
    steps = np.linspace(0, 300, 601)
    models, s = every_model(paper, steps)
    tv, delay_s = np.asarray(tv_quality(models, s)), np.asarray(generation_delay(models, s))
    for m, model in enumerate(paper.as_json()["models"]):
        np.testing.assert_allclose(tv[:, m], [reference.tv_quality(x, model) for x in steps], rtol=1e-12)
        np.testing.assert_allclose(delay_s[:, m], model["B1"] * steps + model["B2"], rtol=1e-12)


def test_quality_at_its_corners(paper):
    catalogue = paper.params.models
    middle = (catalogue.A1 + catalogue.A3) / 2
    for steps, tv in (
        (np.zeros(10), catalogue.A2),
        (catalogue.A1, catalogue.A2),
        (middle, (catalogue.A2 + catalogue.A4) / 2),
        (catalogue.A3, catalogue.A4),
        (catalogue.A3 + 1e6, catalogue.A4),
    ):
        np.testing.assert_allclose(tv_quality(catalogue, steps), tv, rtol=1e-12)


def test_the_fit_of_the_companion_preset():
    models = load_scenario("companion").params.models
    for symbol, value in zip(PROPERTIES, (60, 110, 170, 28, 0.18, 5.74), strict=True):
        assert (getattr(models, symbol) == value).all()
    np.testing.assert_allclose(tv_quality(models, np.full(10, 115.0)), 69.0)
    np.testing.assert_allclose(generation_delay(models, np.full(10, 100.0)), 23.74)


def test_up_to_A1_steps_only_cost(paper):
    p = paper.params
    models, s = every_model(paper, np.linspace(0, 1, 50))
    s = s * p.models.A1
    cost = p.delay_weight * generation_delay(models, s) + p.tv_weight * tv_quality(models, s)
    assert (np.diff(cost, axis=0) > 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_the_best_number_of_steps_is_0_or_A3_and_0_where_time_outweighs_quality(seed):
    scenario = load_scenario("paper", [f"seed={seed}", "models.count=40"])
    p, steps = scenario.params, np.linspace(0, 250, 2501)
    models, s = every_model(scenario, steps)
    cost = np.asarray(p.delay_weight * generation_delay(models, s) + p.tv_weight * tv_quality(models, s))
    c = p.models
    saves_nothing = 0.7 * c.B1 * c.A3 >= 0.3 * (c.A2 - c.A4)
    assert saves_nothing.any()
    assert not saves_nothing.all()
    best = steps[cost.argmin(axis=0)]
    assert (best[saves_nothing] == 0).all()
    np.testing.assert_allclose(best[~saves_nothing], c.A3[~saves_nothing], atol=0.1)


def test_steps_do_not_pay_for_about_half_of_the_assumed_catalogue():
    c = load_scenario("paper", ["models.count=4000"]).params.models
    assert np.mean(0.7 * c.B1 * c.A3 >= 0.3 * (c.A2 - c.A4)) == pytest.approx(0.5, abs=0.1)

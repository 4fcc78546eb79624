"""Costs beyond Eq. (14), and a cost of one's own, against plain loops over users."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import genedge as package
from genedge.cell.feasible import action_size, decode
from genedge.cell.sampling import sample_episode
from genedge.cell.service import serve
from genedge.cell.types import Costs
from genedge.errors import InputError
from genedge.gym import CellEnv
from genedge.optimum.certificate import objective
from genedge.scenario import load_scenario

USERS, COUNT = 5, 6
ALL = (
    "objective.energy_per_step=0.02",
    "objective.deadline_s=20",
    "objective.late_penalty=7",
    "objective.fairness_per_s=0.5",
    "radio.outage_gain_db=-97",
    "radio.outage_delay_s=33",
)
OWN = """
import jax.numpy as jnp

def each(delay_s, tv, hit, steps, active):
    return delay_s**2 + 0.3 * tv - 5.0 * hit + 0.01 * steps

def whole(delay_s, tv, hit, steps, active):
    return jnp.max(delay_s) + jnp.sum(tv) / jnp.maximum(jnp.sum(active), 1)

def fails(delay_s, tv, hit, steps, active):
    return delay_s + undefined

def wide(delay_s, tv, hit, steps, active):
    return jnp.stack([delay_s, tv])

def counts(delay_s, tv, hit, steps, active):
    return hit.sum()

def endless(delay_s, tv, hit, steps, active):
    return 1 / (delay_s - delay_s)

number = 3
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "mine.py"
    path.write_text(OWN)
    return path


def decided(scenario, seed):
    slots = sample_episode(scenario.params, jax.random.key(seed), USERS, USERS, COUNT)
    slots = jax.tree.map(np.array, slots)
    action = np.random.default_rng(seed).uniform(-1, 1, (COUNT, action_size(10, USERS))).astype(np.float32)
    return slots, jax.tree.map(np.asarray, decode(scenario.params, slots, action))


@pytest.fixture(scope="module")
def beyond():
    return load_scenario("paper", ALL), load_scenario("paper", ALL[4:])


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_additions_are_those_of_a_loop_over_users(seed, beyond):
    scenario, plain = beyond
    slots, decision = decided(scenario, seed)
    without = package.score(plain.params, slots, decision)
    scored = package.score(scenario.params, slots, decision)
    assert np.array_equal(scored.delay_s, without.delay_s)
    for k in range(COUNT):
        total = float(without.utility[k].sum())
        for n in range(USERS):
            if scored.hit[k, n]:
                total += 0.02 * float(decision.steps[k, n]) * 1000
            total += 7 if scored.delay_s[k, n] > 20 else 0
        total += 0.5 * float(scored.delay_s[k].max())
        assert scored.utility[k].sum() == pytest.approx(total, rel=1e-9)
    assert objective(scenario.params, slots, decision) == pytest.approx(scored.utility.sum(axis=-1), rel=1e-9)
    # Those who wait longest bear it.
    worst = scored.delay_s == scored.delay_s.max(axis=-1, keepdims=True)
    borne = np.where(worst, scored.utility - without.utility, 0).sum(axis=-1)
    assert (borne >= 0.5 * scored.delay_s.max(axis=-1) - 1e-9).all()


def test_a_cost_of_each_user_and_one_of_the_slot(file, paper):
    for name in ("each", "whole"):
        scenario = load_scenario("paper", [f"objective.function={file}:{name}"])
        slots, decision = decided(scenario, 1)
        slots.active[0] = slots.active[1, 2:] = False
        decision = jax.tree.map(np.array, decision)
        for shares in (decision.bandwidth, decision.steps):
            shares[~slots.active] = 0
        plain, scored = (package.score(s.params, slots, decision) for s in (paper, scenario))
        steps = np.where(plain.hit, decision.steps.astype(float) * 1000, 0)
        if name == "each":
            wanted = plain.delay_s**2 + 0.3 * plain.tv - 5 * plain.hit + 0.01 * steps
            assert scored.utility == pytest.approx(np.where(slots.active, wanted, 0), rel=1e-9)
        else:
            users = np.maximum(slots.active.sum(axis=-1), 1)
            wanted = plain.delay_s.max(axis=-1) + plain.tv.sum(axis=-1) / users
            assert scored.utility.sum(axis=-1) == pytest.approx(np.where(slots.active.any(axis=-1), wanted, 0))
            assert (scored.utility == np.where(slots.active, scored.utility.max(axis=-1, keepdims=True), 0)).all()


def test_it_can_be_traced_and_is_the_same_function_in_every_scenario(file):
    first, second = (
        load_scenario("paper", [f"objective.function={file}:each", f"objective.alpha={a}"]).params
        for a in (0.5, 0.6)
    )
    assert jax.tree.structure(first) == jax.tree.structure(second)
    slots, decision = decided(load_scenario("paper"), 2)
    traced = jax.jit(serve)(first, slots, decision).utility
    assert traced == pytest.approx(np.asarray(serve(first, slots, decision).utility), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fails", "{file} line 11: fails fails: NameError: name 'undefined' is not defined"),
        (
            "wide",
            "{file}:wide gives an array of shape (2, 1) for a slot of 1 places; it must give the cost of each, "
            "(1,), or one number, of the slot",
        ),
        ("counts", "{file}:counts gives int32; a cost must be a real number"),
        ("endless", "{file}:endless gives inf for some users; it must be finite"),
        ("number", "{file}:number is no function; it must be one of (delay_s, tv, hit, steps, active)"),
        ("missing", "{file}: there is no 'missing' in it"),
    ],
)
def test_what_is_no_cost(name, message, file):
    with pytest.raises(InputError) as error:
        load_scenario("paper", [f"objective.function={file}:{name}"])
    assert str(error.value) == f"preset paper with --set: {message.format(file=file)}"


def test_it_is_the_whole_cost(file):
    with pytest.raises(InputError, match=r"objective: function is the whole cost of a slot: leave out"):
        load_scenario("paper", [f"objective.function={file}:each", "objective.energy_per_step=1"])
    with pytest.raises(InputError, match=r"objective: function must be FILE.py:FUNCTION, not 'mine'"):
        load_scenario("paper", ["objective.function=mine"])


def test_the_id_is_of_what_the_file_holds_and_a_scenario_names_it_from_its_own_folder(file, tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    (tmp_path / "mine.yaml").write_text("name: mine\nobjective: {function: mine.py:each}\n")
    same = load_scenario(tmp_path / "mine.yaml")
    assert same.id == load_scenario("paper", [f"objective.function={file}:each"]).id
    assert same.id != load_scenario("paper", [f"objective.function={file}:whole"]).id
    assert same.files == (str(tmp_path / "mine.py"),)
    (tmp_path / "mine.py").write_text(OWN.replace("5.0", "6.0"))
    assert load_scenario(tmp_path / "mine.yaml").id != same.id


def test_an_environment_rewards_it_and_tells_no_gap(file):
    override = f"objective.function={file}:whole"
    env = CellEnv("paper", [override, "cell.users=5"])
    env.reset(seed=0)
    action = np.zeros(env.action_space.shape, np.float32)
    _, reward, _, _, info = env.step(action)
    assert -reward > info["tv"]
    with pytest.raises(InputError) as error:
        CellEnv("paper", [override], gap=True)
    assert str(error.value) == "gap: of objective.function, a cost of your own, no optimum is known; leave it out"


def test_with_a_deadline_an_environment_tells_a_bound():
    env = CellEnv("paper", ["objective.deadline_s=20", "cell.users=5"], gap=True)
    env.reset(seed=0)
    info = env.step(np.zeros(env.action_space.shape, np.float32))[4]
    assert "optimum" not in info
    assert info["bound"] > 0
    assert info["gap"] >= 0


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        (Costs(energy=np.array(-1.0)), "params.costs.energy is -1.0; it must be a finite number"),
        (Costs(deadline_s=np.array(1.0)), "params.costs: deadline_s and late go together; give both, or neither"),
        (Costs(function=max), "params.costs.function must be None or such as scenario.params.costs.function, a"),
    ],
)
def test_costs_that_make_no_sense(costs, message, paper):
    slots, decision = decided(paper, 0)
    with pytest.raises(InputError) as error:
        package.score(paper.params._replace(costs=costs), slots, decision)
    assert str(error.value).startswith(message)

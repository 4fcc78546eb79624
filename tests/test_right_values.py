"""However right values are given at the Python door, what is computed of them is the same."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import genedge

gymnasium = pytest.importorskip("gymnasium")
import genedge.gym  # noqa: E402

# More models than a byte counts.
SCENARIO = genedge.load_scenario("paper", ["models.count=200", "hcras.population=4", "hcras.generations=2"])
PARAMS, KEY = SCENARIO.params, jax.random.key(0, impl="threefry2x32")
SLOTS = jax.tree.map(np.asarray, genedge.sample_episode(PARAMS, KEY, users=3, places=4, slots=3))
SLOTS = SLOTS._replace(requests=np.minimum(SLOTS.requests, 100))
POLICIES = {name: genedge.policy(name, SCENARIO) for name in ("rcars", "hcras", "knapsack", "learned", "priced")}
DECISION = jax.tree.map(np.asarray, POLICIES["knapsack"](PARAMS, SLOTS, KEY))


@pytest.fixture(autouse=True)
def unhooked(monkeypatch):
    """Without the type checker of these tests, which nobody else has at the door."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def everything(params, slots, decision):
    decided = {name: decide(params, slots, KEY) for name, decide in POLICIES.items()}
    found = genedge.serve(params, slots, decision), genedge.score(params, slots, decision), decided
    return jax.tree.map(np.asarray, found)


@pytest.fixture(scope="module")
def expected():
    return everything(PARAMS, SLOTS, DECISION)


def assert_same(ours, others):
    jax.tree.map(np.testing.assert_array_equal, ours, others)
    assert jax.tree.map(lambda x: x.dtype, ours) == jax.tree.map(lambda x: x.dtype, others)


class Own(np.ndarray):
    pass


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


FORMS = {
    "of the other byte order": lambda x: x.astype(x.dtype.newbyteorder()),
    "the longest there are": lambda x: x.astype({"f": np.longdouble, "i": np.uint64}.get(x.dtype.kind, bool)),
    "in JAX": jnp.asarray,
    "read-only": read_only,
    "backwards in memory": lambda x: x[..., ::-1].copy()[..., ::-1] if x.ndim else x,
    "by columns in memory": lambda x: np.array(x, order="F"),
    "masked": np.ma.masked_array,
    "a subclass": lambda x: x.view(Own),
    "numbers alone": lambda x: x[()],
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_an_array(form, expected):
    params, slots, decision = jax.tree.map(lambda x: FORMS[form](np.asarray(x)), (PARAMS, SLOTS, DECISION))
    if form == "in JAX":  # There, params lose digits.
        params = PARAMS
    assert_same(everything(params, slots, decision), expected)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.uint16, np.int64, np.uint64])
@pytest.mark.parametrize("array", [np.asarray, jnp.asarray])
def test_each_kind_of_whole_number(kind, array, expected):
    slots = SLOTS._replace(requests=array(SLOTS.requests.astype(kind)))
    assert_same(everything(PARAMS, slots, DECISION), expected)


@pytest.mark.filterwarnings("error")
def test_places_without_a_user_hold_anything(expected):
    def at_nobody(field, value):
        array = np.array(getattr(SLOTS, field))
        array[~SLOTS.active] = value
        return SLOTS._replace(**{field: array})

    assert not SLOTS.active.all()
    for field in ("gain", "input_bits", "position_m"):
        for value in (np.nan, np.inf, -1, 0, 1e38):
            assert_same(everything(PARAMS, at_nobody(field, value), DECISION), expected)
    assert_same(everything(PARAMS, at_nobody("requests", -1), DECISION), expected)
    with pytest.raises(genedge.InputError, match=r"slots\.requests\[0, 0\] is -1; it must be a model's index"):
        everything(PARAMS, SLOTS._replace(requests=np.where(SLOTS.active, -1, 0)), DECISION)


@pytest.mark.parametrize(("fields", "large"), [(("C",), 1e9), (("R_bc", "R_cb"), 1e30)])
def test_without_a_limit_is_as_with_a_large_one(fields, large):
    found = [
        everything(PARAMS._replace(**dict.fromkeys(fields, value)), SLOTS, DECISION) for value in (np.inf, large)
    ]
    for of_one in found:  # It sees how large the memory is.
        if fields == ("C",):
            del of_one[2]["learned"]
    jax.tree.map(np.testing.assert_allclose, *found)


@pytest.mark.filterwarnings("error")
def test_each_kind_of_count_and_seed():
    kinds = (np.int8, np.uint8, np.int64, np.uint64)
    expected = genedge.sample_episode(PARAMS, KEY, 3, 4, 5)
    env, envs = genedge.gym.CellEnv("paper"), genedge.gym.CellVectorEnv(2, "paper")
    first, first_of_all = env.reset(seed=7)[0], envs.reset(seed=7)[0]
    for kind in kinds:
        assert_same(genedge.sample_episode(PARAMS, KEY, kind(3), kind(4), kind(5)), expected)
        assert_same(env.reset(seed=kind(7))[0], first)
        assert_same(envs.reset(seed=kind(7))[0], first_of_all)
        assert_same(envs.reset(seed=[kind(7), kind(8)])[0], first_of_all)


@pytest.mark.parametrize("form", ["f2", "f4", "f8", ">f4", "g", "i1", "bfloat16"])
def test_each_kind_of_action(form):
    env, envs = genedge.gym.CellEnv("paper"), genedge.gym.CellVectorEnv(2, "paper")
    for one in (env, envs):
        told = []
        for kind in (form, "f4"):
            one.reset(seed=7)
            told.append(one.step(np.ones(one.action_space.shape, jnp.dtype(kind)))[:2])
        jax.tree.map(np.testing.assert_array_equal, *told)

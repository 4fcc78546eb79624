"""The Python door: inside the user's own jit, vmap and grad, and whatever JAX is set to, the bits stay the same."""

import json
import os
import subprocess
import sys
from functools import partial

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from installed import some_heavy

import genedge
from genedge.cell import service
from genedge.env import functional
from genedge.optimum import certify, solve_optimal, solve_priced
from genedge.registry import named
from genedge.xla import AS_STATED, AS_STATED_HERE, set_up_jax

gymnasium = pytest.importorskip("gymnasium")
import genedge.gym  # noqa: E402
import genedge.optimum  # noqa: E402

SMALL = (
    "hcras.population=4",
    "hcras.generations=2",
    "cell.users=3",
    "cell.places=4",
    "cell.slots_per_episode=2",
)
SCENARIO = genedge.load_scenario("paper", SMALL)
PARAMS, KEY = SCENARIO.params, jax.random.key(0, impl="threefry2x32")
SLOTS = genedge.sample_episode(PARAMS, KEY, users=3, places=4, slots=2)
POLICIES = {name: genedge.policy(name, SCENARIO) for name in named("policy")}
DECISION = POLICIES["rcars"](PARAMS, SLOTS, KEY)
ACTION = np.full(18, 0.5, np.float32)


def bits():
    """What every public function computes, as NumPy arrays."""
    evaluation = genedge.evaluate(SCENARIO, {"rcars": POLICIES["rcars"]}, [3], 1, 0, lambda text: None)
    env, envs = genedge.gym.CellEnv("paper", SMALL, gap=True), genedge.gym.CellVectorEnv(2, "paper", SMALL)
    everything = {
        "sampled": genedge.sample_episode(PARAMS, KEY, users=3, places=4, slots=2),
        "served": genedge.serve(PARAMS, SLOTS, DECISION),
        "scored": genedge.score(PARAMS, SLOTS, DECISION),
        "decided": {name: decide(PARAMS, SLOTS, KEY) for name, decide in POLICIES.items()},
        "evaluated": dict(evaluation.rows[0].samples),
        "optimum": np.array(evaluation.optimum(3)),
        "reset": env.reset(seed=1)[0],
        "step": env.step(ACTION),
        "reset all": envs.reset(seed=1)[0],
        "step all": envs.step(np.stack([ACTION] * 2))[:2],
    }
    return jax.tree.map(np.asarray, everything)


def assert_same(ours, others):
    jax.tree.map(np.testing.assert_array_equal, ours, others)
    assert jax.tree.map(lambda x: x.dtype, ours) == jax.tree.map(lambda x: x.dtype, others)


@pytest.fixture(autouse=True)
def unhooked(monkeypatch):
    """Without the type checker of these tests, which nobody else has at the door."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture(scope="module")
def before():
    return bits()


# --- Inside jit, vmap and grad ----------------------------------------------------------------------------


def sum_of(tree):
    return sum(
        jnp.sum(leaf) for leaf in jax.tree.leaves(tree) if jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.inexact)
    )


def with_gain(factor):
    return SLOTS._replace(gain=SLOTS.gain * factor)


def stepped(make, action):
    env = make()
    env.reset(seed=1)
    return env.step(action)[1]


def together(x):
    env = genedge.gym.CellParallelEnv("paper", SMALL)
    env.reset(seed=1)
    actions = {agent: np.full(env.action_space(agent).shape, 0.5, np.float32) for agent in env.agents}
    return env.step(actions | {"cache": actions["cache"] * x})[1]["cache"]


def evaluated(**given):
    arguments = {"policies": {"rcars": POLICIES["rcars"]}, "users": [3], "episodes": 1, "seed": 0} | given
    return genedge.evaluate(SCENARIO, report=lambda text: None, **arguments).rows[0].samples["utility"]


def moved(x, params=PARAMS):
    """The rewards of an episode, without an environment around it."""

    def step(state, _):
        told = functional.step(params._replace(W_up=params.W_up * x), state, ACTION, 2)
        return told.state, told.reward

    return jax.lax.scan(step, functional.reset(params, KEY, 3, 4)[1], None, 2)[1]


def certified(slots):
    solved = solve_priced(PARAMS, SLOTS)
    return certify(PARAMS, slots, solved.decision, solved.lower_bound).objective


# The most of whose time is compilation.
LONG = ("policy hcras", "policy learned", "policy learned-search", "functional", "serve", "serve, its params")

# Each public function of a number that may be traced; and the same with nothing traced but what is around it.
TRACED = {
    "serve": lambda x: genedge.serve(PARAMS, with_gain(x), DECISION),
    "serve, its params": lambda x: genedge.serve(PARAMS._replace(W_up=PARAMS.W_up * x), SLOTS, DECISION),
    "serve, its decision": lambda x: genedge.serve(
        PARAMS, SLOTS, DECISION._replace(bandwidth=DECISION.bandwidth * x)
    ),
    "score": lambda x: genedge.score(PARAMS, with_gain(x), DECISION),
    "sample_episode": lambda x: genedge.sample_episode(
        PARAMS._replace(input_bits=PARAMS.input_bits * x), KEY, 3, 4, 2
    ),
    "sample_episode, its users": lambda x: genedge.sample_episode(PARAMS, KEY, x, 4, 2),
    "load_scenario": lambda x: genedge.load_scenario(x),
    "load_scenario, its overrides": lambda x: genedge.load_scenario("paper", [x]),
    "policy": lambda x: genedge.policy(x, SCENARIO),
    "evaluate": lambda x: evaluated(seed=x),
    "interval": lambda x: genedge.interval([x, 2.0, 3.0]).mean,
    "functional": moved,
    "solve_optimal": lambda x: solve_optimal(PARAMS, with_gain(x)).lower_bound,
    "solve_priced": lambda x: solve_priced(PARAMS, with_gain(x)).lower_bound,
    "certify": lambda x: certified(with_gain(x)),
    "CellEnv": lambda x: stepped(partial(genedge.gym.CellEnv, "paper", SMALL), ACTION * x),
    "CellVectorEnv": lambda x: stepped(partial(genedge.gym.CellVectorEnv, 1, "paper", SMALL), ACTION[None] * x),
    "CellParallelEnv": lambda x: together(x),
    "save_sb3": lambda x: genedge.gym.save_sb3(x, "model.zip"),
} | {
    f"policy {name}": lambda x, decide=decide: decide(PARAMS, with_gain(x), KEY)
    for name, decide in POLICIES.items()
}
REFUSED = {
    *("score", "sample_episode, its users", "load_scenario", "load_scenario, its overrides", "policy", "evaluate"),
    *("interval", "solve_optimal", "solve_priced", "certify"),
    *("CellEnv", "CellVectorEnv", "CellParallelEnv", "save_sb3", "policy optimal", "policy priced"),
}
AROUND = {
    "serve": lambda: genedge.serve(PARAMS, SLOTS, DECISION),
    "score": lambda: genedge.score(PARAMS, SLOTS, DECISION),
    "sample_episode": lambda: genedge.sample_episode(PARAMS, KEY, 3, 4, 2),
    "load_scenario": lambda: genedge.load_scenario("paper", SMALL).params,
    "evaluate": evaluated,
    "interval": lambda: genedge.interval([1.0, 2.0, 4.0]),
    "functional": lambda: moved(1.0),
    "solve_optimal": lambda: solve_optimal(PARAMS, SLOTS).lower_bound,
    "certify": lambda: certified(SLOTS),
    "CellEnv": lambda: stepped(partial(genedge.gym.CellEnv, "paper", SMALL), ACTION),
    "CellVectorEnv": lambda: stepped(partial(genedge.gym.CellVectorEnv, 1, "paper", SMALL), ACTION[None]),
} | {f"policy {name}": lambda name=name: genedge.policy(name, SCENARIO)(PARAMS, SLOTS, KEY) for name in POLICIES}
TRANSFORMS = {
    "jit": lambda f: jax.jit(f)(1.0),
    "vmap": lambda f: jax.vmap(f)(jnp.ones(2))[0],
    "grad": lambda f: jax.value_and_grad(f)(1.0)[0],
}


def test_all_public_functions_are_tried():
    """But those of `genedge.extend`, parts of compiled code which look at nothing; tests of the cell try them."""
    functions = {name for name in dir(genedge) if not isinstance(getattr(genedge, name), type)}
    in_modules = {*genedge.gym.__all__, *genedge.optimum.__all__} - {"Certificate", "Solved"}
    assert functions | in_modules <= set(TRACED)
    assert set(TRACED) >= REFUSED


@pytest.mark.parametrize("name", some_heavy(TRACED, *LONG))
def test_traced_it_works_or_says_what_to_call(name, before):
    def f(x):
        return sum_of(TRACED[name](x))

    for transform in TRANSFORMS.values():
        if name in REFUSED:
            with pytest.raises(genedge.InputError, match=r"traced|must be") as e:
                transform(f)
            assert "\n" not in str(e.value)
        else:
            np.testing.assert_allclose(transform(f), f(1.0), rtol=1e-4)
    assert_same(bits(), before)


@pytest.mark.parametrize("name", some_heavy(AROUND, *LONG))
def test_with_nothing_of_it_traced_it_works_anywhere(name, before):
    expected = sum_of(AROUND[name]())
    for transform in TRANSFORMS.values():
        np.testing.assert_allclose(transform(lambda x: sum_of(AROUND[name]()) * x), expected, rtol=1e-5)
    assert_same(bits(), before)


def test_gradients_are_those_of_differences():
    def cost(x):
        return genedge.serve(PARAMS, SLOTS, DECISION._replace(bandwidth=DECISION.bandwidth * x)).utility.sum()

    slope = jax.grad(cost)(0.9)
    below, above = (
        genedge.score(PARAMS, SLOTS, DECISION._replace(bandwidth=np.float64(DECISION.bandwidth) * x)).utility.sum()
        for x in (0.899, 0.901)
    )
    np.testing.assert_allclose(slope, (above - below) / 0.002, rtol=1e-3)


@pytest.mark.parametrize(("raised", "count"), [(KeyboardInterrupt, 5), (MemoryError, 6)])
def test_whatever_is_raised_in_the_middle_is_forgotten(raised, count, before, monkeypatch):
    def stop(*arguments):
        raise raised

    # Shapes that nothing was compiled for, so that each is traced and stopped within.
    slots = genedge.sample_episode(PARAMS, KEY, users=2, places=2, slots=count)
    decision = POLICIES["rcars"](PARAMS, slots, KEY)
    with monkeypatch.context() as patched:
        patched.setattr(service, "backhaul_delay", stop)
        patched.setattr(sys.modules["genedge.policies.knapsack"], "backhaul_delay", stop)
        for call in (
            lambda: genedge.serve(PARAMS, slots, decision),
            lambda: jax.jit(genedge.serve)(PARAMS, slots, decision),
            lambda: genedge.score(PARAMS, slots, decision),
            lambda: jax.jit(lambda x: genedge.score(PARAMS, slots, decision).utility * x)(1.0),
            lambda: POLICIES["knapsack"](PARAMS, slots, KEY),
            lambda: POLICIES["learned-search"](PARAMS, slots, KEY),
        ):
            with pytest.raises(raised):
                call()
    assert_same(bits(), before)
    assert genedge.score(PARAMS, slots, decision).utility.dtype == np.float64


# --- Whatever JAX is set to -------------------------------------------------------------------------------

ODD = {
    "enable_x64": True,
    "numpy_dtype_promotion": "standard",  # Which it is for users; tests are stricter.
    "numpy_rank_promotion": "raise",
    "default_matmul_precision": "bfloat16",
    "default_prng_impl": "rbg",
    "threefry_partitionable": False,
    "debug_nans": True,
    "debug_infs": True,
    "disable_jit": True,
    "transfer_guard": "disallow",
}
ODD_HERE = {"random_seed_offset": 7, "raise_persistent_cache_errors": True}


def test_each_setting_is_tried():
    assert set(ODD) == set(AS_STATED)
    assert set(ODD_HERE) == set(AS_STATED_HERE)
    assert all(AS_STATED[name] != value for name, value in ODD.items())


@pytest.mark.parametrize("name", ODD)
def test_bits_do_not_depend_on_how_jax_is_set(name, before):
    jax.config.update(f"jax_{name}", ODD[name])
    try:
        found = bits()
        assert getattr(jax.config, f"jax_{name}") == ODD[name]
        again = genedge.load_scenario("paper", SMALL)
        learned = genedge.policy("learned", again)(again.params, SLOTS, KEY)
    finally:
        jax.config.update(f"jax_{name}", AS_STATED[name])
    assert_same(found, before)
    assert_same(jax.tree.map(np.asarray, learned), before["decided"]["learned"])


def test_in_double_precision_a_user_s_arrays_and_jit_are_served(before):
    again, rewards = genedge.load_scenario("paper", SMALL), moved(1.0)
    with jax.enable_x64(True):
        double = jax.tree.map(lambda x: jnp.asarray(np.asarray(x)), (again.params, SLOTS, DECISION))
        wide = double[1]._replace(gain=double[1].gain.astype(float), requests=double[1].requests.astype(int))
        assert wide.gain.dtype == np.float64
        served = genedge.serve(double[0], wide, double[2])
        inside = jax.jit(lambda slots: genedge.serve(again.params, slots, DECISION))(wide)
        slope = jax.grad(
            lambda x: genedge.serve(again.params, wide._replace(gain=wide.gain * x), DECISION).tv.sum()
        )
        decided = {name: POLICIES[name](double[0], wide, KEY) for name in ("knapsack", "learned", "optimal")}
        assert slope(jnp.float64(1)).dtype == np.float64
        # What the user's own code captures there is not handed back to ours.
        assert jax.jit(lambda x: x * again.params.W_up)(jnp.float64(1)).dtype == np.float64
        assert_same(jax.tree.map(np.asarray, genedge.serve(again.params, SLOTS, DECISION)), before["served"])
        np.testing.assert_allclose(jax.jit(partial(moved, params=again.params))(1.0), rewards, rtol=1e-5)
    assert_same(jax.tree.map(np.asarray, served), before["served"])
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5), inside, before["served"])
    assert_same(jax.tree.map(np.asarray, decided), {name: before["decided"][name] for name in decided})
    assert_same(jax.tree.map(np.asarray, genedge.serve(again.params, SLOTS, DECISION)), before["served"])


def test_a_key_of_another_kind_is_refused():
    for key in (jax.random.key(0, impl="rbg"), jax.random.PRNGKey(0, impl="rbg"), None, 0):
        for call in (
            lambda key=key: genedge.sample_episode(PARAMS, key, 3, 4, 2),
            lambda key=key: POLICIES["rcars"](PARAMS, SLOTS, key),
        ):
            with pytest.raises(genedge.InputError, match=r"^key must be a JAX random key"):
                call()


def test_a_program_of_our_own_is_set_as_stated():
    for name, value in (ODD | ODD_HERE).items():
        jax.config.update(f"jax_{name}", value)
    set_up_jax()
    stated = AS_STATED | AS_STATED_HERE
    assert {name: jax.config.values[f"jax_{name}"] for name in stated} == stated


VERBS = """
import sys
from genedge.cli import main

small = ["--set", "cell.users=2", "--set", "cell.places=2", "--set", "cell.slots_per_episode=2"]
for arguments in (
    ["slots", "--count", "2"],
    ["evaluate", "--policies", "learned", "--users", "2", "--episodes", "1", "--json"],
    ["train", "--episodes", "2", "--users", "2", "--out", sys.argv[1]],
):
    sys.argv = ["genedge", *arguments, *small]
    try:
        main()
    except SystemExit as e:
        assert not e.code, arguments
"""


@pytest.mark.heavy
def test_verbs_print_the_same_whatever_the_environment_says(tmp_path):
    said = []
    for folder, odd in ((tmp_path / "plain", {}), (tmp_path / "odd", ODD | ODD_HERE)):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
        environment |= {f"JAX_{name.upper()}": str(value) for name, value in odd.items()}
        done = subprocess.run(
            [sys.executable, "-c", VERBS, str(folder)], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        slots, evaluation = done.stdout.split("\n")[:2], json.loads(done.stdout.split("\n")[2])
        for result in evaluation["results"]:
            del result["decision_ms"], result["first_s"]
        rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        said.append((slots, evaluation, [{k: v for k, v in row.items() if "seconds" not in k} for row in rows]))
    assert said[0] == said[1]

"""Whatever is given in an argument's place at the Python door, it is right or an InputError names the argument."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import genedge
from genedge.registry import named

gymnasium = pytest.importorskip("gymnasium")
import genedge.gym  # noqa: E402

SMALL = ("cell.users=3", "cell.places=4", "cell.slots_per_episode=2", "hcras.population=4", "hcras.generations=2")
SCENARIO, BOX = genedge.load_scenario("paper", SMALL), genedge.load_scenario("edge-box")
CURVE = {
    "curve": {"steps": [0, 9], "tv": [9, 1]},
    "storage_gb": 4,
    "output_size_mb": 7,
    "B1_s_per_step": 0.1,
    "B2_s": 1,
}
ALONG_TABLES = genedge.load_scenario("paper", [*SMALL, f"models={[CURVE] * len(SCENARIO.models)}"]).params
TABLES = ALONG_TABLES.models
PARAMS, KEY = SCENARIO.params, jax.random.key(0, impl="threefry2x32")
SLOTS = jax.tree.map(np.asarray, genedge.sample_episode(PARAMS, KEY, users=3, places=4, slots=2))
DECISION = jax.tree.map(np.asarray, genedge.policy("rcars", SCENARIO)(PARAMS, SLOTS, KEY))

ZOO = {
    "none": None,
    "text": "x",
    "empty": "",
    "nul": "a\0b",
    "bytes": b"x",
    "object": object(),
    "class": dict,
    "dict": {"a": 1},
    "list": [1],
    "ragged": [[1], [1, 2]],
    "texts": ["x", "y"],
    "deep": [[[["x"]]]],
    "generator": (i for i in ()),
    "complex": 1 + 2j,
    "nan": float("nan"),
    "infinite": float("inf"),
    "half": 0.5,
    "negative": -1,
    "huge": 10**400,
    "array of objects": np.array([None, "x"], object),
    "array of text": np.array(["x", "y"]),
    "array of dates": np.array(["2020-01-01"], "datetime64[D]"),
    "nothing in an array": np.zeros((0, 4)),
    "a number in an array": np.array(2.5),
    "key": jax.random.split(KEY),
    "function": print,
    "slots": SLOTS,
    "params": PARAMS,
}


@pytest.fixture(autouse=True)
def unhooked(monkeypatch):
    """Without the type checker of these tests, which nobody else has at the door."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def refuses(call, argument, label):
    """Whether it names the argument, in a line; everything but an InputError is a fault."""
    try:
        call()
    except genedge.InputError as e:
        said = str(e)
    except Exception as e:
        raise AssertionError(f"{label} for {argument}: {type(e).__name__}: {e}") from e
    else:
        return False
    assert argument in said, f"{label}: {said}"
    assert "\n" not in said, f"{label}: {said}"
    assert len(said) < 500, f"{label}: {said}"
    return True


def environment(vector=False, **given):
    made = genedge.gym.CellVectorEnv(2, "paper", SMALL) if vector else genedge.gym.CellEnv("paper", SMALL)
    made.reset(seed=0)
    ((name, arguments),) = given.items()
    return getattr(made, name)(**arguments)


def made(kind, **given):
    return kind(**{"scenario": "paper", "overrides": SMALL} | given)


def evaluate(**given):
    arguments = {"scenario": SCENARIO, "policies": {"rcars": genedge.policy("rcars", SCENARIO)}, "users": [3]}
    arguments |= {"episodes": 1, "seed": 0, "report": lambda text: None}
    return genedge.evaluate(**arguments | given)


def decide(name, **given):
    return genedge.policy(name, SCENARIO)(**{"params": PARAMS, "slots": SLOTS, "key": KEY} | given)


def sample(**given):
    arguments = {"params": PARAMS, "key": KEY, "users": 3, "places": 4, "slots": 2}
    return genedge.sample_episode(**arguments | given)


def score(**given):
    return genedge.score(**{"params": PARAMS, "slots": SLOTS, "decision": DECISION} | given)


def serve(**given):
    return genedge.serve(**{"params": PARAMS, "slot": SLOTS, "decision": DECISION} | given)


RIGHT_OF_CELLS = {"render_mode": ("none",), "users": ("none",), "reward_scale": ("half",)}

# Each function, each argument, and what of the zoo is right there.
DOORS = [
    (genedge.load_scenario, "scenario", ()),
    (lambda **given: genedge.load_scenario("paper", **given), "overrides", ()),
    (lambda **given: genedge.policy(scenario=SCENARIO, **given), "name", ()),
    (lambda **given: genedge.policy(name="rcars", **given), "scenario", ()),
    (lambda **given: genedge.policy(name="rcars", scenario=SCENARIO, **given), "weights", ()),
    *((sample, argument, ("params",)) for argument in ("params", "key", "users", "places", "slots")),
    *((score, argument, right) for argument, right in (("params", ("params",)), ("slots", ("slots",)))),
    *((serve, argument, right) for argument, right in (("params", ("params",)), ("slot", ("slots",)))),
    (score, "decision", ()),
    (serve, "decision", ()),
    *((evaluate, argument, ()) for argument in ("scenario", "policies", "episodes", "seed")),
    (evaluate, "users", ("list",)),
    (evaluate, "report", ("class", "function")),
    *(
        (lambda name=name, **given: decide(name, **given), argument, ("params", "slots"))
        for name in named("policy")
        for argument in ("params", "slots", "key")
    ),
    *(
        (lambda kind=kind, **given: made(kind, **given), argument, RIGHT_OF_CELLS.get(argument, ()))
        for kind in (genedge.gym.CellEnv, genedge.gym.CellVectorEnv, genedge.gym.CellParallelEnv)
        for argument in ("scenario", "overrides", "users", "reward_scale", "gap", "render_mode")
    ),
    (lambda **given: made(genedge.gym.CellVectorEnv, **given), "num_envs", ()),
    (lambda **given: made(genedge.gym.CellParallelEnv, **given), "shared", ()),
    (lambda **given: genedge.gym.save_sb3(file="model.zip", **given), "model", ()),
    *((lambda v=v, **given: environment(v, reset=given), "seed", ("none", "huge")) for v in (False, True)),
    *((lambda v=v, **given: environment(v, reset=given), "options", ("none",)) for v in (False, True)),
    (lambda **given: environment(step=given), "action", ()),
    (lambda **given: environment(True, step=given), "actions", ()),
]


@pytest.mark.parametrize(("function", "argument", "right"), DOORS)
def test_a_zoo_in_place_of_an_argument(function, argument, right):
    said = {"actions": "action", "name": "policy", "overrides": ""}.get(argument, argument)
    for label, value in ZOO.items():
        if (argument, label) == ("report", "class"):
            continue  # Called with a text, it raises an error of its own.
        named = "name" if argument == "name" and label != "text" else said
        refused = refuses(lambda value=value: function(**{argument: value}), named, label)
        assert refused or label in right, f"{argument}: {label} passed"


def odd_arrays(good, right=()):
    """What is wrong in place of an array, whatever it holds."""
    yield from ((label, value) for label, value in ZOO.items() if label not in right)
    yield "complex array", np.asarray(good).astype(complex)
    yield "array of objects of this shape", np.asarray(good).astype(object)
    yield "array of text of this shape", np.asarray(good).astype(str)
    yield "another shape", np.asarray(good)[None, None]
    if np.asarray(good).dtype.kind == "f":
        for number in (np.nan, np.inf, -1e300):
            yield str(number), np.full_like(good, number, float)
            # Infinite in single precision.
            yield f"{number} in JAX", jnp.full_like(good, -np.inf if number == -1e300 else number)
    if np.asarray(good).dtype.kind == "b":
        yield "numbers", np.full_like(good, 2, int)
        yield "halves", np.full_like(good, 0.5, float)
    if np.asarray(good).dtype.kind in "iu":
        yield "halves", np.full_like(good, 0.5, float)
        for number in (-1, 99):
            yield str(number), np.full_like(good, number)
            # Infinite in single precision.
            yield f"{number} in JAX", jnp.full_like(good, -np.inf if number == -1e300 else number)


INFINITE = ("C", "R_bc", "R_cb", "storage_gb", "floor_steps", "generators")


def refuse_all_fields(call, name, whole, skip=(), right=()):
    for field, good in whole._asdict().items():
        if field in skip or isinstance(good, tuple):
            continue
        # A number may stand for an array of no axes, and a whole one for a number of slots.
        alone = (
            {"half", "a number in an array"} if np.ndim(good) == 0 and np.asarray(good).dtype.kind == "f" else set()
        )
        for label, value in odd_arrays(good, alone | {*right}):
            if field in INFINITE and (label.startswith("inf") and np.shape(value) == np.shape(good)):
                continue
            if name == "params.channel" and label.startswith(("-1e", "negative")):
                continue
            if (field, label) in (
                ("every", "none"),
                ("load_slots", "99"),
                ("load_slots", "99 in JAX"),
                ("every", "99"),
            ):
                continue
            if (field, label) in (("every", "99 in JAX"), ("ranking", "none")):
                continue
            given = whole._replace(**{field: value})
            # Shares are refused by the constraint that they break.
            said = name if label.startswith(("nan", "inf", "-1e")) and name == "decision" else f"{name}.{field}"
            assert refuses(lambda given=given: call(given), said, label), f"{name}.{field}: {label}"


def test_a_zoo_in_place_of_each_field_of_params():
    for call in (score, serve):
        optional = ("box", "outage", "costs", "recorded", "observation", "station")
        refuse_all_fields(lambda params, call=call: call(params=params), "params", PARAMS, optional)
        refuse_all_fields(
            lambda models, call=call: call(params=PARAMS._replace(models=models)),
            "params.models",
            PARAMS.models,
            ("curve",),
        )
        refuse_all_fields(
            lambda curve, call=call: call(params=ALONG_TABLES._replace(models=TABLES._replace(curve=curve))),
            "params.models.curve",
            TABLES.curve,
        )
        refuse_all_fields(
            lambda channel, call=call: call(params=PARAMS._replace(channel=channel)),
            "params.channel",
            PARAMS.channel,
        )
    station = genedge.load_scenario(
        "paper", ["server.generates_at_once=2", "radio.transfer_overhead_s=1"]
    ).params.station
    refuse_all_fields(
        lambda station: score(params=PARAMS._replace(station=station)),
        "params.station",
        station,
        right=("none",),
    )
    assert refuses(
        lambda: score(params=PARAMS._replace(station=station._replace(shortest_first=None))),
        "params.station",
        "none",
    )
    refuse_all_fields(
        lambda box: genedge.sample_episode(BOX.params._replace(box=box), KEY, 3, 4, 2), "params.box", BOX.params.box
    )
    for label, value in ZOO.items():
        for field in ("models", "channel", "mobility", *optional):
            if label != "none" or field not in optional:
                params = PARAMS._replace(**{field: value})
                assert refuses(lambda params=params: score(params=params), f"params.{field}", label), label


@pytest.mark.parametrize(("call", "name"), [(score, "slots"), (serve, "slot"), (decide, "slots")])
def test_a_zoo_in_place_of_each_field_of_slots(call, name):
    def given(slots):
        return call("rcars", slots=slots) if call is decide else call(**{name: slots})

    refuse_all_fields(given, name, SLOTS, skip=("ranking", "memory", "outage", "seen_gain"))
    refuse_all_fields(given, name, SLOTS._replace(seen_gain=SLOTS.gain), skip=SLOTS._fields[:-1], right=("none",))
    assert refuses(lambda: given(SLOTS._replace(memory="x")), f"{name}.memory", "text")
    assert refuses(lambda: given(SLOTS._replace(ranking="x")), f"{name}.ranking", "text")
    assert refuses(lambda: given(SLOTS._replace(outage=SLOTS.active)), f"{name}.outage", "of a cell without")


@pytest.mark.parametrize("call", [score, serve])
def test_a_zoo_in_place_of_each_field_of_decisions(call):
    refuse_all_fields(lambda decision: call(decision=decision), "decision", DECISION)


@pytest.mark.parametrize("call", [score, serve])
@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"bandwidth": 1.5}, "11b"),
        ({"bandwidth": 0.6}, "11e"),
        ({"bandwidth": 0.0}, "active user's bandwidth share is above 0"),
        ({"steps": -0.5}, "11c"),
        ({"steps": 0.6}, "11f"),
        ({"cache": True}, "11d"),
    ],
)
def test_what_the_command_line_refuses_is_refused(call, change, constraint):
    ((field, value),) = change.items()
    array = np.where(SLOTS.active, value, 0.0) if field != "cache" else np.ones_like(DECISION.cache)
    with pytest.raises(genedge.InputError, match=rf"decision breaks .*{constraint}"):
        call(decision=DECISION._replace(**{field: array}))


def test_slots_of_another_scenario_are_refused():
    other = genedge.load_scenario("paper", [*SMALL, "requests.skew_states=[0.3,0.6,1.3]"]).params
    for call in (lambda: score(params=other), lambda: decide("knapsack", params=other)):
        with pytest.raises(genedge.InputError, match=r"slots\.skew\[0\] is .* a state of params\.skews"):
            call()


def test_no_slots():
    none = jax.tree.map(lambda x: x[:0], SLOTS)
    for name in named("policy"):
        with pytest.raises(genedge.InputError, match=r"slots\.requests has shape \(0, 4\); there must be a slot"):
            decide(name, slots=none)
    assert score(slots=none, decision=jax.tree.map(lambda x: x[:0], DECISION)).utility.shape == (0, 4)


def test_an_evaluation_says_what_it_has():
    with pytest.raises(
        genedge.InputError, match=r"policy 'lru' at users 3 was not evaluated; there are rcars at 3"
    ):
        evaluate().of("lru", 3)


def test_what_a_policy_returns_is_looked_at():
    with pytest.raises(
        genedge.InputError, match=r"policy mine: what it returns: decision must be a genedge\.Decision"
    ):
        evaluate(policies={"mine": lambda params, slots, key: None})


def test_an_environment_begins_with_reset():
    for env, action in (
        (genedge.gym.CellEnv("paper", SMALL), np.zeros(18)),
        (genedge.gym.CellVectorEnv(2, "paper", SMALL), np.zeros((2, 18))),
    ):
        with pytest.raises(genedge.InputError, match="call reset first"):
            env.step(action)

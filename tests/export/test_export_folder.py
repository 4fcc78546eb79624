"""Exported actors say and decide what the package's own do; nothing is trained here."""

import hashlib
import io
import json
import math
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genedge.cell.feasible import action_size, breaches, decode
from genedge.cell.types import Decision, present, with_outage
from genedge.errors import InputError
from genedge.export import runner
from genedge.export.folder import TOLERANCE, export_actor
from genedge.learn.actor import act, init_actor
from genedge.learn.networks import Mlp
from genedge.scenario import load_scenario

M, PLACES, SLOTS = 10, 12, 150
FORMATS = ("numpy", "onnx")
CLOSE = 1e-5

# Kind of network, whether it is normalised, and channels: a mean and a spread where there are two.
NETWORKS = [
    ("mlp", False, 1),
    ("mlp", True, 2),
    ("equivariant", False, 2),
    ("equivariant", True, 1),
]
SCENARIOS = {
    "paper": (),
    "best TV": ("server.quality_floor.largest_tv=best",),
    "a floor that some models cannot reach": ("server.quality_floor.largest_tv=20", "server.storage_gb=40"),
    "least steps, another catalogue": ("server.quality_floor.least_steps=90", "seed=7", "server.total_steps=700"),
    "everything fits exactly": ("models.storage_gb=[2, 2]", "server.total_steps=2000"),
    "outage": ("radio.outage_gain_db=-100",),
    "another channel": ("channel.model=urban-micro", "mobility.model=gauss-markov"),
    "ranges of no width": ("requests.input_size_mb=7", "models.output_size_mb=6", "models.A3_steps=180"),
    "narrow ranges": ("requests.input_size_mb=[7, 7.01]", "models.output_size_mb=[6, 6.001]"),
}

compiled_act, compiled_decode = jax.jit(act), jax.jit(decode)


def scenario_of(name):
    return load_scenario("paper", ["cell.users=10", f"cell.places={PLACES}", *SCENARIOS[name]])


def actor_of(network, layer_norm, channels):
    """An actor with random weights, all of them off zero, and outputs of every size and sign."""
    settings = (
        load_scenario("paper")
        .hyperparameters("ddpg")
        .model_copy(update={"network": network, "layer_norm": layer_norm, "width": 8, "hidden_layers": (16, 12)})
    )
    actor = init_actor(settings, jax.random.key(2), M, PLACES, channels)
    rng = np.random.default_rng(2)
    spread = 0.5 if layer_norm else 0.15
    return jax.tree.map(lambda x: np.asarray(x + rng.normal(0, spread, x.shape), np.float32), actor)


def places_of(actor):
    return PLACES if isinstance(actor, Mlp) else None


def slots_of(scenario, draw_slot, seed=1, places=PLACES):
    rng = np.random.default_rng(seed)
    slots = draw_slot(rng, SLOTS, places=places)
    slots.active[0], slots.active[1] = False, True
    low, high = scenario.params.input_bits
    slots = slots._replace(
        skew=rng.choice(scenario.params.skews, SLOTS), input_bits=rng.uniform(low, high, slots.input_bits.shape)
    )
    return with_outage(scenario.params, slots)


def rows_of(slots):
    """The slots one by one, as the runner takes them."""
    names = ("skew", "requests", "input_bits", "channel_gain", "active")
    fields = (slots.skew, slots.requests, slots.input_bits, slots.gain, slots.active)
    return [dict(zip(names, row, strict=True)) for row in zip(*fields, strict=True)]


def stacked(decisions):
    return Decision(*(np.stack(field) for field in zip(*decisions, strict=True)))


@pytest.fixture(scope="module", params=FORMATS)
def form(request):
    return request.param


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A function that exports an actor and opens what came out; with a folder of its own, or one for all alike."""
    made = {}

    def make(actor_args, scenario_name, form, fresh=False):
        key = actor_args, scenario_name, form
        if fresh or key not in made:
            actor, scenario = actor_of(*actor_args), scenario_of(scenario_name)
            out = tmp_path_factory.mktemp("exported") / "out"
            export_actor(actor, scenario, places_of(actor), out, form)
            if fresh:
                return out
            made[key] = actor, scenario, out, runner.Policy(out)
        return made[key]

    return make


# --- The same as the package's own


CASES = [(args, "paper") for args in NETWORKS] + [
    (args, name) for args in (NETWORKS[1], NETWORKS[3]) for name in SCENARIOS if name != "paper"
]


@pytest.mark.parametrize(("args", "name"), CASES, ids=lambda x: x if isinstance(x, str) else "-".join(map(str, x)))
def test_says_and_decides_the_same(args, name, form, exported, draw_slot):
    actor, scenario, _, policy = exported(args, name, form)
    slots = slots_of(scenario, draw_slot)
    said = np.asarray(compiled_act(actor, scenario.params, slots))
    rows = rows_of(slots)
    actions = np.stack([policy.action(row) for row in rows])
    assert np.abs(actions - said).max() < CLOSE
    # So that the comparison means something.
    assert said.std() > 0.1

    wanted = compiled_decode(scenario.params, slots, said)
    decisions = stacked([policy.decide(row) for row in rows])
    assert breaches(scenario.params, slots, decisions) == []
    assert decisions.bandwidth.sum(axis=-1).max() <= 1
    assert decisions.steps.sum(axis=-1).max() <= 1

    same = (decisions.cache == wanted.cache).all(axis=-1)
    priority = np.sort(np.concatenate([np.zeros((SLOTS, 1)), said[:, :M]], axis=-1), axis=-1)
    near_tie = np.diff(priority, axis=-1).min(axis=-1) < 2 * CLOSE
    assert (same | near_tie).all()
    assert near_tie.mean() < 0.5
    np.testing.assert_allclose(decisions.bandwidth, wanted.bandwidth, rtol=0, atol=CLOSE)
    np.testing.assert_allclose(decisions.steps[same], np.asarray(wanted.steps)[same], rtol=0, atol=CLOSE)
    assert not decisions.cache.all()
    assert decisions.steps.any()


def test_of_those_in_an_outage_a_slot_may_tell_or_its_gains_do(exported, draw_slot):
    _, scenario, _, policy = exported(NETWORKS[1], "outage", "numpy")
    slots = slots_of(scenario, draw_slot)
    k = int(slots.outage.any(axis=-1).argmax())
    told = rows_of(slots)[k] | {"outage": slots.outage[k]}
    untold = rows_of(slots._replace(active=present(slots)))[k]
    first, second = policy.decide(told), policy.decide(untold)
    assert all(np.array_equal(*both) for both in zip(first, second, strict=True))
    assert not first.bandwidth[slots.outage[k]].any()
    # Who tells is believed.
    assert policy.decide(untold | {"outage": slots.outage[k] & False}).bandwidth[slots.outage[k]].all()


@pytest.mark.parametrize("name", SCENARIOS)
def test_decodes_as_the_package_does(name, exported, draw_slot, monkeypatch):
    """Raw actions with ties and at their limits: every cache is the same, every share to single precision."""
    _, scenario, _, policy = exported(NETWORKS[3], name, "numpy")
    slots = slots_of(scenario, draw_slot, seed=2)
    rng = np.random.default_rng(3)
    shape = SLOTS, action_size(M, PLACES)
    raw = np.where(
        rng.random((SLOTS, 1)) < 0.5, rng.choice([-1, -0.5, 0, 0.5, 1], shape), rng.uniform(-1, 1, shape)
    )
    raw[2], raw[3], raw[4] = -1, 0, 1
    raw = raw.astype(np.float32)
    wanted = compiled_decode(scenario.params, slots, raw)
    decisions = []
    for row, action in zip(rows_of(slots), raw.astype(np.float64), strict=True):
        monkeypatch.setattr(policy, "_actor", lambda seen, action=action: action)
        decisions.append(policy.decide(row))
    found = stacked(decisions)
    np.testing.assert_array_equal(found.cache, wanted.cache)
    np.testing.assert_allclose(found.bandwidth, wanted.bandwidth, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.steps, wanted.steps, rtol=0, atol=1e-6)
    assert breaches(scenario.params, slots, found) == []


def test_a_perceptron_serves_fewer_users_than_it_has_places(form, exported, draw_slot):
    _, scenario, _, policy = exported(NETWORKS[0], "paper", form)
    users = 5
    slots = slots_of(scenario, draw_slot)
    slots.active[:, users:] = False
    narrow = jax.tree.map(lambda x: x[:, :users], slots._replace(skew=None))._replace(skew=slots.skew)
    for row, narrow_row in zip(rows_of(slots)[:40], rows_of(narrow), strict=False):
        for wide, few in zip(policy.decide(row), policy.decide(narrow_row), strict=True):
            np.testing.assert_allclose(wide[: len(few)], few, rtol=0, atol=1e-12)


@pytest.mark.parametrize("users", [1, 25])
def test_an_equivariant_actor_serves_any_number_of_users(users, form, exported, draw_slot):
    actor, scenario, _, policy = exported(NETWORKS[3], "paper", form)
    slots = slots_of(scenario, draw_slot, places=users)
    said = np.asarray(compiled_act(actor, scenario.params, slots))
    actions = np.stack([policy.action(row) for row in rows_of(slots)])
    assert np.abs(actions - said).max() < CLOSE


def test_lists_are_as_good_as_arrays(exported, draw_slot):
    _, scenario, _, policy = exported(NETWORKS[3], "paper", "numpy")
    row = rows_of(slots_of(scenario, draw_slot))[5]
    listed = {key: value.tolist() for key, value in row.items()}
    listed["active"] = [int(flag) for flag in listed["active"]]
    for x, y in zip(policy.decide(row), policy.decide(listed), strict=True):
        np.testing.assert_array_equal(x, y)


# --- On its own


BLOCKED = """
import runpy, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ImportError(name + " is not here")

sys.meta_path.insert(0, Blocked())
runpy.run_path({program!r}, run_name="__main__")
"""


def run_alone(out, stdin, *blocked):
    """Runs the exported program where neither JAX nor this package can be imported, nor anything in `blocked`."""
    script = BLOCKED.format(blocked=("jax", "jaxlib", "genedge", *blocked), program=str(out / "runner.py"))
    return subprocess.run(
        [sys.executable, "-I", "-c", script],
        input=stdin,
        cwd=out.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def lines_of(rows):
    return "".join(json.dumps({key: value.tolist() for key, value in row.items()}) + "\n" for row in rows)


def test_the_program_needs_neither_jax_nor_this_package(form, exported, draw_slot):
    _, scenario, out, policy = exported(NETWORKS[3], "best TV", form)
    rows = rows_of(slots_of(scenario, draw_slot))[:20]
    blocked = ("onnxruntime", "onnx", "scipy", "pydantic", "yaml") if form == "numpy" else ("onnx", "scipy")
    done = run_alone(out, lines_of(rows) + "\n\n", *blocked)
    assert (done.returncode, done.stderr) == (0, "")
    for line, row in zip(done.stdout.splitlines(), rows, strict=True):
        decision = policy.decide(row)
        said = json.loads(line)
        assert list(said) == ["cache", "bandwidth", "steps"]
        assert said["cache"] == decision.cache.astype(int).tolist()
        for key in ("bandwidth", "steps"):
            np.testing.assert_allclose(said[key], getattr(decision, key), rtol=0, atol=1e-9)


def test_the_program_stops_at_a_bad_line(exported, draw_slot):
    _, scenario, out, _ = exported(NETWORKS[3], "paper", "numpy")
    good = lines_of(rows_of(slots_of(scenario, draw_slot))[:1])
    for bad, message in (
        ("{", "line 2: not valid JSON"),
        ('{"skew": 0.8}', "line 2: 'requests' is missing"),
        ("\n{}", "line 2: blank; give one JSON object per line"),
    ):
        done = run_alone(out, good + bad + "\n")
        assert done.returncode == 2
        assert done.stderr.startswith(f"runner: standard input {message}")
        assert len(done.stderr.splitlines()) == len(done.stdout.splitlines()) == 1


STREAMS = {
    "<&-": "standard input or output is closed; slots come in there, and decisions go out",
    "< slots >&-": "standard input or output is closed; slots come in there, and decisions go out",
    "< slots > /dev/full": "standard input or output: No space left on device",
    "< /dev/zero": "standard input line 1: longer than 64 MiB; give JSON lines",
}


@pytest.mark.parametrize("streams", STREAMS)
def test_streams_that_are_closed_full_or_endless_are_one_line(streams, exported, draw_slot, tmp_path):
    _, scenario, out, _ = exported(NETWORKS[3], "paper", "numpy")
    (tmp_path / "slots").write_text(lines_of(rows_of(slots_of(scenario, draw_slot))[:1]))
    command = f"{sys.executable} {out}/runner.py {streams}"
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"runner: {STREAMS[streams]}\n")


def test_without_onnxruntime_the_program_says_so(exported):
    _, _, out, _ = exported(NETWORKS[3], "paper", "onnx")
    done = run_alone(out, "", "onnxruntime")
    assert (done.returncode, done.stdout) == (2, "")
    assert "needs onnxruntime, which is not installed; install it, or export" in done.stderr


def test_the_how_to_works(form, exported):
    """The module as the documentation uses it, in the folder that holds OUT."""
    _, _, out, _ = exported(NETWORKS[3], "paper", form)
    how_to = (Path(__file__).parents[2] / "docs" / "deployment.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", how_to, re.DOTALL)
    program = program.replace('"OUT"', '"out"') + "\nprint(len(cache), bandwidth.sum().round(6), steps[2])"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, 'out')\n{program}"],
        cwd=out.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("10 1.0 0.0\n", "")


# --- What is wrong is said


GOOD = {
    "skew": 0.8,
    "requests": [0, 9],
    "input_bits": [5e7, 6e7],
    "channel_gain": [1e-9, 1e-10],
    "active": [True, False],
}
BAD_SLOTS = [
    ([], "not a slot"),
    ({"skew": 0.8}, "'requests' is missing"),
    ({**GOOD, "skew": "0.8"}, "skew is '0.8'; it must be a number from 0"),
    ({**GOOD, "skew": math.nan}, "skew is nan"),
    ({**GOOD, "skew": True}, "skew is True"),
    ({**GOOD, "requests": []}, "requests must be a list of model indices"),
    ({**GOOD, "requests": [0.5, 1]}, "requests must be a list of model indices"),
    ({**GOOD, "requests": [[0], [1, 2]]}, "not a slot"),
    ({**GOOD, "requests": [0, 10]}, r"requests\[1\] is 10; it must be from 0 to 9"),
    ({**GOOD, "requests": [-1, 0]}, r"requests\[0\] is -1"),
    ({**GOOD, "input_bits": [5e7]}, "input_bits must be a list of 2, numbers"),
    ({**GOOD, "input_bits": ["5", "6"]}, "input_bits must be a list of 2, numbers"),
    ({**GOOD, "input_bits": [5e7, math.nan]}, r"input_bits\[1\] is nan; it must be from 1 to 1e\+15"),
    ({**GOOD, "channel_gain": [0, 1e-9]}, r"channel_gain\[0\] is 0; it must be from 1e-34"),
    ({**GOOD, "channel_gain": [1e-9, math.inf]}, r"channel_gain\[1\] is inf"),
    ({**GOOD, "active": [True]}, "active must be a list of 2, true or false"),
    ({**GOOD, "active": [0, 2]}, r"active\[1\] is 2; it must be from 0 to 1"),
    ({**GOOD, "scenario_id": "abc"}, "a slot of another scenario .'abc'.; this actor serves"),
]


@pytest.mark.parametrize(("slot", "message"), BAD_SLOTS)
def test_a_bad_slot(slot, message, exported):
    _, _, _, policy = exported(NETWORKS[3], "paper", "numpy")
    policy.decide(GOOD)
    with pytest.raises(runner.InputError, match=message):
        policy.decide(slot)


def test_more_users_than_places(form, exported):
    _, _, _, policy = exported(NETWORKS[0], "paper", form)
    many = {key: value * PLACES if isinstance(value, list) else value for key, value in GOOD.items()}
    with pytest.raises(runner.InputError, match=f"{2 * PLACES} users; this actor serves up to {PLACES}"):
        policy.decide(many)


def seal(out, cell):
    """Writes a description with the checksums that belong to it."""
    files = {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in cell["files"]}
    cell = {"files": files} | {key: value for key, value in cell.items() if key != "files"}
    (out / "cell.json").write_text(json.dumps(cell | {"sha256": runner.checksum(cell)}))


def edited(sealed=True, gone=None, **changes):
    def edit(out):
        cell = json.loads((out / "cell.json").read_text()) | changes
        cell.pop(gone, None)
        if sealed:
            (out / "cell.json").write_text(json.dumps(cell | {"sha256": runner.checksum(cell)}))
        else:
            (out / "cell.json").write_text(json.dumps(cell))

    return edit


MODEL = {"storage_gb": 1, "A3_steps": 1, "floor_steps": 0}
DAMAGES = {
    "no description": (lambda out: (out / "cell.json").unlink(), "not an exported actor"),
    "no JSON": (lambda out: (out / "cell.json").write_text("{"), "cell.json: damaged"),
    "a list": (lambda out: (out / "cell.json").write_text("[]"), "cell.json: damaged"),
    "another format": (edited(format="genedge actor 0"), "its format is 'genedge actor 0'; this runner reads"),
    "a number changed": (edited(sealed=False, S_steps=999.0), "cell.json: damaged; export the run again"),
    "no checksum": (edited(sealed=False, gone="sha256"), "cell.json: damaged; export the run again"),
    "no number": (edited(sealed=False, C_gb=math.nan), "cell.json: damaged; export the run again"),
    "a key too few": (edited(gone="S_steps"), "cell.json: damaged .KeyError"),
    "a key of another type": (edited(models=3), "cell.json: damaged .TypeError"),
    "a model too few": (edited(models=[MODEL]), "does not fit actor"),
    "no model": (edited(models=[]), "does not fit actor"),
    "more models": (edited(models=[MODEL] * (M + 1)), "does not fit actor"),
    "no files": (edited(files={}), "cell.json: damaged .ValueError"),
    "files elsewhere": (edited(files={"../actor.npz": "0", "runner.py": "0"}), "cell.json: damaged .ValueError"),
    "no runner": (lambda out: (out / "runner.py").unlink(), "runner.py: missing; export the run again"),
    "a folder for a runner": (lambda out: ((out / "runner.py").unlink(), (out / "runner.py").mkdir()), "no plain"),
    "another runner": (lambda out: (out / "runner.py").write_text("# mine"), "runner.py: damaged, or of another"),
    "no actor": (lambda out: next(out.glob("actor.*")).unlink(), "missing; export the run again"),
    "half an actor": (
        lambda out: next(out.glob("actor.*")).write_bytes(next(out.glob("actor.*")).read_bytes()[:500]),
        "damaged, or of another export",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder(damage, form, exported, tmp_path):
    _, _, whole, _ = exported(NETWORKS[3], "paper", form)
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    harm, message = DAMAGES[damage]
    harm(out)
    with pytest.raises(runner.InputError, match=message):
        runner.Policy(out)


NUMBERS = ("places", "S_steps", "C_gb", "temperature", "tolerance", "storage_gb", "A3_steps", "floor_steps")
NEVER = (-1.0, 1e39, 10**400, "1", True, [1.0], {})


@pytest.mark.parametrize("key", NUMBERS)
def test_a_number_out_of_range_is_refused_even_where_the_checksum_is_right(key, exported, tmp_path):
    _, _, whole, _ = exported(NETWORKS[3], "paper", "numpy")
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    cell = json.loads((out / "cell.json").read_text())
    told = cell if key in cell else cell["models"][-1]
    for value in NEVER + ((0.0,) if "steps" in key and key != "floor_steps" else ()):
        told[key] = value
        seal(out, cell)
        with pytest.raises(
            runner.InputError, match=r"cell\.json: damaged \((TypeError|ValueError): .*export the run"
        ):
            runner.Policy(out)


@given(data=st.data())
def test_one_flipped_bit_changes_no_decision(data, form, exported, tmp_path_factory):
    """In whatever file: the folder is refused, or it decides as before, as where a description is laid out."""
    _, _, whole, policy = exported(NETWORKS[3], "paper", form)
    out = tmp_path_factory.mktemp("flipped") / "out"
    shutil.copytree(whole, out)
    path = out / data.draw(st.sampled_from(sorted(path.name for path in out.iterdir())))
    raw = bytearray(path.read_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(raw)
    try:
        flipped = runner.Policy(out)
    except runner.InputError as e:
        assert "export" in str(e)  # noqa: PT017
    else:
        for ours, theirs in zip(flipped.decide(GOOD), policy.decide(GOOD), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def saved(compressed=False, **arrays):
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **arrays)
    return file.getvalue()


def larger(arrays):
    """An archive whose first array says of itself that it takes all of the memory."""
    file, header = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)})
    with zipfile.ZipFile(file, "w") as archive:
        for key, array in arrays.items():
            archive.writestr(f"{key}.npy", header.getvalue() + array.tobytes())
    return file.getvalue()


HOSTILE = {
    "compressed": lambda arrays: saved(compressed=True, **arrays),
    "no number": lambda arrays: saved(**arrays | {"asked": arrays["asked"] * np.nan}),
    "infinite": lambda arrays: saved(**arrays | {"asked": arrays["asked"] + np.inf}),
    "pickled": lambda arrays: saved(**arrays | {"asked": np.array([print], object)}),
    "too short for a model": lambda arrays: saved(**arrays | {"asked": arrays["asked"][:-2]}),
    "of single precision": lambda arrays: saved(**{key: each.astype(np.float32) for key, each in arrays.items()}),
    "an array too few": lambda arrays: saved(**{key: each for key, each in arrays.items() if key != "asked"}),
    "larger than they say": larger,
    "no archive": lambda arrays: b"PK",
}


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("network", [NETWORKS[1], NETWORKS[3]], ids=lambda network: network[0])
def test_an_actor_that_makes_no_sense_is_refused_even_where_the_checksum_is_right(
    case, network, exported, tmp_path
):
    _, _, whole, _ = exported(network, "paper", "numpy")
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    with np.load(out / "actor.npz") as archive:
        arrays = {key: archive[key] for key in archive.files}
    (out / "actor.npz").write_bytes(HOSTILE[case](arrays))
    seal(out, json.loads((out / "cell.json").read_text()))
    with pytest.raises(runner.InputError, match=r"cell\.json: does not fit actor\.npz beside it; export the run"):
        runner.Policy(out)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.01, -1.01])
def test_what_an_actor_may_not_say_is_never_printed(value, exported, monkeypatch):
    _, _, _, policy = exported(NETWORKS[3], "paper", "numpy")
    action = policy.action(GOOD)
    for i in range(len(action)):
        said = action.copy()
        said[i] = value
        monkeypatch.setattr(policy, "_actor", lambda seen, said=said: said)
        with pytest.raises(
            runner.InputError, match="line 3: the actor says what is not from -1 to 1; export the run"
        ):
            runner._decision_line(policy, json.dumps(GOOD).encode(), "line 3")


def test_no_folder_at_all(tmp_path):
    with pytest.raises(runner.InputError, match="not an exported actor"):
        runner.Policy(tmp_path / "nowhere")


# --- Exporting


def test_without_onnx_it_is_a_numpy_archive(tmp_path, paper, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "genedge.export.graph", raising=False)
    actor = actor_of(*NETWORKS[3])
    with pytest.raises(InputError, match=r"--format onnx: .*pip install onnx onnxruntime"):
        export_actor(actor, paper, None, tmp_path / "out", "onnx")
    assert list(tmp_path.iterdir()) == []
    made = export_actor(actor, paper, None, tmp_path / "out")
    assert made.file == "actor.npz"
    assert "pip install onnx onnxruntime" in made.instead_of_onnx
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["actor.npz", "cell.json", "runner.py"]


def test_onnx_unless_told_otherwise(tmp_path, paper):
    (tmp_path / "out").mkdir()  # An empty folder will do.
    made = export_actor(actor_of(*NETWORKS[3]), paper, None, tmp_path / "out")
    assert (made.file, made.instead_of_onnx) == ("actor.onnx", None)
    assert made.difference < CLOSE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["actor.onnx", "cell.json", "runner.py"]


def test_what_says_something_else_is_not_exported(tmp_path, paper, monkeypatch):
    """As it would if the runner and the package came apart."""
    real = runner.Policy.action
    monkeypatch.setattr(runner.Policy, "action", lambda self, slot: real(self, slot) + 2 * TOLERANCE)
    with pytest.raises(InputError, match="not exported: its raw actions differ by"):
        export_actor(actor_of(*NETWORKS[3]), paper, None, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_stays_as_it_is(tmp_path, paper):
    (tmp_path / "note").write_text("mine")
    for taken in (tmp_path, tmp_path / "note"):
        with pytest.raises(InputError, match="already there and not empty"):
            export_actor(actor_of(*NETWORKS[3]), paper, None, taken)
    with pytest.raises(InputError, match="cannot be written"):
        export_actor(actor_of(*NETWORKS[3]), paper, None, tmp_path / "note" / "out", "numpy")
    assert [path.name for path in tmp_path.iterdir()] == ["note"]


def test_decides_by_what_is_seen(draw_slot, tmp_path):
    """Late and noisy channels pass the comparison at the export; `seen_channel_gain` counts, and is checked."""
    more = ["cell.users=3", "cell.places=12", "observation.stale_slots=2", "observation.gain_noise_db=3"]
    scenario = load_scenario("paper", more)
    export_actor(actor_of("mlp", False, 1), scenario, PLACES, tmp_path / "out", "numpy")
    policy = runner.Policy(tmp_path / "out")
    slots = slots_of(scenario, draw_slot)
    row, other = rows_of(slots)[1:3]
    seen = policy.action(row | {"seen_channel_gain": other["channel_gain"]})
    np.testing.assert_array_equal(seen, policy.action(row | {"channel_gain": other["channel_gain"]}))
    assert not np.allclose(seen, policy.action(row))
    with pytest.raises(runner.InputError, match="seen_channel_gain must be a list of 12, numbers"):
        policy.action(row | {"seen_channel_gain": [1e-9]})


def test_channels_tell_who_is_served_whatever_is_seen_of_them(draw_slot, tmp_path):
    """The comparison at the export meets gains that seem below an outage's, and are not."""
    more = ["cell.users=3", "cell.places=12", "observation.gain_noise_db=6", "radio.outage_gain_db=-95"]
    export_actor(actor_of("mlp", False, 1), load_scenario("paper", more), PLACES, tmp_path / "out", "numpy")
    policy = runner.Policy(tmp_path / "out")
    row = {"skew": 0.8, "requests": [0, 1], "input_bits": [5e7, 5e7], "active": [True, True]}
    decision = policy.decide(row | {"channel_gain": [1e-11, 1e-8], "seen_channel_gain": [1e-8, 1e-11]})
    assert decision.bandwidth.tolist() == [0, pytest.approx(1)]
    with pytest.raises(runner.InputError, match="channel_gain must be a list of 2, numbers"):
        policy.action(row | {"channel_gain": 1.0, "seen_channel_gain": [1e-8, 1e-9]})

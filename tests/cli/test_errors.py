"""Whatever is wrong ends with one message that names the place and the remedy, and with status 2."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from genedge.errors import InputError
from genedge.learn import arrays

USERS, MODELS = 3, 10


def refused(answer, *words):
    """Checks that a command refused its input, said so in one line with these words, and printed nothing."""
    assert answer.status == 2, answer
    assert answer.out == ""
    assert "Traceback" not in answer.err
    *before, message = answer.err.strip().splitlines()
    assert message.startswith(("genedge: ", "Error: ")), answer.err
    # What typer says comes after its two lines of usage, what fails during work after lines of progress.
    assert all(line == "" or line.startswith(("[", "Usage: ", "Try ")) for line in before), answer.err
    for word in words:
        assert word in message, message


# --- Scenarios and settings ---------------------------------------------------------------------------------

SETTINGS = {
    "radio.uplink_bandwith_mhz=20": ("radio.uplink_bandwith_mhz", "did you mean radio.uplink_bandwidth_mhz?"),
    "radio.uplink_bandwidth_hz=20": ("radio.uplink_bandwidth_hz", "did you mean radio.uplink_bandwidth_mhz?"),
    "radio.uplink_bandwidth_mhz=20 MHz": ("radio.uplink_bandwidth_mhz", "a number in MHz", "20 MHz"),
    "radio.uplink_bandwidth_mhz=-20": ("radio.uplink_bandwidth_mhz", "greater than 0 MHz", "-20"),
    "radio.uplink_bandwidth_mhz=0": ("radio.uplink_bandwidth_mhz", "greater than 0 MHz"),
    "radio.uplink_bandwidth_mhz=.nan": ("radio.uplink_bandwidth_mhz", "a finite number", "nan"),
    "radio.uplink_bandwidth_mhz=1e400": ("radio.uplink_bandwidth_mhz", "a finite number", "inf"),
    "radio.uplink_bandwidth_mhz=true": ("radio.uplink_bandwidth_mhz", "a number in MHz"),
    "radio.uplink_bandwidth_mhz='20'": ("radio.uplink_bandwidth_mhz", "a number in MHz"),
    "radio.uplink_bandwidth_mhz=[20]": ("radio.uplink_bandwidth_mhz", "a number in MHz"),
    "radio={}": ("radio is a section",),
    "objective.alpha=2": ("objective.alpha", "less than or equal to 1"),
    "objective.alpha_weighs=time": ("objective.alpha_weighs", "'delay' or 'tv'"),
    "requests.transition=[[1]]": ("transition", "3 rows of 3"),
    "server.quality_floor={}": ("largest_tv or least_steps",),
    "models=[]": ("models", "empty"),
    "cell.users=99": ("users (99)", "places (18)"),
    "seed=1.5": ("seed", "a whole number"),
    "seed=[": ("seed=[", "not valid YAML"),
    "seed": ("key=value",),
    "": ("key=value",),
    "=3": ("no setting ''",),
    "seed=!!python/object:os.system {}": ("not valid YAML",),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_settings(setting, genedge):
    refused(genedge("scenario", "show", "paper", "--set", setting), "--set", *SETTINGS[setting])


@pytest.mark.parametrize(
    "verb", ["slots", "decide --policy rcars", "score --slots x", "train --out x", "evaluate --policies rcars"]
)
def test_every_verb_that_takes_a_scenario_says_so(verb, genedge):
    refused(genedge(*verb.split(), "--set", "seed=x"), "seed", "a whole number")
    refused(genedge(*verb.split(), "--scenario", "papr"), "papr", "did you mean paper?", "companion")


def test_scenario_files(genedge, tmp_path):
    for content, words in (
        ("radio: {uplink_bandwidth_mhz: -3}", ("radio.uplink_bandwidth_mhz", "greater than 0 MHz", "-3")),
        ("radio:\n  power: 3", ("radio.power", "no setting")),
        ("radio: [", ("not valid YAML",)),
        ("just text", ("mapping",)),
        ("base: papr", ("base", "papr", "paper")),
        ("", ("mapping",)),
    ):
        path = tmp_path / "mine.yaml"
        path.write_text(content)
        refused(genedge("slots", "--scenario", path), str(path), *words)
    refused(genedge("slots", "--scenario", tmp_path), str(tmp_path), "cannot be read")
    path.write_bytes(b"\xff\xfe")
    refused(genedge("slots", "--scenario", path), str(path), "cannot be read")


# --- Options ------------------------------------------------------------------------------------------------

OPTIONS = {
    "verb": ("slotz", "did you mean 'slots'"),
    "verb within": ("scenario shw", "did you mean 'show'"),
    "option": ("slots --user 3", "--users"),
    "further argument": ("slots 3", "3"),
    "no users": ("slots --users 0", "--users"),
    "half a user": ("slots --users 1.5", "--users"),
    "no slots": ("slots --count 0", "--count"),
    "negative seed": ("slots --seed -1", "--seed"),
    "a seed that would repeat another": ("slots --seed 4294967296", "--seed"),
    "too many users": ("slots --users 1000000000000", "too many"),
    "too many slots": ("slots --count 99999999999999999999999", "too many"),
    "no policy": ("decide", "--policy"),
    "unknown policy": ("decide --policy knapsak", "'knapsak'", "did you mean knapsack?", "rcars"),
    "no slots file": ("score", "--slots"),
    "both forms": ("scenario show paper --json --yaml", "choose one"),
    "evaluate nothing": ("evaluate --policies ,", "--policies", "rcars"),
    "evaluate unknown": ("evaluate --policies rcars,rcasr", "'rcasr'", "did you mean rcars?"),
    "evaluate for nobody": ("evaluate --policies rcars --users 4,0", "--users 0", "at least one"),
    "evaluate for words": ("evaluate --policies rcars --users ten", "--users ten", "10,14,18"),
    "evaluate for a gap": ("evaluate --policies rcars --users 4,,5", "--users 4,,5", "10,14,18"),
    "evaluate without episodes": ("evaluate --policies rcars --episodes 0", "--episodes"),
    "evaluate forever": ("evaluate --policies rcars --episodes 10000000000000000000", "too many"),
    "figure is a folder": ("evaluate --policies rcars --figure .", "--figure"),
    "train where": ("train", "--out", "--resume"),
    "train what": ("train --out new --agent ppo", "'ppo'", "ddpg, td3, sac, two-timescale, reinforce, any-cell"),
    "train what with a network": ("train --out new --agent ppo --network mlp", "'ppo'", "ddpg, td3, sac"),
    "train which network": ("train --out new --network cnn", "ddpg.network", "'mlp' or 'equivariant'", "'cnn'"),
    "train which network of td3": ("train --out new --agent td3 --network [", "network", "["),
    "train any cell with a network": ("train --out new --agent any-cell --network mlp", "any-cell", "--network"),
    "train any cell for some users": ("train --out new --agent any-cell --users 9", "--users 9", "any_cell.users"),
    "train any cell never": ("train --out new --agent any-cell --episodes 0", "--episodes"),
    "train td3 forever": ("train --out new --agent td3 --episodes 99999999999999999999", "too many"),
    "train for nobody": ("train --out new --users 0", "--users"),
    "train for too many": ("train --out new --users 19", "--users 19", "18 places", "--set cell.places=19"),
    "train never": ("train --out new --episodes 0", "--episodes"),
    "train forever": ("train --out new --episodes 99999999999999999999", "too many"),
    "resume nothing": ("train --resume nothing", "nothing", "not a run folder", "genedge train"),
    "resume with more": ("train --resume nothing --users 3", "--resume", "no other option"),
    "resume with a network": ("train --resume nothing --network mlp", "--resume", "no other option"),
    "resume as another agent": ("train --resume nothing --agent td3", "--resume", "no other option"),
    "resume with settings": ("train --resume nothing --set seed=3", "--resume", "no other option"),
    "resume elsewhere": ("train --resume nothing --scenario companion", "--resume", "no other option"),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_options(case, genedge, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command, *words = OPTIONS[case]
    answer = genedge(*command.split())
    refused(answer._replace(err=answer.err.replace("Did you mean", "did you mean")), *words)
    assert list(tmp_path.iterdir()) == []


def test_empty_options(genedge):
    refused(genedge("slots", "--users", ""), "--users")
    refused(genedge("evaluate", "--policies", "rcars", "--users", ""), "--users", "10,14,18")
    refused(genedge("evaluate", "--policies", ""), "--policies", "rcars")


# --- Slots --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def slot(genedge):
    return genedge("slots", "--users", USERS, "--count", 1, "--seed", 3).rows[0]


GOOD = [1.0] * USERS
SLOTS = {
    "requests": {
        "missing": (None, "'requests' is missing"),
        "too long": ([0] * 4, "a list of 4"),
        "empty": ([], "a list of model indices"),
        "no list": ("012", "a list of model indices"),
        "mapping": ({"0": 1}, "a list of model indices"),
        "unknown model": ([0, 1, MODELS], "requests[2] is 10", "from 0 to 9"),
        "negative": ([0, -1, 1], "requests[1] is -1", "from 0 to 9"),
        "float": ([0, 1.0, 1], "requests[1] is 1.0"),
        "boolean": ([0, True, 1], "requests[1] is True"),
        "text": ([0, "1", 1], "requests[1] is '1'"),
        "nested": ([0, [1], 1], "requests[1] is [1]"),
        "huge": ([10**400, 0, 1], "requests[0] is 100"),
    },
    "input_bits": {
        "missing": (None, "'input_bits' is missing"),
        "short": ([1.0] * 2, "input_bits has 2 entries", "a list of 3"),
        "no list": (1.0, "input_bits is no list"),
        "zero": ([1, 0, 1], "input_bits[1] is 0"),
        "negative": ([1, -5, 1], "input_bits[1] is -5"),
        "text": ([1, "5", 1], "input_bits[1] is '5'", "a finite number"),
        "boolean": ([1, True, 1], "input_bits[1] is True", "a finite number"),
        "null": ([1, None, 1], "input_bits[1] is None", "a finite number"),
        "nan": ([1, float("nan"), 1], "input_bits[1] is nan", "a finite number"),
        "infinite": ([1, float("inf"), 1], "input_bits[1] is inf", "a finite number"),
        "huge": ([1, 10**400, 1], "input_bits[1] is 100", "a finite number"),
        "beyond single precision": ([1, 1e300, 1], "input_bits[1] is 1e+300", "to 1e+15"),
    },
    "channel_gain": {
        "missing": (None, "'channel_gain' is missing"),
        "zero": ([0.0, 1, 1], "channel_gain[0] is 0"),
        "negative zero": ([-0.0, 1, 1], "channel_gain[0] is -0"),
        "subnormal": ([5e-324, 1, 1], "channel_gain[0] is 4.94066e-324", "from 1e-34"),
        "too long": ([1.0] * 4, "channel_gain has 4 entries", "a list of 3"),
    },
    "output_bits": {
        "another model's": (GOOD, "output_bits[0] is 1, but model"),
        "nan": ([float("nan")] * 3, "output_bits[0] is nan"),
    },
    "active": {
        "number": ([1, 0, 2], "active[2] is 2", "true or false"),
        "text": (["true"] * 3, "active[0] is 'true'"),
        "short": ([True], "active has 1 entries", "a list of 3"),
        "no list": (True, "active is no list"),
    },
    "skew": {
        "text": ("0.4", "skew is '0.4'"),
        "list": ([0.4], "skew is [0.4]"),
        "no state": (0.5, "skew is 0.5", "0.4, 0.8, 1.2"),
    },
    "position_m": {
        "short": ([[0, 0]] * 2, "position_m", "3 pairs"),
        "no pairs": ([0, 0, 0], "user 0", "position_m is no list"),
        "triples": ([[0, 0, 0]] * 3, "user 0", "position_m has 3 entries"),
        "infinite": ([[0, float("inf")]] * 3, "user 0", "position_m[1] is inf"),
    },
    "scenario_id": {
        "another": ("0123456789abcdef", "another scenario", "--set with which the slots were made"),
        "no text": (5, "another scenario"),
    },
}


@pytest.mark.parametrize(("field", "case"), [(field, case) for field, cases in SLOTS.items() for case in cases])
def test_slots(field, case, slot, genedge, tmp_path):
    """In the second line, and both verbs that read slots say the same."""
    value, *words = SLOTS[field][case]
    bad = {key: content for key, content in slot.items() if key != field} | (
        {field: value} if value is not None else {}
    )
    text = "".join(json.dumps(row) + "\n" for row in (slot, bad))
    refused(genedge("decide", "--policy", "rcars", stdin=text), "standard input line 2", *words)
    if case == "missing":
        path = tmp_path / "slots.jsonl"
        path.write_text(text)
        refused(genedge("score", "--slots", path), f"{path} line 2", *words)


LINES = {
    "text": ("x", "line 1, column 1: not valid JSON"),
    "cut": ('{"scenario_id": "', "line 1, column 17: not valid JSON"),
    "list": ("[]", "line 1: must be a JSON object"),
    "number": ("1", "line 1: must be a JSON object"),
    "null": ("null", "line 1: must be a JSON object"),
    "empty object": ("{}", "line 1: 'requests' is missing"),
    "deep list": ("[" * 100_000, "line 1: not valid JSON: nested too deeply"),
    "deep object": ('{"a":' * 100_000, "line 1: not valid JSON: nested too deeply"),
    "many digits": ('{"scenario_id": ' + "1" * 5000 + "}", "line 1: a number with too many digits"),
    "nul": ("\0", "line 1, column 1: not valid JSON"),
    "binary": (b"\x89PNG\r\n", "line 1: not UTF-8 text"),
    "cut letter": (b"{}" + b"\xc3", "line 1: not UTF-8 text"),
    "another encoding": ("{}".encode("utf-16"), "line 1: not UTF-8 text"),
    "blank line": ("\n{}", "line 1: blank"),
}


@pytest.mark.parametrize("case", LINES)
def test_lines(case, slot, genedge, tmp_path):
    content, words = LINES[case]
    refused(genedge("decide", "--policy", "rcars", stdin=content), f"standard input {words}")
    path = tmp_path / "some.jsonl"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    refused(genedge("score", "--slots", path), f"{path} {words}")
    path.write_text(json.dumps(slot) + "\n")
    if case != "empty object":  # There another field is missing.
        refused(genedge("score", "--slots", path, stdin=content), f"standard input {words}")


def test_blank_line_between(slot, genedge):
    line = json.dumps(slot)
    refused(genedge("decide", "--policy", "rcars", stdin=f"{line}\n \n{line}\n"), "standard input line 2: blank")


def test_slots_of_another_scenario(genedge, tmp_path):
    slots = genedge("slots", "--users", USERS, "--count", 1).out
    path = tmp_path / "slots.jsonl"
    path.write_text(slots)
    for other in (("--set", "seed=2"), ("--set", "objective.alpha=0.6"), ("--scenario", "companion")):
        refused(genedge("decide", "--policy", "rcars", *other, stdin=slots), "line 1", "another scenario")
        refused(genedge("score", "--slots", path, *other), f"{path} line 1", "another scenario")


@pytest.mark.parametrize(
    ("path", "words"), [("missing", "No such file"), (".", "Is a directory"), ("x" * 5000, "File name too long")]
)
def test_slots_files(path, words, genedge):
    refused(genedge("score", "--slots", path), "--slots", "cannot be read", words)


# --- Decisions ----------------------------------------------------------------------------------------------

SHARES = [0.3, 0.3, 0.3]
DECISIONS = {
    "cache": {
        "missing": (None, "'cache' is missing"),
        "short": ([0] * 9, "cache has 9 entries", "a list of 10"),
        "text": ("0000000000", "cache is no list"),
        "a half": ([0.5] + [0] * 9, "(11a)", "cache[0] is 0.5"),
        "two": ([0, 2] + [0] * 8, "(11a)", "cache[1] is 2"),
        "nan": ([float("nan")] + [0] * 9, "(11a)", "cache[0] is nan"),
        "huge": ([10**400] + [0] * 9, "(11a)", "cache[0] is 100"),
        "too much": ([1] * MODELS, "(11d)", "[GB], by 40.8"),
    },
    "bandwidth": {
        "missing": (None, "'bandwidth' is missing"),
        "short": ([0.5, 0.5], "bandwidth has 2 entries", "a list of 3"),
        "text": (["0.3"] * 3, "bandwidth[0] is '0.3'"),
        "nested": ([[0.3]] * 3, "bandwidth[0] is [0.3]"),
        "nan": ([0.3, float("nan"), 0.3], "bandwidth[1] is nan"),
        "negative": ([0.5, 0.3, -1e-9], "user 2", "(11b)", "by 1e-09"),
        "above 1": ([1.5, 0.3, 0.3], "user 0", "(11b)", "by 0.5"),
        "starved": ([0.5, 0.0, 0.5], "user 1", "active user's bandwidth share is above 0"),
        "starved below zero": ([0.5, -0.0, 0.5], "user 1", "active user's bandwidth share is above 0", "by 0"),
        "starved forever": ([0.5, 5e-324, 0.5], "user 1", "its delay is beyond all numbers", "more bandwidth"),
        "too much": ([0.4, 0.4, 0.4], "(11e)", "by 0.2"),
        "a little too much": ([0.5, 0.25, 0.250002], "(11e)", "by 2e-06"),
    },
    "steps": {
        "missing": (None, "'steps' is missing"),
        "negative": ([0.5, -1e-12, 0.1], "user 1", "(11c)", "by 1e-12"),
        "above 1": ([1.0001, 0, 0], "user 0", "(11c)", "by 0.0001"),
        "beyond reason": ([1e308, 0, 0], "user 0", "(11c)", "by 1e+308"),
        "too much": ([0.4, 0.4, 0.4], "(11f)", "by 0.2"),
    },
}


@pytest.fixture(scope="module")
def slots_file(slot, tmp_path_factory):
    """Twice the same slot."""
    path = tmp_path_factory.mktemp("slots") / "slots.jsonl"
    path.write_text(2 * (json.dumps(slot) + "\n"))
    return path


def decision(**changed):
    row = {"cache": [0] * MODELS, "bandwidth": SHARES, "steps": SHARES} | changed
    return json.dumps({key: value for key, value in row.items() if value is not None}) + "\n"


@pytest.mark.parametrize(("field", "case"), [(field, case) for field, cases in DECISIONS.items() for case in cases])
def test_decisions(field, case, slots_file, genedge):
    value, *words = DECISIONS[field][case]
    text = decision() + decision(**{field: value})
    refused(genedge("score", "--slots", slots_file, stdin=text), "standard input line 2", *words)


def test_the_first_of_several_faults_is_named(slots_file, genedge):
    text = decision(steps=[0.4] * 3) + decision(bandwidth=[0.4] * 3)
    refused(genedge("score", "--slots", slots_file, stdin=text), "standard input line 1", "(11f)")


def test_sums_within_the_tolerance_pass(slots_file, genedge):
    almost = [0.5, 0.25, 0.25 + 9e-7]
    text = decision(bandwidth=almost) + decision(steps=almost)
    assert genedge("score", "--slots", slots_file, stdin=text).status == 0


def test_numbers_of_lines(slots_file, genedge):
    refused(genedge("score", "--slots", slots_file), "has 0 decisions", "has 2 slots")
    refused(genedge("score", "--slots", slots_file, stdin=decision()), "has 1 decisions", "has 2 slots")
    refused(
        genedge("score", "--slots", slots_file, stdin=3 * decision()), "line 3", "one decision too many", "2 slots"
    )
    refused(genedge("score", "--slots", os.devnull, stdin=decision()), "line 1", "one decision too many", "0 slots")


@pytest.mark.parametrize("field", ["bandwidth", "steps"])
@pytest.mark.parametrize("share", [0.1, 5e-324])
def test_inactive_users_hold_nothing(field, share, slot, genedge, tmp_path):
    path = tmp_path / "slots.jsonl"
    path.write_text(json.dumps(slot | {"active": [True, False, True]}) + "\n")
    nothing = {"bandwidth": [0.5, 0, 0.4], "steps": [0.5, 0, 0.4]}
    assert genedge("score", "--slots", path, stdin=decision(**nothing)).status == 0
    greedy = decision(**nothing | {field: [0.5, share, 0.4]})
    refused(genedge("score", "--slots", path, stdin=greedy), "line 1, user 1", "inactive user's", f"by {share:g}")


def test_quality_floor(slot, genedge, tmp_path):
    floor = ("--set", "server.quality_floor.least_steps=200")
    drawn = genedge("slots", "--users", USERS, "--count", 1, "--seed", 3, *floor)
    path = tmp_path / "slots.jsonl"
    path.write_text(drawn.out)
    cache = [int(m == drawn.rows[0]["requests"][0]) for m in range(MODELS)]
    asking = drawn.rows[0]["requests"].count(drawn.rows[0]["requests"][0])
    enough = decision(cache=cache, steps=[0.2] * asking + [0] * (USERS - asking))
    assert genedge("score", "--slots", path, *floor, stdin=enough).status == 0
    short = decision(cache=cache, steps=[0.1999, 0.2, 0.2])
    refused(genedge("score", "--slots", path, *floor, stdin=short), "line 1, user 0", "quality floor", "by 0.1")


# --- Folders of runs, figures, and the streams themselves -----------------------------------------------------


def test_folders_that_are_no_runs(slot, genedge, tmp_path):
    text = json.dumps(slot)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("")
    for name in ("other", "."):
        folder = tmp_path / name
        refused(genedge("decide", "--policy", folder, stdin=text), str(folder), "not a run folder", "genedge train")
        refused(genedge("evaluate", "--policies", folder), str(folder), "holds no run")
        refused(genedge("train", "--out", folder), str(folder), "not empty", "choose another")
    for name in ("other", "file", "missing"):
        folder = tmp_path / name
        what = "holds no run" if name == "other" else "not a run folder"
        refused(genedge("train", "--resume", folder), str(folder), what, "genedge train")
    refused(genedge("train", "--out", tmp_path / "file"), "file", "choose another")
    refused(genedge("decide", "--policy", tmp_path / "missing", stdin=text), "missing", "no such policy")
    refused(genedge("train", "--out", tmp_path / "file" / "run"), "file", "cannot be written")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "notes.txt", "other"]


def test_a_folder_that_cannot_be_written(genedge):
    # Not even root may write here.
    refused(genedge("train", "--out", "/proc/genedge"), "/proc/genedge", "cannot be written")


@pytest.mark.parametrize("content", ["", "[]", "5", "null", "{}", "{", "[" * 100_000, "1" * 5000, '{"format": 3}'])
def test_descriptions_that_are_none(content, genedge, tmp_path):
    (tmp_path / "run.json").write_text(content)
    refused(genedge("train", "--resume", tmp_path), "run.json", "not the description of a run")


def shell(script, **environment):
    me = f"{sys.executable} -m genedge"
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return subprocess.run(
        ["bash", "-c", script.replace("genedge", me)],
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_output_that_takes_no_more(tmp_path):
    full = shell(f"ulimit -f 0; genedge --help > {tmp_path}/help.txt")
    assert (full.returncode, full.stderr) == (2, "genedge: output: File too large\n")


def test_output_that_nobody_reads_to_its_end():
    """Quietly, and with the status that typer gives."""
    short = shell("genedge --help | true; exit ${PIPESTATUS[0]}")
    assert (short.returncode, short.stderr) == (1, "")
    long = shell("genedge slots --users 10 --count 400 | head -n 1; exit ${PIPESTATUS[0]}")
    assert (long.returncode, long.stderr) == (1, "")
    assert json.loads(long.stdout)["active"] == [True] * 10


def test_closed_input_and_narrow_letters():
    closed = shell("genedge decide --policy rcars <&-")
    assert closed.returncode == 2
    assert closed.stderr.startswith("genedge: standard input is closed")
    ascii_only = shell("genedge scenario show paper", PYTHONIOENCODING="ascii")
    assert (ascii_only.returncode, ascii_only.stderr) == (0, "")
    assert "radio.uplink_bandwidth_mhz" in ascii_only.stdout


def test_ctrl_c_says_so(genedge, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("genedge.evaluation.cells.compare", interrupted)
    assert genedge("evaluate", "--policies", "rcars") == (130, "", "genedge: interrupted\n")


def test_a_checkpoint_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    def forbidden(*arguments, **options):
        raise PermissionError

    (tmp_path / "checkpoint.npz").touch()
    monkeypatch.setattr(arrays.zipfile, "ZipFile", forbidden)
    with pytest.raises(InputError, match="permission") as told:
        arrays.restore(tmp_path / "checkpoint.npz", np.zeros(1), "mine")
    assert "remove" not in str(told.value)

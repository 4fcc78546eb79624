"""Slots from a file: read with care, evaluated to the last digit, trained and stepped through."""

import json

import gymnasium
import jax
import numpy as np
import pytest
from command_line import call

import genedge.gym
from genedge.env.observation import observe
from genedge.errors import InputError
from genedge.learn.runs import open_run
from genedge.learn.training import train_run
from genedge.scenario import load_scenario

T, USERS, EPISODES = 4, 6, 3
SMALL = (f"cell.slots_per_episode={T}", "cell.users=6", "cell.places=6")
SET = tuple(word for setting in SMALL for word in ("--set", setting))


def line(users=USERS, **more):
    """What must be in a line, and nothing else."""
    return {
        "requests": [n % 10 for n in range(users)],
        "channel_gain": [1e-10] * users,
        "input_bits": [4e7] * users,
    } | more


def written(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("slots") / "mine.jsonl"
    path.write_text(call("slots", "--users", USERS, "--count", EPISODES * T, "--seed", 5, *SET).out)
    return path


def rows_of(file):
    return [json.loads(text) for text in file.read_text().splitlines()]


def test_episodes_are_as_many_slots_in_a_row_as_the_scenario_says(file):
    recorded = load_scenario("paper", SMALL, file).recorded
    rows = rows_of(file)
    assert recorded.slots.gain.shape == (EPISODES, T, USERS)
    for field, key in (
        ("gain", "channel_gain"),
        ("requests", "requests"),
        ("input_bits", "input_bits"),
        ("skew", "skew"),
    ):
        values = [row[key] for row in rows]
        np.testing.assert_array_equal(getattr(recorded.slots, field).reshape(np.shape(values)), values)
    assert load_scenario("paper", SMALL, file).id == load_scenario("paper", SMALL).id


def test_requests_sizes_and_gains_are_enough(tmp_path):
    rows = [line(users, episode=e, position_m=[[1, 2]] * users) for e, users in ((7, 2), (3, 5)) for _ in range(T)]
    rows[0]["angle"] = 3  # What somebody else wants to know.
    slots = load_scenario("paper", SMALL, written(tmp_path / "f.jsonl", rows)).recorded.slots
    assert slots.active.sum(axis=-1).tolist() == [[2] * T, [5] * T]
    assert slots.requests[1, 0].tolist() == [0, 1, 2, 3, 4]
    assert set(slots.skew.ravel()) == {load_scenario("paper").params.skews[0]}


BAD = {
    "no line": ([], "{}: 0 slots are no whole episodes of 4 (cell.slots_per_episode)"),
    "half": ([line()] * 6, "{}: 6 slots are no whole episodes of 4 (cell.slots_per_episode)"),
    "short episode": (
        [line(episode=1)] * 4 + [line(episode=2)] * 3 + [line(episode=3)] * 4,
        "{} line 5: 3 slots in a row have episode 2; an episode of this scenario has 4 (cell.slots_per_episode)",
    ),
    "long episode": ([line(episode=1)] * 8, "{} line 1: 8 slots in a row have episode 1; an episode of"),
    "some without": (
        [line(episode=1)] * 4 + [line()] * 2,
        "{} line 5: 2 slots in a row have no 'episode'; an",
    ),
    "crowd": ([line()] * 3 + [line(7)], "{} line 4: 7 users, but the cell has 6 places; --set cell.places=7"),
    "nobody": ([line(), line(active=[False] * USERS)], "{} line 2: nobody is there; leave such slots out"),
    "gain": (
        [line(), line(channel_gain=[0.0] * USERS)],
        "{} line 2: channel_gain[0] is 0; it must be from",
    ),
    "gain in dB": (
        [line(channel_gain=[-90.0] * USERS)],
        "{} line 1: channel_gain[0] is -90; it must be from",
    ),
    "no gain": ([{"requests": [0], "input_bits": [1e6]}], "{} line 1: 'channel_gain' is missing"),
    "misspelt": (
        [line(), line(activ=[True] * USERS)],
        "{} line 2: 'activ' is no field of a slot; did you mean 'active'?",
    ),
    "other cell": ([line(scenario_id="x")], "{} line 1: a slot of another scenario ('x'); this is paper, "),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_file_of_episodes_is_refused_with_its_line(case, tmp_path):
    rows, message = BAD[case]
    path = written(tmp_path / "f.jsonl", rows)
    for verb in (("evaluate", "--policies", "rcars"), ("train", "--out", tmp_path / "run")):
        answer = call(*verb, "--slots", path, *SET)
        assert (answer.status, answer.out) == (2, "")
        assert answer.err.startswith(f"genedge: {message.format(path)}")
        assert answer.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("evaluate", "--policies", "rcars", "--users", 6), "--users 6: the slots of --slots have their own"),
        (
            ("train", "--out", "run", "--users", 6),
            "--users 6: the slots of --slots have their own",
        ),
        (
            ("train", "--out", "run", "--agent", "any-cell"),
            "--slots: --agent any-cell trains on cells that",
        ),
        (("evaluate", "--policies", "rcars", "--episodes", 4), "episodes is 4; "),
        (("evaluate", "--policies", "lru", "--scenario", "edge-box"), "scenario edge-box is of a box"),
    ],
)
def test_what_the_file_says_is_not_asked_for(more, message, file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = call(*more, "--slots", file, *SET)
    assert answer.status == 2
    assert answer.err.splitlines()[-1].startswith(f"genedge: {message}")
    assert not list(tmp_path.iterdir())


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"--slots .*nowhere: no such file"):
        load_scenario("paper", SMALL, tmp_path / "nowhere")
    with pytest.raises(InputError, match="slots must be the path of a file of JSON lines, not 3"):
        load_scenario("paper", SMALL, 3)


def test_an_evaluation_is_what_decide_and_score_say_of_the_same_lines(file, tmp_path):
    decided = call("decide", "--policy", "knapsack", *SET, stdin=file.read_text()).out
    scored = call("score", "--slots", file, *SET, stdin=decided).rows
    told = json.loads(call("evaluate", "--policies", "knapsack", "--slots", file, "--json", *SET).out)
    (row,) = told["results"]
    assert row["utility"]["mean"] == pytest.approx(np.mean([each["utility"] for each in scored]), rel=1e-6)
    assert (row["users"], told["episodes"]) == (USERS, EPISODES)
    recorded = load_scenario("paper", SMALL, file).recorded
    assert told["slots"] == {"file": str(file), "sha256": recorded.sha256}
    first = json.loads(
        call("evaluate", "--policies", "knapsack", "--slots", file, "--episodes", 1, "--json", *SET).out
    )
    assert first["results"][0]["utility"]["mean"] == pytest.approx(
        np.mean([each["utility"] for each in scored[:T]]), rel=1e-6
    )
    out = call("evaluate", "--policies", "knapsack", "--slots", file, *SET).out
    assert f"The slots are those of mine.jsonl (sha256 {recorded.sha256[:12]})." in out


def test_policies_are_not_told_what_is_still_to_come(file):
    scenario, seen = load_scenario("paper", SMALL, file), []
    rcars = genedge.policy("rcars", scenario)

    def curious(params, slots, key):
        seen.append(params.recorded)
        return rcars(params, slots, key)

    genedge.evaluate(scenario, {"curious": curious}, [USERS], EPISODES, 0, lambda text: None)
    assert seen == [None] * EPISODES


def test_the_environment_steps_through_an_episode_of_the_file(file):
    env = gymnasium.make("genedge/Cell-v0", overrides=SMALL, slots=str(file))
    scenario = env.unwrapped.scenario
    seen = observe(scenario.params, scenario.recorded.slots)
    met = set()
    for seed in range(12):
        first, _ = env.reset(seed=seed)
        (e,) = np.flatnonzero((np.abs(seen[:, 0] - first) < 1e-5).all(axis=-1))
        met.add(int(e))
        for t in range(T):
            observation, _, terminated, truncated, _ = env.step(np.zeros(env.action_space.shape, np.float32))
            np.testing.assert_allclose(observation, seen[e, min(t + 1, T - 1)], atol=1e-5)
            assert (terminated, truncated) == (False, t == T - 1)
    assert met == set(range(EPISODES))


def test_many_cells_meet_what_one_meets(file):
    made = {"overrides": SMALL, "slots": file}
    many = gymnasium.make_vec("genedge/Cell-v0", 2, vectorization_mode="vector_entry_point", **made)
    one = gymnasium.make("genedge/Cell-v0", **made)
    firsts, _ = many.reset(seed=3)
    for i, first in enumerate(firsts):
        np.testing.assert_array_equal(first, one.reset(seed=3 + i)[0])


def test_what_a_file_holds_is_within_the_space_of_observations(tmp_path):
    row = line(2, channel_gain=[1e-25, 1e5], input_bits=[1.0, 1e12])
    env = gymnasium.make("genedge/Cell-v0", overrides=SMALL, slots=written(tmp_path / "f.jsonl", [row] * T))
    assert env.observation_space.contains(env.reset(seed=0)[0])
    with pytest.raises(
        InputError, match=r"^options\['users'\]: the slots of a file have their own users; leave it out"
    ):
        env.reset(options={"users": 2})
    with pytest.raises(InputError, match=r"^users is 2, but slots of a file have their own users"):
        gymnasium.make("genedge/Cell-v0", overrides=SMALL, users=2, slots=tmp_path / "f.jsonl")


def test_slots_that_are_seen_otherwise_say_so(file):
    with pytest.raises(InputError, match=r"no line has a 'seen_channel_gain'; give it there, or set observation"):
        load_scenario(
            "paper", [*SMALL, "observation.stale_slots=2"], written(file.parent / "f.jsonl", [line()] * T)
        )


def test_means_are_over_those_who_are_there(tmp_path):
    path = written(tmp_path / "f.jsonl", [line(users) for users in (2, 5, 1, 3)])
    env = gymnasium.make("genedge/Cell-v0", overrides=SMALL, slots=path)
    env.reset(seed=0)
    for _ in range(T):
        # Nothing is cached, so all go to the cloud and have the best quality.
        info = env.step(np.full(env.action_space.shape, -1, np.float32))[-1]
        assert info["hit_ratio"] == 0
        assert 0 < info["tv"] < 60


def test_sample_episode_draws_from_the_file(file):
    scenario = load_scenario("paper", SMALL, file)
    with pytest.raises(InputError, match=r"places is 3 and slots is 4; the episodes of params.recorded have 6"):
        genedge.sample_episode(scenario.params, jax.random.key(0), 3, 3, T)


TINY = ("ddpg.hidden_layers=[16, 16]", "ddpg.batch=8", "ddpg.replay_size=64", "ddpg.warmup_slots=8")


@pytest.mark.heavy
def test_training_on_a_file_goes_on_with_the_same_bits(file, tmp_path):
    sizes = tuple(word for setting in TINY for word in ("--set", setting))
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(file.read_bytes())
    for name in ("whole", "cut"):
        answer = call("train", "--slots", copy, "--episodes", 20, "--out", tmp_path / name, *SET, *sizes)
        assert answer.status == 0, answer.err
    whole, cut = tmp_path / "whole", tmp_path / "cut"

    # As if interrupted before its end.
    for left in ("checkpoint.npz", "metrics.jsonl"):
        (cut / left).unlink()
    assert open_run(cut).scenario.recorded is None, "to decide nobody needs the file"
    copy.write_text(copy.read_text().replace("true", "true "))
    for damage, word in ((lambda: None, "has changed since"), (copy.unlink, "is not there; restore")):
        damage()
        answer = call("train", "--resume", cut)
        assert answer.status == 2
        assert f"{cut}: it trains on the slots of {copy}, which {word}" in answer.err
    copy.write_bytes(file.read_bytes())

    def stop(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_run(open_run(cut), stop)
    assert call("train", "--resume", cut).status == 0
    for name in ("best.npz", "last.npz", "checkpoint.npz"):
        with np.load(whole / name) as first, np.load(cut / name) as second:
            for key in first.files:
                np.testing.assert_array_equal(first[key], second[key])
    described = json.loads((whole / "run.json").read_text())
    assert (described["slots"], described["users"]) == (str(copy), USERS)
    assert len(described["slots_sha256"]) == 64


def test_slots_in_which_nobody_is_served_are_met_and_flatter_nobody(tmp_path):
    """All in an outage: there are no gains to bound, and no distance to the optimum, only its rounding."""
    rows = [line(users=2, channel_gain=[1e-20] * 2)] * T
    dark, more = written(tmp_path / "dark.jsonl", rows), (*SMALL, "radio.outage_gain_db=-95")
    env = genedge.gym.CellEnv("paper", more, slots=dark, gap=True)
    assert env.observation_space.contains(env.reset(seed=0)[0])
    info = env.step(np.zeros(env.action_space.shape))[4]
    assert (info["optimum"], info["gap"]) == pytest.approx((2 * 0.7 * 20, 0), abs=1e-5)
    scenario = load_scenario("paper", more, slots=dark)
    results = genedge.evaluate(scenario, {"rcars": genedge.policy("rcars", scenario)}, [2], 1, 0)
    gaps = {key: gap.mean for key, gap in results.gaps("rcars", 2).items()}
    assert gaps["of_optimum"] == pytest.approx(0, abs=1e-9)
    assert np.isnan([gaps["beyond_radio"], gaps["of_distance"]]).all()

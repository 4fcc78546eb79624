import jax
import numpy as np
import pytest

from genedge.cell.sampling import sample_episode
from genedge.errors import InputError
from genedge.scenario import load_scenario

HEADER = "slot,user,x_m,y_m\n"


def lines(of_users_m):
    slots, users, _ = of_users_m.shape
    rows = [
        f"{t},{n},{x!r},{y!r}\n" for t in range(slots) for n in range(users) for x, y in [of_users_m[t, n].tolist()]
    ]
    # In any order.
    return HEADER + "".join(np.random.default_rng(0).permutation(rows))


@pytest.fixture
def walk(tmp_path):
    of_users_m = np.random.default_rng(2).uniform(-125, 125, (6, 4, 2))
    (tmp_path / "walk.csv").write_text(lines(of_users_m))
    (tmp_path / "mine.yaml").write_text(
        "cell: {places: 4, users: 3, slots_per_episode: 6}\nmobility: {model: positions, file: walk.csv}\n"
    )
    return tmp_path, of_users_m


def test_users_are_where_the_file_says(walk):
    folder, of_users_m = walk
    scenario = load_scenario(folder / "mine.yaml")
    slots = sample_episode(scenario.params, jax.random.key(0), 3, 4, 6)
    np.testing.assert_array_equal(slots.position_m, of_users_m.astype(np.float32))
    np.testing.assert_array_equal(slots.active, np.broadcast_to([True, True, True, False], (6, 4)))
    # Longer ones begin anew; other keys change where nobody is.
    longer = sample_episode(scenario.params, jax.random.key(1), 2, 2, 14).position_m
    np.testing.assert_array_equal(longer, np.concatenate([of_users_m] * 3)[:14, :2].astype(np.float32))


def test_the_id_knows_what_the_file_holds_and_not_where_it_is(walk):
    folder, of_users_m = walk
    before = load_scenario(folder / "mine.yaml").id
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "other.csv").write_text((folder / "walk.csv").read_text())
    moved = load_scenario(folder / "mine.yaml", [f"mobility.file={folder}/elsewhere/other.csv"])
    assert moved.id == before
    of_users_m[0, 0] += 1
    (folder / "walk.csv").write_text(lines(of_users_m))
    assert load_scenario(folder / "mine.yaml").id != before


def test_a_path_is_relative_to_where_it_is_written(walk, monkeypatch):
    folder, _ = walk
    (folder / "here").mkdir()
    (folder / "here" / "walk.csv").write_text((folder / "walk.csv").read_text())
    monkeypatch.chdir(folder / "here")
    (folder / "walk.csv").unlink()
    with pytest.raises(InputError, match=r"walk\.csv: cannot be read: No such file"):
        load_scenario(folder / "mine.yaml")
    assert load_scenario(folder / "mine.yaml", ["mobility.file=walk.csv"]).params.mobility.of_users_m.shape == (
        6,
        4,
        2,
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"line 1 must be slot,user,x_m,y_m"),
        (HEADER, r"there are no positions in it"),
        (HEADER + "0,0,1\n", r"line 2 must be the numbers of a slot and a user"),
        (HEADER + "0,0,1,nan\n", r"line 2 must be"),
        (HEADER + "0,0,1," + "1" * 200_000 + "\n", r"line 2: field larger than field limit"),
        (HEADER + "0,-1,1,1\n", r"line 2 must be"),
        (HEADER + "0,0,1,1\n0,0,1,1\n", r"line 3: user 0 is in slot 0 a second time"),
        (HEADER + "0,0,1,1\n1,1,1,1\n", r"user 1 is not in slot 0"),
        (HEADER + "999999999,0,1,1\n", r"user 0 is not in slot 0"),
        (
            HEADER + "0,0,1,1\n0,1,1,1\n0,2,126,1\n0,3,1,1\n",
            r"in slot 0 user 2 is at \(126, 1\) m, outside of cell\.area_m",
        ),
        (HEADER + "0,0,1,1\n", r"has 1 users, and cell\.places is 4"),
        (HEADER + "".join(f"0,{n},1,1\n" for n in range(4)), r"has 1 slots, and cell\.slots_per_episode is 6"),
    ],
)
def test_what_is_wrong_in_a_file_is_said(walk, text, said):
    folder, _ = walk
    (folder / "walk.csv").write_text(text)
    overrides = ["cell.slots_per_episode=1"] if "outside" in said else []
    with pytest.raises(InputError, match=said):
        load_scenario(folder / "mine.yaml", overrides)

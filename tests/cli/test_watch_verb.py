"""`genedge watch`: a file that is whole or not there, and messages for people."""

import io

import jax
import pytest
from PIL import Image

from genedge.learn.actor import init_actor
from genedge.learn.arrays import save
from genedge.learn.runs import create_run
from genedge.scenario import load_scenario

# All cells are of one size, so that only the first command waits for compilation.
CELL = ("--set", "cell.slots_per_episode=3", "--set", "cell.users=3")
SHORT = ("--policy", "rcars", *CELL, "--slots", 2, "--seed", 5)


def test_html(genedge, tmp_path):
    files = [tmp_path / "new" / name for name in ("a.html", "b.html")]
    for file in files:
        answer = genedge("watch", *SHORT, "--out", file)
        assert (answer.status, answer.out) == (0, f"Written: {file}\n")
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].read_text().count('<div class="frame"') == 2
    assert sorted(path.name for path in files[0].parent.iterdir()) == ["a.html", "b.html"]


@pytest.mark.heavy
def test_gif_of_a_whole_episode(genedge, tmp_path):
    file = tmp_path / "episode.gif"
    assert genedge("watch", "--policy", "cloud-only", *CELL, "--out", file).status == 0
    image = Image.open(io.BytesIO(file.read_bytes()))
    assert image.n_frames == 3
    assert b"3 users, slots 1 to 3" in image.info["comment"]


def test_without_a_name_it_is_a_page(genedge, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert genedge("watch", *SHORT).out == "Written: episode.html\n"
    assert [path.name for path in tmp_path.iterdir()] == ["episode.html"]


REFUSED = {
    "no policy": ("watch", "--policy"),
    "unknown policy": ("watch --policy knapsak", "'knapsak'", "did you mean knapsack?"),
    "no users": ("watch --policy rcars --users 0", "--users"),
    "too many users": ("watch --policy rcars --users 10000000000", "too many"),
    "no slots": ("watch --policy rcars --slots 0", "--slots"),
    "too many slots": ("watch --policy rcars --slots 51", "--slots 51", "50", "--set cell.slots_per_episode=51"),
    "another kind of file": ("watch --policy rcars --out a.mp4", "a.mp4", "a.html", "a.gif"),
    "no suffix": ("watch --policy rcars --out episode", "episode.html"),
    "a folder": ("watch --policy rcars --out .", "--out"),
    "where nobody can write": ("watch --policy rcars --out /proc/a.html", "/proc/a.html", "cannot be written"),
    "bad setting": ("watch --policy rcars --set seed=x", "seed", "a whole number"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_said(case, genedge, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command, *words = REFUSED[case]
    answer = genedge(*command.split())
    assert (answer.status, answer.out) == (2, ""), answer
    assert "Traceback" not in answer.err
    message = answer.err.strip().splitlines()[-1]
    assert message.startswith(("genedge: ", "Error: "))
    for word in words:
        assert word in message
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_serves_fewer_users(genedge, tmp_path):
    scenario = load_scenario("paper", ["ddpg.hidden_layers=[8]", "cell.places=4", "cell.users=4"])
    run = create_run(tmp_path / "run", scenario, None, "ddpg", 1, 0)
    save(run.folder / "best.npz", init_actor(scenario.hyperparameters("ddpg"), jax.random.key(0), 10, 4), run.id)
    answer = genedge("watch", "--policy", run.folder, "--users", 5, "--out", tmp_path / "a.html")
    assert (answer.status, answer.out) == (2, "")
    assert "serves up to 4 users, not 5" in answer.err
    assert not (tmp_path / "a.html").exists()


def test_interrupted_there_is_no_file(genedge, tmp_path, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("genedge.draw.watch.draw_frame", interrupted)
    answer = genedge("watch", *SHORT, "--out", tmp_path / "a.html")
    assert answer.status == 130
    assert answer.err.endswith("genedge: interrupted\n")
    assert list(tmp_path.iterdir()) == []

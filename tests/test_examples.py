"""The examples run as they stand."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import pytest

import genedge

ROOT = Path(__file__).parent.parent
# Without a window, on one core, as tests run side by side, and with what was compiled before.
SETTINGS = {
    "MPLBACKEND": "Agg",
    "OMP_NUM_THREADS": "1",
    "JAX_COMPILATION_CACHE_DIR": str(jax.config.jax_compilation_cache_dir),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
}
HEAVY = {
    "sb3.py": (
        ["--steps", "1100", "--algorithm", "SAC"],
        ["stable_baselines3", "torch"],
        r"before sb3:sb3\.zip: utility \d+.*\n.*\nafter sb3:sb3\.zip: utility \d+.*\nafter rcars: .*\nafter kna",
    ),
    "cleanrl_style.py": (
        ["--total-steps", "800", "--learning-starts", "200"],
        ["torch"],
        r"800 slots: mean reward -",
    ),
    "rllib_interface.py": (["--episodes", "2"], ["ray", "torch"], "2 episodes, 2 truncated, none terminated"),
}


def run(program: list[str], folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, *program],
        cwd=folder,
        env=os.environ | SETTINGS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_run():
    assert {path.name for path in (ROOT / "examples").glob("*.py")} == {
        *("ten_lines.py", "own_policy.py", "torch_policy.py", *HEAVY)
    }


@pytest.mark.heavy
def test_ten_lines(tmp_path):
    lines = (ROOT / "examples" / "ten_lines.py").read_text().splitlines()
    assert sum(bool(line) and not line.startswith(("import", '"""', "plt.")) for line in lines) <= 10
    run([str(ROOT / "examples" / "ten_lines.py")], tmp_path)


@pytest.mark.heavy
def test_own_policy():
    """Short, and better than RCARS; that it gets into every figure, the report's tests say."""
    file = ROOT / "examples" / "own_policy.py"
    assert len(file.read_text().splitlines()) < 60
    scenario = genedge.load_scenario("paper")
    policies = {name: genedge.policy(name, scenario) for name in (f"{file}:densest", "rcars")}
    found = genedge.evaluate(scenario, policies, [10, 18], 3, 0, lambda text: None)
    for users in (10, 18):
        assert found.compare(f"{file}:densest", "rcars", users)["utility_difference"].high < 0


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.heavy(*HEAVY[name][1])) for name in HEAVY])
def test_heavy(name, tmp_path):
    options, _, says = HEAVY[name]
    assert re.search(says, run([str(ROOT / "examples" / name), *options], tmp_path))


@pytest.mark.heavy("torch")
def test_an_actor_of_torch_comes_back_by_twenty_lines(tmp_path):
    """What the CleanRL example saves is evaluated beside the others; the page shows the very file."""
    policy = ROOT / "examples" / "torch_policy.py"
    text = policy.read_text(encoding="utf-8")
    assert text in (ROOT / "docs" / "gymnasium.md").read_text(encoding="utf-8")
    assert sum(bool(line.strip()) for line in text.splitlines()) <= 20
    train = [str(ROOT / "examples" / "cleanrl_style.py"), "--total-steps", "8000", "--learning-starts", "800"]
    run(train, tmp_path)
    command = ["evaluate", "--policies", f"{policy}:actor,rcars", "--users", "10", "--episodes", "3", "--json"]
    results = json.loads(run(["-m", "genedge", *command], tmp_path))["results"]
    assert results[0]["utility"]["mean"] < results[1]["utility"]["mean"]

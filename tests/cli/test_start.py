"""Help comes at once, and says what there is."""

import subprocess
import sys
from importlib.metadata import version

import pytest

VERBS = {
    "": (
        "--version",
        "slots",
        "decide",
        "score",
        "train",
        "evaluate",
        "demo",
        "scenario",
        "cite",
        "trace",
        "replay",
    ),
    "scenario": ("show", "list"),
    "scenario show": ("NAME|FILE", "--set", "KEY=VALUE", "--json", "--yaml", "provenance", "--all"),
    "scenario list": ("presets",),
    "slots": ("--scenario", "--users", "--count", "--seed", "--set", "channel_gain", "JSON"),
    "decide": ("--scenario", "--policy", "--seed", "--set", "standard input", "bandwidth"),
    "score": ("--scenario", "--slots", "--set", "standard input", "hit_ratio", "lower is better"),
    "train": (
        "--scenario",
        "--users",
        "--agent",
        "--network",
        "--episodes",
        "--seed",
        "--out",
        "--resume",
        "--set",
    ),
    "evaluate": ("--scenario", "--users", "--policies", "--episodes", "--seed", "--json", "--figure", "--set"),
    "watch": ("--policy", "--scenario", "--set", "--users", "--slots", "--seed", "--out", ".html", ".gif"),
    "paper": ("--out", "--quick", "--plan", "--only", "--policies", "--engine", "--address", "FILE.py:FUNCTION"),
    "demo": ("--out",),
    "testbed": (
        "--policies",
        "--scenario",
        "--users",
        "--slots",
        "--out",
        "--links",
        "--factor",
        "--quality",
        "measured",
    ),
    "cite": ("RUN", "--policies", "BibTeX"),
    "trace": ("generate", "convert"),
    "trace generate": ("--out", "--requests", "--models", "--users", "--rate", "--seed"),
    "trace convert": ("--out", "GenTD26"),
    "replay": ("TRACE", "--box", "--memory", "--schedulers", "--no-bounds", "--json", "--figure", "load-free"),
}

HEAVY = ("jax", "numpy", "pydantic", "yaml", "optax", "equinox", "highspy", "matplotlib", "rich")
# Typer itself takes these for the options of a verb.
OF_TYPER = ("pydantic",)


@pytest.mark.parametrize("verb", VERBS)
def test_help(verb, genedge):
    answer = genedge(*verb.split(), "--help")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.startswith(" ".join(["Usage: genedge", *verb.split()]))
    for word in VERBS[verb]:
        assert word in answer.out


@pytest.mark.parametrize(
    ("verbs", "heavy"), [([""], HEAVY), (list(VERBS), [name for name in HEAVY if name not in OF_TYPER])]
)
def test_help_imports_nothing_heavy(verbs, heavy):
    program = f"""
import sys
from genedge.cli import main
for verb in {verbs}:
    sys.argv = ["genedge", *verb.split(), "--help"]
    try:
        main()
    except SystemExit as e:
        assert e.code == 0
print("HEAVY", [name for name in {heavy} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_the_version_comes_without_anything_heavy():
    program = f"""
import sys
from genedge.cli import main
sys.argv = ["genedge", "--version"]
try:
    main()
except SystemExit as e:
    assert e.code == 0
assert not [name for name in {HEAVY} if name in sys.modules]
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f"genedge {version('genedge')}\n"


def test_without_a_verb_the_help_is_shown(genedge):
    assert "Commands:" in genedge().out + genedge().err


def test_presets_are_listed(genedge):
    assert genedge("scenario", "list").out.split() == [
        "companion",
        "edge-box",
        "measured",
        "measured-box",
        "paper",
        "paper-attainable",
    ]


def test_a_written_scenario_says_the_same(genedge, tmp_path):
    path = tmp_path / "mine.yaml"
    changed = ("--set", "objective.alpha=0.25", "--set", "server.quality_floor.largest_tv=best")
    path.write_text(genedge("scenario", "show", "companion", *changed, "--yaml").out)
    again = genedge("scenario", "show", path, "--json")
    assert again.rows == genedge("scenario", "show", "companion", *changed, "--json").rows


def test_every_setting_is_shown_whole(genedge):
    """With its unit and its provenance, also where there is no terminal."""
    (scenario,) = genedge("scenario", "show", "paper", "--json").rows
    shown = genedge("scenario", "show", "paper", "--all").out
    for key, setting in scenario["settings"].items():
        line = next(line for line in shown.splitlines() if f" {key} " in line)
        assert f" {setting['unit']} " in line
        assert f" {setting['provenance']} " in line

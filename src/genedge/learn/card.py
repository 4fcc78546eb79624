"""The card of a run: what was trained, how, on what, and how far it came, for a reader."""

import platform
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from genedge.learn.runs import Run
from genedge.versions import versions


def card(run: Run, rows: Sequence[Mapping[str, Any]]) -> str:
    """A run told in Markdown.

    Args:
        run: the run.
        rows: its metrics so far.
    """
    scenario, section = run.scenario, run.learner.section
    users = f"up to {run.users} users" if run.learner.any_cell else f"{run.users} users"
    settings = {key: value for key, value in scenario.table.items() if key.startswith(f"{section}.")}
    changed = {key: value for key, value in scenario.table.items() if value.provenance == "user"}
    lines = [
        f"# {run.agent} on scenario {scenario.name}, {users}, seed {run.seed}",
        "",
        *_progress(run, rows),
        "",
        "## Made with",
        "",
        "```sh",
        command(run),
        "```",
        "",
        ", ".join(f"{name} {number}" for name, number in versions().items()) + f"; {platform.platform()}",
        "",
        "## Settings of the agent",
        "",
        "| setting | value | provenance |",
        "|---|---|---|",
        *(f"| {key} | {value.value} | {value.provenance} |" for key, value in settings.items()),
        "",
        "All other settings, each with its provenance, are in `scenario.yaml`. "
        + (f"Set by the user: {', '.join(changed)}." if changed else "None was set by the user."),
        "",
    ]
    return "\n".join(lines)


def command(run: Run) -> str:
    """The command that trains the run anew, from the scenario in its folder.

    Args:
        run: the run.
    """
    words = ["genedge", "train", "--scenario", str(run.folder / "scenario.yaml"), "--agent", run.agent]
    words += [] if run.learner.any_cell else ["--users", str(run.users)]
    # What scenario.yaml cannot say.
    for key, setting in run.scenario.table.items():
        if key.partition(".")[0] in run.scenario.own and setting.provenance == "user":
            words += ["--set", f"{key}={setting.value}"]
    words += ["--episodes", str(run.episodes), "--seed", str(run.seed), "--out", "NEW"]
    return shlex.join(words)


def _progress(run: Run, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return ["Not evaluated yet."]
    last = rows[-1]
    best = min(rows, key=lambda row: row["evaluated_utility"])
    state = "finished" if last["episode"] >= run.episodes else "not finished"
    return [
        f"{last['episode']} of {run.episodes} episodes ({state}), {last['seconds']:.0f} s.",
        "",
        "| | episode | Σ U_n of a slot, lower is better |",
        "|---|---|---|",
        f"| best | {best['episode']} | {best['evaluated_utility']:.3f} |",
        f"| last | {last['episode']} | {last['evaluated_utility']:.3f} |",
        "",
        "Both on the run's own evaluation slots, without exploration; `genedge evaluate` measures the gap to the "
        "certified optimum on others.",
    ]

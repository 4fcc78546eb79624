"""Runs what docs/testbed.md tells of, twice, and prints its tables: `python docs/make_testbed.py FOLDER`.

First with a generator for each request, as the paper has it, then with one; on a machine with nothing else to do.
What is in the folder already is not run again. Rows and summaries go to docs/testbed.runs, figures to docs/figures.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parent
POLICIES = "learned,knapsack,rcars,cloud-only"
COMMAND = ["testbed", "--scenario", "measured", "--policies", POLICIES, "--users", "6", "--slots", "10"]
RUNS = {"all-at-once": [], "one-at-a-time": ["--set", "server.generates_at_once=1"]}
PARTS = ("uplink_s", "downlink_s", "backhaul_s", "wait_s", "generation_s", "delay_s", "tv", "utility")


def main(folder: Path) -> None:
    """Runs, copies, prints.

    Args:
        folder: for the runs.
    """
    for name, more in RUNS.items():
        out = folder / name
        subprocess.run([sys.executable, "-m", "genedge", *COMMAND, *more, "--out", str(out)], check=True)
        kept = DOCS / "testbed.runs" / name
        kept.mkdir(parents=True, exist_ok=True)
        for file in ("rows.csv", "summary.json"):
            shutil.copy(out / file, kept / file)
        shutil.copy(out / "measured.png", DOCS / "figures" / f"testbed-{name}.png")
        print(name, tables(json.loads((kept / "summary.json").read_text(encoding="utf-8"))), sep="\n\n")


def tables(found: dict) -> str:
    """Of each policy each part, measured over predicted, in Markdown.

    Args:
        found: a summary.
    """
    policies = found["policies"]
    lines = ["| | " + " | ".join(policies) + " |", "|---|" + "---|" * len(policies)]
    for part in PARTS:
        cells = [cell(policies[policy][part]) for policy in policies]
        lines.append(f"| {part} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(both: dict) -> str:
    """Predicted, measured, and the one over the other with its interval.

    Args:
        both: of a policy and a part.
    """
    predicted, measured = (both[side]["mean"] for side in ("predicted", "measured"))
    ratio = both["ratio"]
    told = f"{predicted:.3g} → {measured:.3g}"
    if ratio["mean"] is None:
        return told
    ends = "" if ratio["low"] is None else f" [{ratio['low']:.2f}, {ratio['high']:.2f}]"
    return f"{told}: **{ratio['mean']:.2f}**{ends}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))

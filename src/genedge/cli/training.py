"""Training with the learning curve shown as it grows."""

from genedge.cli.progress import progress
from genedge.learn.runs import Row, Run
from genedge.learn.training import train_run

BLOCKS = "▁▂▃▄▅▆▇█"
CURVE_WIDTH = 40


def train_with_progress(run: Run) -> list[Row]:
    """Trains a run to its end, showing progress.

    Args:
        run: the run.

    Returns:
        The rows of metrics.
    """
    rows: list[Row] = []
    with progress(run.episodes) as tick:
        tick("compiling", 0)

        def report(row: Row) -> None:
            rows.append(row)
            evaluated = [-r["evaluated_utility"] for r in rows]
            tick(f"reward {evaluated[-1]:.1f}, best {max(evaluated):.1f} {curve(evaluated)}", row["episode"])

        train_run(run, report)
    return rows


def curve(values: list[float]) -> str:
    """The learning curve in one line of text, oldest first.

    Args:
        values: the rewards.
    """
    stride = -(-len(values) // CURVE_WIDTH)
    shown = values[stride - 1 :: stride]
    low, high = min(shown), max(shown)
    return "".join(BLOCKS[round((v - low) / ((high - low) or 1) * (len(BLOCKS) - 1))] for v in shown)

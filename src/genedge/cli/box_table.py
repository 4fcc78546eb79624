"""The tables of an evaluation on a box, for people."""

from rich.table import Table

from genedge.cli.console import console
from genedge.cli.table import cell
from genedge.evaluation.boxes import LOSSES, BoxEvaluation
from genedge.evaluation.statistics import interval, mean

COLUMNS = {
    "utility": ("utility", ".1f"),
    "delay_s": ("delay [s]", ".2f"),
    "delay_p95_s": ("p95 delay [s]", ".1f"),
    "queue_s": ("cloud's queue [s]", ".2f"),
    "tv": ("TV", ".1f"),
    "hit_ratio": ("hit ratio", ".3f"),
    "loads_per_hour": ("loads per hour", ".0f"),
    "loaded_gb_per_hour": ("loaded [GB/h]", ".0f"),
    "loading_s_per_hour": ("loading [s/h]", ".0f"),
}


def print_boxes(evaluation: BoxEvaluation) -> None:
    """Prints each policy's means with their 95 % intervals, and what its decisions lost against the optimum.

    Args:
        evaluation: the results.
    """
    out = console()
    table = Table(
        "policy",
        *(label for label, _ in COLUMNS.values()),
        "decision [ms]",
        title=f"{evaluation.scenario.name}, {evaluation.users} users: mean and 95 % interval over "
        f"{evaluation.episodes} episodes (utility, delay, TV and loads: lower is better)",
    )
    for result in evaluation.results:
        values = [cell(evaluation.value(result, metric), digits) for metric, (_, digits) in COLUMNS.items()]
        table.add_row(result.policy, *values, f"{result.decision_ms:.3f}")
    out.print(table)
    if evaluation.optimum is None:
        out.print(f"The optimum is not known: {evaluation.why_not}.")
        return
    lost = Table(
        "policy",
        "expected utility",
        "gap to optimum" if evaluation.exact else "gap to bound, at most",
        *(f"lost by {name}" for name in LOSSES),
        title="in expectation over all requests that may come, on the channels met: from what each decision lost",
    )
    for result in evaluation.results:
        parts = [cell(interval(mean, result.losses[name]), ".2f") for name in LOSSES]
        lost.add_row(
            result.policy, cell(evaluation.expected(result), ".1f"), cell(evaluation.gap(result), ".2%"), *parts
        )
    lost.add_row("optimum, exact" if evaluation.exact else "lower bound", f"{evaluation.optimum:.1f}")
    out.print(lost)
    if not evaluation.exact:
        out.print(
            "The sizes of requests vary: nothing is below the bound, which counts each as the least; `optimal` too."
        )

"""The table of an evaluation, for people."""

from rich.console import Console
from rich.table import Table

from genedge.study.evaluate import Evaluation
from genedge.study.statistics import Interval

COLUMNS = {
    "utility": ("utility", ".1f"),
    "delay_s": ("delay [s]", ".2f"),
    "delay_p95_s": ("p95 delay [s]", ".1f"),
    "tv": ("TV", ".1f"),
    "hit_ratio": ("hit ratio", ".3f"),
    "used_cache_ratio": ("cached and used", ".3f"),
}
BASES = ("rcars", "hcras")


def print_evaluation(evaluation: Evaluation) -> None:
    """Prints each policy's means with their 95 % intervals, and how it compares with RCARS and HCRAS.

    Args:
        evaluation: the results.
    """
    # In a pipe there is no width to fit: rows must not be cut.
    console = Console() if Console().is_terminal else Console(width=200)
    for users in evaluation.users:
        table = Table(
            "policy",
            *(label for label, _ in COLUMNS.values()),
            "decision [ms]",
            title=f"{evaluation.scenario.name}, {users} users: mean and 95 % interval over "
            f"{evaluation.episodes} episodes (utility, delay and TV: lower is better)",
        )
        for policy in evaluation.policies:
            cells = [
                _cell(evaluation.value(policy, users, metric), digits) for metric, (_, digits) in COLUMNS.items()
            ]
            table.add_row(policy, *cells, f"{evaluation.of(policy, users).decision_ms:.3f}")
        console.print(table)
        for base in (b for b in BASES if b in evaluation.policies and len(evaluation.policies) > 1):
            console.print(_against(evaluation, base, users))


def _against(evaluation: Evaluation, base: str, users: int) -> Table:
    table = Table(
        "policy",
        "utility, ours − base",
        "better by (base − ours)/base",
        "better by base/ours − 1",
        "hit ratio (ours − base)/base",
        title=f"against {base} on the same slots, {users} users",
    )
    for policy in evaluation.policies:
        if policy != base:
            against = evaluation.compare(policy, base, users)
            table.add_row(
                policy,
                _cell(against["utility_difference"], "+.1f"),
                _cell(against["utility_better_by_of_base"], "+.1%"),
                _cell(against["utility_better_by_of_ours"], "+.1%"),
                _cell(against["hit_ratio_better_by_of_base"], "+.1%"),
            )
    return table


def _cell(value: Interval, digits: str) -> str:
    if value.mean != value.mean:
        return "–"
    if value.low != value.low:
        return format(value.mean, digits)
    return f"{value.mean:{digits}} [{value.low:{digits}}, {value.high:{digits}}]"

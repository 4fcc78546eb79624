"""The table of an evaluation, for people."""

from rich.table import Table

from genedge.cli.console import console
from genedge.evaluation.cells import Evaluation
from genedge.evaluation.statistics import Interval

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
    out = console()
    for users in evaluation.users:
        table = Table(
            "policy",
            *(label for label, _ in COLUMNS.values()),
            "gap to optimum",
            "left of RCARS to optimum",
            "decision [ms]",
            title=f"{evaluation.scenario.name}, {users} users: mean and 95 % interval over "
            f"{evaluation.episodes} episodes (utility, delay and TV: lower is better)",
        )
        for policy in evaluation.policies:
            cells = [
                cell(evaluation.value(policy, users, metric), digits) for metric, (_, digits) in COLUMNS.items()
            ]
            cells += [cell(gap, ".2%") for gap in evaluation.gaps(policy, users).values()]
            table.add_row(policy, *cells, f"{evaluation.of(policy, users).decision_ms:.3f}")
        table.add_row("certified optimum", cell(evaluation.optimum(users), ".1f"))
        out.print(table)
        for base in (b for b in BASES if b in evaluation.policies and len(evaluation.policies) > 1):
            out.print(_against(evaluation, base, users))


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
                cell(against["utility_difference"], "+.1f"),
                cell(against["utility_better_by_of_base"], "+.1%"),
                cell(against["utility_better_by_of_ours"], "+.1%"),
                cell(against["hit_ratio_better_by_of_base"], "+.1%"),
            )
    most = evaluation.largest_advantage(base, users)
    table.add_row("most any policy could", "", *(cell(value, "+.1%") for value in most.values()))
    return table


def cell(value: Interval, digits: str) -> str:
    """A mean and its interval; a dash where there is none.

    Args:
        value: the interval.
        digits: how to format each number.
    """
    if value.mean != value.mean:
        return "–"
    if value.low != value.low:
        return format(value.mean, digits)
    return f"{value.mean:{digits}} [{value.low:{digits}}, {value.high:{digits}}]"

"""Training runs that differ in their seed alone as one row: means over the seeds, and how often they win."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from genedge.evaluation.decided import COUNTS
from genedge.results import Measured, Metric, Quantity, mean_of, single
from genedge.spread import interquartile_mean, probability_of_improvement
from genedge.statistics import FEWEST, mean

# What is measured once of each run, so that its spread says nothing of the seeds.
ONCE = (*COUNTS, "decision_ms", "first_s")
# Of which metric runs are told apart; it is a cost.
COST = "utility"


class Entry(NamedTuple):
    """A row.

    Attributes:
        name: what it is called.
        members: names of policies: its own, or the folders of its runs.
        seeds: with which the runs were trained; empty of a policy.
    """

    name: str
    members: tuple[str, ...]
    seeds: tuple[int, ...] = ()


def iqm_of(metric: str) -> str:
    """Under what key the interquartile mean over the seeds stands among a row's values.

    Args:
        metric: of what.
    """
    return f"{metric}_iqm"


def improvement_over(other: str) -> str:
    """Under what key it stands how probably a run costs less than one of another row.

    Args:
        other: its name.
    """
    return f"improvement over {other}"


def together(rows: Sequence[Measured], entries: Sequence[Entry], metrics: Sequence[str]) -> list[Measured]:
    """The rows of a comparison, those of an entry's runs as one.

    Every value of such a row is the mean over its runs, and has the interval over the training seeds: the upper of
    two levels, whose lower one is the episodes, which are the same for all.

    Args:
        rows: of all members, each at every number of users.
        entries: what they belong to.
        metrics: those with a value for each episode.
    """
    measured = {(row.policy, row.users): row for row in rows}
    joined = []
    for users in dict.fromkeys(row.users for row in rows):
        here = [_joined(entry, [measured[member, users] for member in entry.members], metrics) for entry in entries]
        joined += [_beside(row, here) if row.runs else row for row in here]
    return joined


def _joined(entry: Entry, runs: Sequence[Measured], metrics: Sequence[str]) -> Measured:
    if not entry.seeds:
        return replace(runs[0], policy=entry.name)
    values = {metric: [run.quantities[metric].value for run in runs] for metric in metrics}
    return Measured(
        policy=entry.name,
        users=runs[0].users,
        samples={},
        derived={
            **over_seeds([run.quantities for run in runs]),
            **{iqm_of(metric): single(interquartile_mean(np.array(each))) for metric, each in values.items()},
        },
        equals=tuple(simple for simple in runs[0].equals if all(simple in run.equals for run in runs)),
        runs=tuple(runs),
        seeds=entry.seeds,
    )


def _beside(row: Measured, rows: Sequence[Measured]) -> Measured:
    """A row of runs with how probably one of them costs less than one of each other row."""
    improvements = {
        improvement_over(other.policy): single(probability_of_improvement(_costs(row), _costs(other)))
        for other in rows
        if other is not row
    }
    return replace(row, derived={**row.derived, **improvements})


def _costs(row: Measured) -> np.ndarray:
    return np.array([run.quantities[COST].value for run in row.members])


def over_seeds(runs: Sequence[Mapping[str, Quantity]]) -> dict[str, Quantity]:
    """What several runs come to together.

    Args:
        runs: the values of each, by metric.
    """
    found = {}
    for metric in runs[0]:
        each = np.array([run[metric].value for run in runs])
        found[metric] = single(float(mean(each))) if metric in ONCE else mean_of(each)
    return found


def paired(ours: Measured, base: Measured) -> tuple[list[tuple[Measured, Measured]], bool]:
    """Which runs of one row are compared with which of another, so that means over the pairs compare the rows.

    As many on both sides are paired one by one; the seeds have nothing in common, but the pairs are independent.

    Args:
        ours: a row.
        base: the other.

    Returns:
        The pairs, and whether they are independent, so that there is an interval over them.
    """
    left, right = ours.members, base.members
    if len(left) == len(right):
        return list(zip(left, right, strict=True)), True
    return [(a, b) for a in left for b in right], 1 in (len(left), len(right))


def over(row: Measured, episodes: int) -> str:
    """What the mean and the interval of a row are over.

    Args:
        row: of a policy, or of runs.
        episodes: how many there are.
    """
    each = f"{episodes} episode{'s' if episodes > 1 else ''}"
    return f"{len(row.seeds)} seeds × {each}" if row.runs else each


def told_over(rows: Sequence[Measured], episodes: int) -> str:
    """The same of all rows, for titles and axes.

    Args:
        rows: of all policies.
        episodes: how many there are.
    """
    alone = dict.fromkeys(over(row, episodes) for row in rows if not row.runs)
    runs = dict.fromkeys(over(row, episodes) for row in rows if row.runs)
    return ", of runs ".join(" or ".join(told) for told in (alone, runs) if told)


def stated(rows: Sequence[Measured], episodes: int) -> str:
    """What stands in a table, for its title: means, and intervals where there are enough values for any.

    Args:
        rows: of all policies.
        episodes: how many there are.
    """
    most = max(len(row.seeds) if row.runs else episodes for row in rows)
    return f"{'mean and 95 % interval' if most >= FEWEST else 'mean'} over {told_over(rows, episodes)}"


def seed_metrics(rows: Sequence[Measured], metrics: Mapping[str, Metric]) -> dict[str, Metric]:
    """What the values over seeds say.

    Args:
        rows: of all policies.
        metrics: those with a value for each episode.
    """
    if not any(row.runs for row in rows):
        return {}
    names = dict.fromkeys(row.policy for row in rows)
    return {
        **{
            iqm_of(key): metric._replace(name=f"{metric.name}, interquartile mean")
            for key, metric in metrics.items()
        },
        **{improvement_over(name): Metric(f"better than {name}", ".2f", "", "higher") for name in names},
    }


def seed_columns(rows: Sequence[Measured]) -> tuple[str, ...]:
    """The columns of the table over seeds; none where no row has any.

    Args:
        rows: of all policies at one number of users.
    """
    if not any(row.runs for row in rows):
        return ()
    names = dict.fromkeys(row.policy for row in rows)
    over = (improvement_over(name) for name in names)
    return (iqm_of(COST), *(key for key in over if any(key in row.quantities for row in rows)))


def seeds_as_json(row: Measured) -> Iterator[tuple[str, object]]:
    """What a program is told of a row's samples: the values of every episode, and of every run.

    Args:
        row: of a policy, or of runs.
    """
    if not row.runs:
        yield "episodes", row.samples
        return
    metrics = row.runs[0].samples
    yield "seeds", row.seeds
    yield "iqm", {metric: row.value(iqm_of(metric)).mean for metric in metrics}
    prefix = improvement_over("")
    yield (
        "probability_of_improvement",
        {key.removeprefix(prefix): row.value(key).mean for key in row.derived if key.startswith(prefix)},
    )
    yield (
        "runs",
        [
            {"run": run.policy, "seed": seed, "episodes": run.samples}
            for run, seed in zip(row.runs, row.seeds, strict=True)
        ],
    )

"""Results of comparing policies: policy by metric by sample, and the levels beside which they stand.

An evaluation of cells, one of a box and a replay of a trace fill them; tables, JSON and figures only read them.
Each interval is computed here, at its first use, and once.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from genedge.errors import InputError
from genedge.spread import Tail
from genedge.statistics import Interval, interval_of, mean
from genedge.text import html_table


class Metric(NamedTuple):
    """What a number says of a policy.

    Attributes:
        name: in few words, for a table's heading and an axis.
        digits: how it is written, as `format` takes it.
        unit: empty where it has none.
        better: which way is better; empty where neither is.
        words: in a sentence.
    """

    name: str
    digits: str
    unit: str = ""
    better: Literal["lower", "higher", ""] = ""
    words: str = ""

    @property
    def heading(self) -> str:
        """Its name with its unit."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name

    @property
    def axis(self) -> str:
        """The label of an axis: name, unit and which way is better."""
        return f"{self.heading}\n({self.better} is better)" if self.better else self.heading


@dataclass(frozen=True, eq=False)
class Quantity:
    """A statistic of paired samples.

    Attributes:
        statistic: takes the samples, and reduces their last axis.
        samples: one array each, all over the same episodes.
    """

    statistic: Callable[..., np.ndarray]
    samples: tuple[Float[np.ndarray, "E"], ...]

    @cached_property
    def value(self) -> float:
        """The statistic of all samples."""
        return float(self.statistic(*self.samples))

    @cached_property
    def interval(self) -> Interval:
        """Its value with its interval."""
        return interval_of(self.statistic, *self.samples)


def mean_of(sample: Float[np.ndarray, "E"]) -> Quantity:
    """The mean of a sample.

    Args:
        sample: a value for each episode; NaN where undefined.
    """
    return Quantity(mean, (sample,))


def single(value: float | None) -> Quantity:
    """A number that was measured once, and has no interval.

    Args:
        value: the number; None where it is undefined.
    """
    return mean_of(np.array([np.nan if value is None else value], float))


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of one policy.

    Attributes:
        policy: its name.
        users: number of users in every slot; None of a trace.
        samples: by metric, a value for each episode; NaN where undefined.
        derived: by metric, what follows from several samples, or was measured once.
        equals: simple policies that its decisions come down to.
        runs: what was measured of each training run that stands in this row; none of a policy.
        seeds: with which they were trained.
    """

    policy: str
    users: int | None
    samples: Mapping[str, Float[np.ndarray, "E"]]
    derived: Mapping[str, Quantity] = field(default_factory=lambda: MappingProxyType({}))
    equals: tuple[str, ...] = ()
    runs: tuple["Measured", ...] = ()
    seeds: tuple[int, ...] = ()

    @property
    def members(self) -> tuple["Measured", ...]:
        """Its runs, or itself."""
        return self.runs or (self,)

    @cached_property
    def quantities(self) -> Mapping[str, Quantity]:
        """All of it, by metric."""
        return {metric: mean_of(sample) for metric, sample in self.samples.items()} | dict(self.derived)

    def value(self, metric: str) -> Interval:
        """A metric with its interval.

        Args:
            metric: a key of `samples` or of `derived`.
        """
        return self.quantities[metric].interval


class Level(NamedTuple):
    """A value beside which those of the policies stand: an optimum, a bound, all to the cloud.

    Attributes:
        name: what it is.
        users: number of users; None of a trace.
        metric: of what.
        quantity: the value.
        drawn: whether figures show it too.
    """

    name: str
    users: int | None
    metric: str
    quantity: Quantity
    drawn: bool = True


class Sheet(NamedTuple):
    """A table: a row for each policy that has any of its values, and one for each level.

    Attributes:
        title: what is compared on what.
        users: number of users; None of a trace.
        columns: metrics.
    """

    title: str
    users: int | None
    columns: tuple[str, ...]


# What the largest requests make of a mean is told beside it from this share on.
HEAVY = 0.1


def tail_quantities(metric: str, tail: Tail) -> dict[str, Quantity]:
    """What the mean of requests hides, as values of a policy.

    Args:
        metric: of what.
        tail: of all requests.
    """
    return {_in_tail(metric, part): single(value) for part, value in tail._asdict().items()}


def tail_metrics(of: Mapping[str, Metric]) -> dict[str, Metric]:
    """What these values say.

    Args:
        of: what is told of one request, by metric.
    """
    found: dict[str, Metric] = {}
    for metric, each in of.items():
        found |= {
            _in_tail(metric, "mean"): each._replace(name=f"mean {each.name}"),
            _in_tail(metric, "largest_share"): Metric(f"{each.name}, of the largest 0.1 %", ".1%", "", "lower"),
            _in_tail(metric, "median"): each._replace(name=f"median {each.name}"),
            _in_tail(metric, "interquartile_mean"): each._replace(name=f"{each.name}, interquartile mean"),
        }
    return found


def tail_sheets(rows: Sequence[Measured], users: int | None, metrics: Sequence[str]) -> list[Sheet]:
    """A table of what means hide, if a tenth of one comes from the largest 0.1 % of the requests.

    Args:
        rows: of all policies.
        users: number of users; None of a trace.
        metrics: of which there are means of requests.
    """
    here = [row for row in rows if row.users == users]
    heavy = [
        metric
        for metric in metrics
        if any(row.value(_in_tail(metric, "largest_share")).mean > HEAVY for row in here)
    ]
    if not heavy:
        return []
    title = "heavy tails: the largest 0.1 % of the requests make more than a tenth of a mean"
    return [
        Sheet(
            title if users is None else f"{title}, {users} users",
            users,
            tuple(_in_tail(metric, part) for metric in heavy for part in Tail._fields),
        )
    ]


def tails_of(row: Measured, metrics: Sequence[str]) -> dict[str, dict[str, float]]:
    """What the means of a policy's requests hide, for JSON.

    Args:
        row: what was measured of it.
        metrics: of which there are means of requests.
    """
    return {metric: {part: row.value(_in_tail(metric, part)).mean for part in Tail._fields} for metric in metrics}


# What it means that all decisions of a policy come down to those of a simple one.
EQUALS = {"cloud-only": "it serves nothing at the edge", "constant": "it decides as that policy does"}


def equal_remarks(rows: Sequence[Measured], slots: int) -> list[str]:
    """Which policies do not look at the slot, or come down to a simple one, a line each; not those that are one.

    Args:
        rows: of all policies.
        slots: how many each of them decided at a number of users.
    """
    several = len({row.users for row in rows}) > 1
    found = []
    for row in rows:
        told = [f"equals {simple}: {EQUALS[simple]}" for simple in row.equals]
        if slots > 1 and row.value("decisions").mean == 1:
            told.insert(0, f"makes one and the same decision in all {slots} slots")
        at = f", {row.users} users" if several else ""
        found += [f"{row.policy} {each}{at}" for each in told if row.policy not in EQUALS]
    return found


def _in_tail(metric: str, part: str) -> str:
    """Under what key a part of a tail stands among a policy's values."""
    return f"{metric}_{part}"


@dataclass(frozen=True, eq=False, kw_only=True)
class Results(ABC):
    """Policies side by side on the same slots or requests.

    Attributes:
        rows: what was measured, of each policy at each number of users.
        levels: what it stands beside.
    """

    rows: Sequence[Measured]
    levels: Sequence[Level]

    @property
    @abstractmethod
    def metrics(self) -> Mapping[str, Metric]:
        """What the numbers say, by the keys of the rows' values."""

    @property
    def measures(self) -> Mapping[str, Metric]:
        """Those of one row alone, without its comparisons with others."""
        return self.metrics

    @property
    @abstractmethod
    def over(self) -> str:
        """What means and intervals are over."""

    def axis(self, metric: str) -> str:
        """The label of an axis: name, unit, which way is better, and what means and intervals are over.

        Args:
            metric: a key of `metrics`.
        """
        return f"{self.metrics[metric].axis}\nover {self.over}"

    @abstractmethod
    def over_of(self, row: Measured) -> str:
        """What the mean and the interval of one row are over.

        Args:
            row: one of these.
        """

    @abstractmethod
    def title(self, named: Callable[[str], str]) -> str:
        """What was compared on what, for a figure.

        Args:
            named: how somebody's name for something is shown there.
        """

    @property
    @abstractmethod
    def sheets(self) -> Sequence[Sheet]:
        """The tables that show them."""

    @property
    @abstractmethod
    def panels(self) -> Sequence[str]:
        """The metrics that a figure shows."""

    @property
    @abstractmethod
    def remarks(self) -> Sequence[str]:
        """What a reader should know besides, a line each."""

    @abstractmethod
    def as_json(self) -> dict[str, Any]:
        """Everything, for a program to read."""

    @property
    def policies(self) -> tuple[str, ...]:
        """The policies' names, in the order given."""
        return tuple(dict.fromkeys(row.policy for row in self.rows))

    @property
    def users(self) -> tuple[int, ...]:
        """The numbers of users, in the order given; none of a trace."""
        return tuple(dict.fromkeys(row.users for row in self.rows if row.users is not None))

    def of(self, policy: str, users: int | None) -> Measured:
        """What was measured of one policy at one number of users.

        Args:
            policy: its name.
            users: number of users; None of a trace.
        """
        found = next((row for row in self.rows if (row.policy, row.users) == (policy, users)), None)
        if found is None:
            raise InputError(
                f"policy {policy!r} at users {users!r} was not evaluated; there are {', '.join(self.policies)} at "
                f"{', '.join(map(str, self.users))} users"
            )
        return found

    def value(self, policy: str, users: int | None, metric: str) -> Interval:
        """A metric of a policy with its interval: of most the mean over episodes.

        Args:
            policy: its name.
            users: number of users; None of a trace.
            metric: a key of `metrics`.
        """
        return self.of(policy, users).value(metric)

    def levels_at(self, users: int | None) -> dict[str, dict[str, Interval]]:
        """The levels at one number of users, by name and metric.

        Args:
            users: number of users; None of a trace.
        """
        found: dict[str, dict[str, Interval]] = {}
        for level in self.levels:
            if level.users == users:
                found.setdefault(level.name, {})[level.metric] = level.quantity.interval
        return found

    def records(self) -> list[dict[str, Any]]:
        """The values as one table, such as `pandas.DataFrame` takes it.

        Returns:
            A mapping for each policy, users and metric: `policy`, `users` (None of a trace), `metric`, its
            `unit`, `mean`, the ends of the 95 % interval, `low` and `high`, and what both are `over`. What is
            undefined is NaN.
        """
        return [
            {
                "policy": row.policy,
                "users": row.users,
                "metric": key,
                "unit": metric.unit,
                **row.value(key)._asdict(),
                "over": self.over_of(row),
            }
            for row in self.rows
            for key, metric in self.measures.items()
            if key in row.quantities
        ]

    def headings(self, sheet: Sheet) -> list[str]:
        """What stands above the columns of a table, the policies' names first.

        Args:
            sheet: the table.
        """
        return ["policy", *(self.metrics[key].heading for key in sheet.columns)]

    def texts(self, sheet: Sheet) -> list[list[str]]:
        """The rows of a table: of each policy and level that has any of its values its name, and what it has.

        Args:
            sheet: the table.
        """
        found: list[tuple[str, Mapping[str, Interval]]] = [
            (row.policy, {key: row.value(key) for key in sheet.columns if key in row.quantities})
            for row in self.rows
            if row.users == sheet.users
        ]
        found += self.levels_at(sheet.users).items()
        rows = [
            [name, *(cell(values[key], self.metrics[key].digits) if key in values else "" for key in sheet.columns)]
            for name, values in found
        ]
        return [row for row in rows if any(row[1:])]

    def _repr_html_(self) -> str:
        """The tables, as a notebook shows them."""
        tables = [html_table(sheet.title, self.headings(sheet), self.texts(sheet)) for sheet in self.sheets]
        remarks = [html_table("", ("remarks",), [(line,) for line in self.remarks])] if self.remarks else []
        return "".join([*tables, *remarks])


def cell(value: Interval, digits: str) -> str:
    """A mean and its interval; a dash where there is none.

    Args:
        value: the interval.
        digits: how to format each number.
    """
    if np.isnan(value.mean):
        return "–"
    # No zero is negative.
    digits = f"+z{digits[1:]}" if digits.startswith("+") else f"z{digits}"
    if np.isnan(value.low):
        return format(value.mean, digits)
    return f"{value.mean:{digits}} [{value.low:{digits}}, {value.high:{digits}}]"


def plain(value: Any) -> Any:
    """A result as JSON has it: intervals as mappings, arrays as lists, what is undefined as null.

    Args:
        value: a number, an interval, an array, or mappings and sequences of them.
    """
    if isinstance(value, Interval):
        return value.as_json()
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value

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
from genedge.statistics import Interval, interval_of, mean


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
    """

    policy: str
    users: int | None
    samples: Mapping[str, Float[np.ndarray, "E"]]
    derived: Mapping[str, Quantity] = field(default_factory=lambda: MappingProxyType({}))

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
    """

    name: str
    users: int | None
    metric: str
    quantity: Quantity


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

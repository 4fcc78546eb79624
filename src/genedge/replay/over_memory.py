"""A replay through a box with several amounts of memory: what more of it saves, and what a second less costs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from genedge.replay.blocks import saved
from genedge.replay.queued import OF_MODELS, Queued
from genedge.replay.worth import LOADS, Worth
from genedge.results import Level, Measured, Metric, Quantity, Results, Sheet, plain, single

STEP_METRICS = {
    "less_s": Metric("delay less", "+.2f", "s", "higher", "mean delay with less memory, less that with more [s]"),
    "costs": Metric("costs more, a month", ".2f", "", "lower", "price of the memory that is more, a month"),
    "second_costs": Metric("a second less, a month", ".2f", "", "lower", "what a second less of the mean costs"),
}
# What saves a smaller share of the delay is told to be next to nothing.
LEAST_SHARE = 0.02
# How far below a straight line the delay has to be at the knee, of what is saved in all.
LEAST_BEND = 0.05


# What is told of each field of the map of what caching is worth.
WORTH = {"of_deciding": "less mean delay than today's [s]", "of_caching": "less than with one model at a time [s]"}


class Step(NamedTuple):
    """From one amount of memory to the next.

    Attributes:
        from_gb: of each GPU [GB].
        to_gb: of each GPU [GB].
        less_s: by how much the mean delay is less [s]; undefined if not as many requests are served.
        costs: how much more a month; None without a price.
    """

    from_gb: float
    to_gb: float
    less_s: Quantity
    costs: float | None

    @property
    def second_costs(self) -> float | None:
        """What a second less of the mean delay costs a month; None without a price, or if none is saved."""
        less_s = self.less_s.value
        return self.costs / less_s if self.costs is not None and less_s > 0 else None

    def as_json(self) -> dict[str, Any]:
        """All of it, for a program."""
        _, low, high = self.less_s.interval
        return {
            "from_gb": self.from_gb,
            "to_gb": self.to_gb,
            "less_s": self.less_s.value,
            "costs": self.costs,
            "second_costs": self.second_costs,
            "intervals": {"less_s": {"low": low, "high": high}},
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class OverMemory(Results):
    """The results of a replay with several amounts of memory, in one table.

    Attributes:
        rows: one for each amount and scheduler, and for each scheduler one from each amount to the next.
        levels: what nobody could go below with each amount.
        at: the results, by memory of each GPU [GB], the least first.
        prices: of all memory a month, by memory of each GPU; none if no price was given.
        steps: from each amount to the next, by scheduler.
        worth: what caching is worth over what loads take; None if that was not wanted.
    """

    at: Mapping[float, Queued]
    prices: Mapping[float, float]
    steps: Mapping[str, Sequence[Step]]
    worth: Worth | None

    @property
    def first(self) -> Queued:
        """The results with the least memory."""
        return next(iter(self.at.values()))

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """What the numbers say."""
        of_worth = {
            _of_worth(kind, gb): Metric(f"{gb:g} GB", "+.2f", "s", "higher", words)
            for gb in self.at
            for kind, words in WORTH.items()
        }
        return {**self.first.metrics, **STEP_METRICS, **(of_worth if self.worth else {})}

    @property
    def over(self) -> str:
        """What means are over."""
        return self.first.over

    def over_of(self, row: Measured) -> str:
        """The same of one row.

        Args:
            row: one of these.
        """
        return self.over

    def title(self, named: Callable[[str], str]) -> str:
        """What was compared on what, for a figure.

        Args:
            named: how somebody's name for something is shown there.
        """
        return self.first.title(named)

    @property
    def sheets(self) -> list[Sheet]:
        """Those of one amount, with all amounts in each; and what more memory saves."""
        columns = ("less_s", *(("costs", "second_costs") if self.prices else ()))
        of_one = [sheet for sheet in self.first.sheets if sheet.columns != OF_MODELS]
        sheets = [*of_one, Sheet("what more memory saves", None, columns)]
        if self.worth is not None:
            told = (
                f"worth of deciding: {self.worth.ours} saves, of the mean delay of {self.worth.against}",
                f"worth of caching: memory for more than one model at a time saves, under {self.worth.ours}",
            )
            sheets += [
                Sheet(title, None, tuple(_of_worth(kind, gb) for gb in self.at))
                for title, kind in zip(told, WORTH, strict=True)
            ]
        return sheets

    @property
    def panels(self) -> tuple[str, ...]:
        """The metrics that a figure shows."""
        return ("mean_s", "p95_s")

    @property
    def remarks(self) -> list[str]:
        """What memory is worth, what is found with each amount, and what is true of all."""
        lines = [] if self._best is None else [self._in_a_sentence(self._best)]
        if self.worth is not None:
            lines += self.worth.told
        for gb, each in self.at.items():
            lines += [f"{gb:g} GB: {line}" for line in (*each.what_is_worth_most, *each.starving)]
        notes = [(gb, line) for gb, each in self.at.items() for line in each.notes]
        for line in dict.fromkeys(line for _, line in notes):
            of = [gb for gb, other in notes if other == line]
            lines.append(line if len(of) == len(self.at) else f"{', '.join(f'{gb:g}' for gb in of)} GB: {line}")
        return lines

    @property
    def _best(self) -> str | None:
        """The scheduler with the least mean delay with the least memory that serves as many as the most does."""
        return self.at[self.comparable[0]].best

    @property
    def comparable(self) -> list[float]:
        """The amounts with which as many requests are served as with the most, the least first."""
        served = {gb: each.tallies[each.against].served for gb, each in self.at.items()}
        most = served[max(served)]
        return [gb for gb, count in served.items() if count == most]

    def knee(self, name: str) -> float | None:
        """Where the delay over memory bends most: farthest below the straight line from the least to the most.

        With prices it is the line over these. Satopää et al., "Finding a kneedle in a haystack" (2011).

        Args:
            name: of a scheduler.

        Returns:
            Memory of each GPU [GB]; None if memory saves next to nothing, or the delay does not bend.
        """
        amounts = self.comparable
        across = [self.prices.get(gb, gb) for gb in amounts]
        delays = [self._mean_s(name, gb) for gb in amounts]
        saved_s, far = delays[0] - delays[-1], across[-1] - across[0]
        if saved_s <= LEAST_SHARE * delays[0] or far <= 0:
            return None
        below = [
            (1 - (x - across[0]) / far) - (delay - delays[-1]) / saved_s
            for x, delay in zip(across, delays, strict=True)
        ]
        most = max(below)
        return amounts[below.index(most)] if most > LEAST_BEND else None

    def _mean_s(self, name: str, gb: float) -> float:
        return self.at[gb].tallies[name].mean_s or 0.0

    def _in_a_sentence(self, name: str) -> str:
        """What memory is worth under a scheduler, where the knee is, and what a second costs."""
        amounts = self.comparable
        low, high = amounts[0], amounts[-1]
        if low == high:
            return f"Memory: with all amounts but {low:g} GB requests are refused, and means are over fewer."
        first_s, knee = self._mean_s(name, low), self.knee(name)
        most_s = first_s - self._mean_s(name, high)
        told = f"Memory: under {name}, {high:g} GB save {most_s:z.1f} of {first_s:.1f} s over {low:g} GB"
        if most_s <= LEAST_SHARE * first_s:
            return f"{told}: next to nothing."
        if knee is None:
            told += "; there is no knee" if len(amounts) > 2 else ""
        else:
            share = (first_s - self._mean_s(name, knee)) / most_s
            told += f"; the knee is at {knee:g} GB, which save {share:.0%} of that"
        return f"{told}; {self._costs(name)}." if self.prices else f"{told}."

    def _costs(self, name: str) -> str:
        """What a second less costs, from each amount to the next."""
        amounts = self.comparable
        costs = [
            (f"{step.second_costs:.2f}" if step.second_costs is not None else "no second is saved")
            + f" from {step.from_gb:g} to {step.to_gb:g} GB"
            for step in self.steps[name]
            if step.from_gb in amounts and step.to_gb in amounts
        ]
        return f"a second less of the mean delay costs, a month, {', '.join(costs)}"

    def as_json(self) -> dict[str, Any]:
        """Everything, for a program."""
        document: dict[str, Any] = plain(
            {
                "by_memory_gb": {f"{gb:g}": each.as_json() for gb, each in self.at.items()},
                "memory": {
                    name: {"knee_gb": self.knee(name), "steps": [step.as_json() for step in steps]}
                    for name, steps in self.steps.items()
                },
                "prices": {f"{gb:g}": price for gb, price in self.prices.items()},
                "worth": None if self.worth is None else self.worth.as_json(),
            }
        )
        return document


def over_memory(at: Mapping[float, Queued], price: Sequence[float], worth: Worth | None = None) -> OverMemory:
    """Results with several amounts of memory as one.

    Args:
        at: by memory of each GPU [GB], at least two.
        price: of a GB of the GPUs' memory a month; or of all memory a month, for each amount in the order of `at`;
            or nothing.
        worth: what caching is worth over what loads take.
    """
    amounts = list(at)
    gpus = {gb: len(each.file.box.gpus) for gb, each in at.items()}
    if len(price) == 1:
        prices = {gb: price[0] * gb * gpus[gb] for gb in amounts}
    else:
        prices = dict(zip(amounts, price, strict=True)) if price else {}
    at = dict(sorted(at.items()))
    steps = {
        name: [_step(at, prices, name, *two) for two in pairwise(at)] for name in next(iter(at.values())).tallies
    }
    rows = [
        Measured(f"{gb:g} GB: {row.policy}", None, row.samples, row.derived)
        for gb, each in at.items()
        for row in each.rows
    ]
    for name, some in steps.items():
        for step in some:
            values = {"less_s": step.less_s, "costs": single(step.costs), "second_costs": single(step.second_costs)}
            rows.append(Measured(f"{step.from_gb:g} to {step.to_gb:g} GB: {name}", None, {}, values))
    if worth is not None:
        for loads in LOADS:
            values = {
                _of_worth(kind, field.memory_gb): getattr(field, kind)
                for field in worth.at(loads)
                for kind in WORTH
            }
            rows.append(Measured(f"loads ×{loads:g}", None, {}, values))
    levels = [
        Level(f"{gb:g} GB: {level.name}", None, level.metric, level.quantity, level.drawn)
        for gb, each in at.items()
        for level in each.levels
    ]
    return OverMemory(rows=rows, levels=levels, at=at, prices=prices, steps=steps, worth=worth)


def _of_worth(kind: str, gb: float) -> str:
    """Under what key a field of the map stands among the values."""
    return f"{kind}_{gb:g}_gb"


def _step(at: Mapping[float, Queued], prices: Mapping[float, float], name: str, less: float, more: float) -> Step:
    ours, base = at[more].tallies[name], at[less].tallies[name]
    found = saved(ours, base, ("mean_s",))["mean_s"] if ours.served == base.served else single(None)
    return Step(less, more, found, prices[more] - prices[less] if prices else None)

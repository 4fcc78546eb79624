"""The table of a replay, for people."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from genedge.cli.console import console
from genedge.replay.names import FIRST
from genedge.replay.run import Replay
from genedge.replay.sketch import QuantileSketch
from genedge.text import in_brief

# Of a name, so many characters are shown.
LONGEST = 40


def print_replay(replay: Replay) -> None:
    """Prints what each policy costs, and how far it is from the bounds.

    Args:
        replay: the results.
    """
    out, results = console(), replay.as_json()
    table = Table(
        "policy",
        *("utility", "mean delay [s]", "p50 [s]", "p95 [s]", "p99 [s]", "hits", "hit ratio"),
        *("loads per hour", "loaded [GB]", "loading [s]"),
        title=f"{replay.trace}: {next(iter(results['policies'].values()))['requests']} requests in "
        f"{results['hours']:.1f} h for {replay.models} models, catalogue {replay.catalogue.name}, "
        f"{replay.memory_gb:g} GB (utility, delay and loads: lower is better)",
    )
    for name, row in results["policies"].items():
        table.add_row(
            name,
            f"{row['utility']:.3f}",
            *(f"{row[key]:.3f}" for key in ("delay_s", "delay_p50_s", "delay_p95_s", "delay_p99_s")),
            str(row["hits"]),
            f"{row['hit_ratio']:.4f}",
            "–" if row["loads_per_hour"] is None else f"{row['loads_per_hour']:.2f}",
            f"{row['loaded_gb']:.0f}",
            f"{row['loading_s']:.0f}",
        )
    out.print(table)
    if results["bounds"] is not None:
        out.print(_distances(replay, results))
    for line in _remarks(replay):
        out.print(line)
    out.print(
        f"p50, p95 and p99 are right to {QuantileSketch.ERROR:.0%}. Images are the same here and in the cloud, so "
        "only the delay moves the utility."
    )


def _remarks(replay: Replay) -> list[str]:
    """What static holds, and what the trace and the catalogue do not know of each other."""
    lines = []
    if replay.holds is not None:
        what = _few(replay.holds[:FIRST], len(replay.holds)) if replay.holds else "nothing"
        lines.append(f"static holds {what}.")
    names, total = replay.names, next(iter(replay.policies.values())).requests
    if names.by_default.models:
        some = names.by_default
        lines.append(
            f"{some.models} of {replay.models} models ({some.requests} of {total} requests) are not in the "
            f"catalogue and take its defaults: {_few(some.first, some.models)}."
        )
    if names.not_asked_for:
        entries = [
            in_brief(entry, LONGEST) + (f" (the trace has {in_brief(near, LONGEST)})" if near is not None else "")
            for entry, near in names.nearest.items()
        ]
        lines.append(f"The catalogue names what no request is for: {_counted(entries, names.not_asked_for)}.")
    if names.never_fit.models:
        some = names.never_fit
        lines.append(
            f"{some.models} of {replay.models} models ({some.requests} of {total} requests) never fit into "
            f"{replay.memory_gb:g} GB: {_few(some.first, some.models)}."
        )
    return lines


def _few(names: Sequence[str], count: int) -> str:
    return _counted([in_brief(name, LONGEST) for name in names], count)


def _counted(texts: Sequence[str], count: int) -> str:
    return ", ".join(texts) + (f" and {count - len(texts)} more" if count > len(texts) else "")


def _distances(replay: Replay, results: dict[str, Any]) -> Table:
    bounds = results["bounds"]
    kind = "the most hits, attained by Belady" if bounds["load_free_is_attained"] else "at least the most hits"
    table = Table(
        "policy",
        "hits, of the load-free bound",
        "closed of LRU to that bound",
        "delay above the bound with loads",
        "saving against the cloud, of the largest",
        title=f"load-free bound: hit ratio {bounds['load_free_hit_ratio']:.4f} ({kind}, were loads free); bound "
        f"with loads: mean delay {bounds['delay_s']:.3f} s (cloud only: {bounds['cloud_delay_s']:.3f} s)",
    )
    for name in replay.policies:
        distances = results["policies"][name]["distances"]
        table.add_row(name, *("–" if value is None else f"{value:.1%}" for value in distances.values()))
    return table

"""The table of a replay, for people."""

from typing import Any

from rich.table import Table

from genedge.cli.console import console
from genedge.replay.replay import Replay
from genedge.replay.sketch import QuantileSketch


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
    out.print(
        f"p50, p95 and p99 are right to {QuantileSketch.ERROR:.0%}. Images are the same here and in the cloud, so "
        "only the delay moves the utility."
    )


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

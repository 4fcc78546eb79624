"""The tables of results, for people."""

from collections.abc import Mapping

import numpy as np
from rich.table import Table

from genedge.cli.console import console
from genedge.results import Results, Sheet
from genedge.statistics import Interval


def print_results(results: Results) -> None:
    """Prints the tables: each policy's values with their 95 % intervals, and the levels they stand beside.

    Args:
        results: of an evaluation or a replay.
    """
    # In a pipe there is no width to fit: rows must not be cut.
    out = console()
    for sheet in results.sheets:
        out.print(_table(results, sheet))
    for line in results.remarks:
        out.print(line)


def _table(results: Results, sheet: Sheet) -> Table:
    table = Table("policy", *(results.metrics[key].heading for key in sheet.columns), title=sheet.title)
    for row in results.rows:
        if row.users == sheet.users:
            values = {key: row.value(key) for key in sheet.columns if key in row.quantities}
            _add(table, row.policy, values, results, sheet)
    for name, values in results.levels_at(sheet.users).items():
        _add(table, name, values, results, sheet)
    return table


def _add(table: Table, name: str, values: Mapping[str, Interval], results: Results, sheet: Sheet) -> None:
    """Adds a row, if it has any of the table's values."""
    cells = [cell(values[key], results.metrics[key].digits) if key in values else "" for key in sheet.columns]
    if any(cells):
        table.add_row(name, *cells)


def cell(value: Interval, digits: str) -> str:
    """A mean and its interval; a dash where there is none.

    Args:
        value: the interval.
        digits: how to format each number.
    """
    if np.isnan(value.mean):
        return "–"
    if np.isnan(value.low):
        return format(value.mean, digits)
    return f"{value.mean:{digits}} [{value.low:{digits}}, {value.high:{digits}}]"

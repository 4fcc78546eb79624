"""The tables of results, for people: as wide as the terminal, and no number or name is ever cut."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from genedge.cli.console import console
from genedge.results import Results
from genedge.text import shown

# What a column takes beside its text: a blank on both sides and a line; and the table one line more.
AROUND, FRAME = 3, 1


def print_results(results: Results) -> None:
    """Prints the tables: each policy's values with their 95 % intervals, and the levels they stand beside.

    Args:
        results: of an evaluation or a replay.
    """
    out = console()
    for sheet in results.sheets:
        print_table(out, sheet.title, results.headings(sheet), results.texts(sheet))
    for line in results.remarks:
        out.print(line)


def print_table(out: Console, title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table; one that is too wide as several, which all repeat the first column.

    Then headings are broken between words, the first column takes at most a third of the width, its names going on
    in the next line, and so does a cell that does not fit beside it, between two numbers.

    Args:
        out: where to.
        title: what it shows; may be empty.
        headings: of all columns.
        rows: their cells, as many each; a row that is empty in all columns of a table is left out of it.
    """
    heads, *lines = ([shown(text) for text in row] for row in (headings, *rows))
    widths = [max(map(cell_len, column)) for column in zip(heads, *lines, strict=True)]
    parts = [range(1, len(heads))]
    if sum(widths) + AROUND * len(widths) + FRAME > out.width:
        widths[0] = min(widths[0], out.width // 3)
        room = out.width - FRAME - AROUND - widths[0]
        for i, (head, *cells) in enumerate(zip(heads, *lines, strict=True)):
            if i > 0:
                whole = max(map(cell_len, (*head.split(), *cells)))
                widths[i] = min(whole, room - AROUND)
        parts = _parts(widths, room)
    for part in parts:
        table = Table(title=(title or None) if part.start == 1 else None)
        for i in (0, *part):
            table.add_column(heads[i], width=widths[i], overflow="fold")
        for line in lines:
            if any(line[i] for i in part):
                table.add_row(line[0], *(line[i] for i in part))
        out.print(table)


def _parts(widths: Sequence[int], room: int) -> list[range]:
    """Which columns stand side by side beside the first, as many as there is room for."""
    parts: list[range] = []
    left = 0
    for i in range(1, len(widths)):
        if not parts or widths[i] + AROUND > left:
            parts.append(range(i, i))
            left = room
        parts[-1] = range(parts[-1].start, i + 1)
        left -= widths[i] + AROUND
    return parts

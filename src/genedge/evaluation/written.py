"""Results as files for a spreadsheet and for a paper: one row for each policy and number of users."""

import csv
import io
import re
from collections.abc import Sequence

import numpy as np

from genedge.results import Results, Sheet
from genedge.statistics import Interval
from genedge.text import in_cell, shown

# In LaTeX these do something, or look otherwise; everything else stands for itself.
SPECIAL = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{character: f"${character}$" for character in "<>|"},
    # At a row's end brackets would be its argument, and two of the others would become one.
    **{character: f"{{{character}}}" for character in "[]-`'"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    '"': "{''}",
    "–": "--",
    "−": "$-$",
    "×": r"$\times$",
    "Σ": r"$\Sigma$",
}
# Letters before this one are there in an ordinary document.
LAST = "\u0180"
# Of a table that fits on a page, beside the policies.
MOST_COLUMNS = 3


def as_csv(results: Results) -> str:
    """All values as comma-separated text: a mean and the ends of its interval in three columns.

    Args:
        results: of an evaluation.
    """
    rows = [{key: row.value(key) for key in results.measures if key in row.quantities} for row in results.rows]
    columns = [
        (key, end)
        for key in results.measures
        for end in Interval._fields
        # Where no row has an interval there is no column for one.
        if any(key in row and (end == "mean" or np.isfinite(getattr(row[key], end))) for row in rows)
    ]
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(
        ["policy", "users", "over", *(key if end == "mean" else f"{key}_{end}" for key, end in columns)]
    )
    for row, values in zip(results.rows, rows, strict=True):
        numbers = [float(getattr(values[key], end)) if key in values else np.nan for key, end in columns]
        told = ["" if np.isnan(number) else number for number in numbers]
        writer.writerow([in_cell(row.policy), row.users, results.over_of(row), *told])
    return file.getvalue()


def as_latex(results: Results) -> str:
    """The tables in LaTeX, for a document that uses booktabs; a wide one as several.

    Args:
        results: of an evaluation.
    """
    tables = [_table(results, sheet, part) for sheet in results.sheets for part in _parts(sheet.columns)]
    return "% \\usepackage{booktabs}\n" + "\n".join(table for table in tables if table)


def _parts(columns: Sequence[str]) -> list[Sequence[str]]:
    return [columns[i : i + MOST_COLUMNS] for i in range(0, len(columns), MOST_COLUMNS)]


def _table(results: Results, sheet: Sheet, columns: Sequence[str]) -> str:
    part = sheet._replace(columns=tuple(columns))
    lines = [" & ".join(map(escaped, row)) + r" \\" for row in (results.headings(part), *results.texts(part))]
    if len(lines) == 1:
        return ""
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            f"  \\caption{{{escaped(sheet.title)}}}",
            rf"  \begin{{tabular}}{{l{'r' * len(columns)}}}",
            r"    \toprule",
            f"    {lines[0]}",
            r"    \midrule",
            *(f"    {line}" for line in lines[1:]),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def escaped(text: str) -> str:
    """Text as LaTeX sets it, whatever is in it; what an ordinary document has no letter for is a question mark.

    Args:
        text: a name, a heading, or numbers.
    """
    text = re.sub(r"(?<!\w)-(?=\d)", "−", shown(text))
    return "".join(SPECIAL.get(c, c if c.isascii() or (c.isalpha() and c < LAST) else "?") for c in text)

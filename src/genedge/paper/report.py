"""The report: one HTML page that opens from disk, with figures (PNG, PDF) and tables (CSV) beside it."""

import base64
import csv
import importlib.resources
import io
import platform
import shlex
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, get_args

import numpy as np

from genedge.draw.canvas import encoded
from genedge.draw.charts import FONT_PT, WIDTH_IN, Picture
from genedge.draw.fit import Fit
from genedge.errors import InputError
from genedge.files import whole_file
from genedge.paper import claims
from genedge.paper.folder import list_written, load
from genedge.paper.plan import FULL
from genedge.paper.records import Records
from genedge.paper.sections import SECTIONS
from genedge.paper.sections.section import Table
from genedge.paper.study import ATTAINABLE, PAPER, Study
from genedge.paper.tasks import TEST_SEED, Task
from genedge.scenario import load_scenario
from genedge.settings.words import unit_of
from genedge.text import in_cell, shown
from genedge.versions import versions

TITLE = "Model caching and resource allocation at the edge: the evaluation, reproduced and judged"

KINDS = ("png", "pdf")
# Of an inch of a figure, on the page.
PIXELS = 620 / WIDTH_IN
# Letters of a file's name; some systems allow 255 bytes.
LONGEST_STEM = 100


def tasks_of(study: Study, names: Sequence[str]) -> list[Task]:
    """The work that sections need, each piece once.

    Args:
        study: the study.
        names: of the sections.
    """
    return list(dict.fromkeys(task for name in names for task in SECTIONS[name].tasks(study)))


def section_names(text: str) -> list[str]:
    """Names of sections from a list with commas.

    Args:
        text: the list.

    Raises:
        InputError: there is no such section.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in SECTIONS:
            raise InputError(f"--only {name}: no such section; there are {', '.join(SECTIONS)}")
    if not names:
        raise InputError(f"--only is empty; the sections are {', '.join(SECTIONS)}")
    return names


def shown_with(study: Study, folder: Path, names: Sequence[str]) -> list[str]:
    """The sections that a report has once the work of some is done: these, and all whose work is done then.

    Args:
        study: the study.
        folder: of the study.
        names: of the sections.

    Raises:
        InputError: a result in the folder cannot be read, or is damaged.
    """
    asked = set(tasks_of(study, names))
    return [
        name
        for name in SECTIONS
        if all(task in asked or load(folder, task) is not None for task in tasks_of(study, [name]))
    ]


def write_report(
    study: Study,
    folder: Path,
    command: Sequence[str],
    names: Sequence[str],
    records: Records,
    fit: Fit,
    report: Callable[[str, int], None],
) -> None:
    """Writes figures, tables and the page.

    Args:
        study: the study.
        folder: of the study.
        command: the command line that made it.
        names: of the sections that are in it.
        records: what all their work found.
        fit: the room that figures have.
        report: called with a text and the work done so far, see `ReportSection.work`.
    """
    sections: list[dict[str, Any]] = []
    written: list[str] = []
    work = 0
    for name in names:
        report(f"drawing {name}", work)
        sections.append(_section(study, name, records, folder, command, fit, written))
        work += SECTIONS[name].work
    page = _template().render(
        title=TITLE,
        warning=_warning(study),
        sections=sections,
        verdicts=get_args(claims.Word),
        values=[_values_table(preset) for preset in (PAPER, ATTAINABLE)],
        facts={
            "command": shlex.join(command),
            **{key.replace("_", " "): _in_words(value) for key, value in study.plan.model_dump().items()},
            "seed of the test slots": TEST_SEED,
            **versions(),
            "machine": platform.platform(),
        },
    )
    with whole_file(folder / "report.html") as file:
        file.write(page.encode())
    list_written(folder, written)
    report("written", work)


def _section(
    study: Study,
    name: str,
    records: Records,
    folder: Path,
    command: Sequence[str],
    fit: Fit,
    written: list[str],
) -> dict[str, Any]:
    """Writes a section's figures and tables, notes their names, and returns what the page shows of it."""
    section = SECTIONS[name]
    pictures, tables = section.pictures(study, records), section.tables(study, records)
    for picture in pictures:
        _write_csv(folder / f"tables/{picture.name}.csv", picture.rows)
        written += [f"tables/{picture.name}.csv", *(f"figures/{picture.name}.{kind}" for kind in KINDS)]
    for table in tables:
        rows = [dict(zip(table.headings, row, strict=True)) for row in table.rows]
        of_table = f"tables/{_stem(table.title, written)}.csv"
        _write_csv(folder / of_table, rows)
        written.append(of_table)
    return {
        "name": name,
        "title": section.title,
        "lines": section.summary(study, records),
        "figures": [_drawn(picture, study, folder, fit) for picture in pictures],
        "tables": tables,
        "players": section.players(study, folder),
        "command": shlex.join([*command, "--only", name]),
    }


def _template() -> Any:
    import jinja2
    from markupsafe import Markup

    def visible(value: Any) -> Any:
        return value if isinstance(value, Markup) or not isinstance(value, str) else shown(value)

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, finalize=visible)
    source = importlib.resources.files("genedge.paper") / "report.html"
    return environment.from_string(source.read_text(encoding="utf-8"))


def _warning(study: Study) -> str:
    """Which sizes are smaller than the whole study's."""
    smaller = []
    for key, whole in FULL.model_dump().items():
        here = getattr(study.plan, key)
        if isinstance(whole, int):
            if here < whole:
                smaller.append(f"{key.replace('_', ' ')} {here} (the whole has {whole})")
        elif len(here) < len(whole):
            smaller.append(f"{len(here)} {key.replace('_', ' ')} (the whole has {len(whole)})")
    return f"A small version: {', '.join(smaller)}. Take no verdict from it." if smaller else ""


def _drawn(picture: Picture, study: Study, folder: Path, fit: Fit) -> dict[str, Any]:
    figure = picture.draw(study.styles, fit)
    files: Mapping[str, bytes] = {kind: encoded(figure, kind, 200, fit.look(FONT_PT)) for kind in KINDS}
    for kind, content in files.items():
        with whole_file(folder / "figures" / f"{picture.name}.{kind}") as file:
            file.write(content)
    return {
        "name": picture.name,
        "title": picture.title,
        "caption": picture.caption,
        "png": base64.b64encode(files["png"]).decode(),
        "width": round(PIXELS * float(figure.get_figwidth())),
        "height": round(PIXELS * float(figure.get_figheight())),
    }


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {key: "" if isinstance(value, float) and np.isnan(value) else in_cell(value) for key, value in row.items()}
        for row in rows
    )
    with whole_file(path) as file:
        file.write(text.getvalue().encode(errors="backslashreplace"))


def _stem(title: str, taken: Sequence[str]) -> str:
    """A title as a table's file name that every system takes, and that is not taken."""
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in title.lower()).strip("-")
    stems = (f"{plain[:LONGEST_STEM]}{f'-{i}' if i else ''}" for i in count())
    return next(stem for stem in stems if f"tables/{stem}.csv" not in taken)


# --- Values -------------------------------------------------------------------------------------------------


def _values_table(preset: str) -> Table:
    rows = [
        (key, _in_words(setting.value), unit_of(key), setting.provenance)
        for key, setting in load_scenario(preset).table.items()
    ]
    return Table(f"All settings of preset {preset}", (), rows)


def _in_words(value: object) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_in_words, value)) + "]"
    return "–" if value is None else str(value)

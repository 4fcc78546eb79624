"""The report: one HTML page that opens from disk, with figures (PNG, PDF) and tables (CSV) beside it."""

import base64
import csv
import importlib.resources
import io
import platform
import shlex
from collections.abc import Callable, Container, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, get_args

import numpy as np

from genedge.draw.canvas import encoded
from genedge.draw.charts import FONT_PT, WIDTH_IN, Picture
from genedge.draw.fit import Fit
from genedge.draw.ranking import Ranking
from genedge.engines import Engine
from genedge.errors import InputError
from genedge.files import whole_file
from genedge.paper import claims, summary
from genedge.paper.folder import do, list_written, load
from genedge.paper.plan import FULL
from genedge.paper.records import Records
from genedge.paper.sections import SECTIONS
from genedge.paper.sections.section import Table
from genedge.paper.stages import complete, drawn_from, in_order, stages, tasks_of, unfinished, unfinished_whole
from genedge.paper.study import ATTAINABLE, PAPER, Study
from genedge.paper.tasks import TEST_SEED
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


def grow(
    study: Study,
    folder: Path,
    command: Sequence[str],
    names: Sequence[str],
    engine: Engine,
    fit: Fit,
    report: Callable[[str, int], None],
) -> None:
    """Does the work that sections need, and writes the report: of what is done after each stage, and at the end.

    Args:
        study: the study.
        folder: of the study.
        command: the command line that made it.
        names: of the sections.
        engine: where to do the work.
        fit: the room that figures have.
        report: called with a text and the work done so far, of `work_of`.
    """
    ladder = stages(study, names)
    needed = [stage.tasks for stage in ladder]
    before: int | None = None  # Of an earlier session's stages the report is there.

    def grown(records: Records, work: int) -> None:
        nonlocal before
        now = complete(needed, records)
        if before is not None and before < now < len(ladder):
            write_report(study, folder, command, names, records, fit, lambda text, drawn: report(text, work))
        before = now

    tasks = in_order(ladder)
    records = do(folder, tasks, engine, report, grown)
    done = sum(task.work for task in tasks)
    write_report(study, folder, command, names, records, fit, lambda text, drawn: report(text, done + drawn))


def work_of(study: Study, names: Sequence[str]) -> int:
    """The work that sections need, and drawing them, in episodes of the paper's training.

    Args:
        study: the study.
        names: of the sections.
    """
    return sum(task.work for task in tasks_of(study, names)) + sum(SECTIONS[name].work for name in names)


def write_report(
    study: Study,
    folder: Path,
    command: Sequence[str],
    names: Sequence[str],
    records: Records,
    fit: Fit,
    report: Callable[[str, int], None],
) -> None:
    """Writes figures, tables and the page; all is made before anything is written, so that it stays one report.

    Args:
        study: the study.
        folder: of the study.
        command: the command line that made it.
        names: of the sections that are in it, as far as there is something to draw them from.
        records: what their work found, perhaps not all of it.
        fit: the room that figures have.
        report: called with a text and the work done so far, see `ReportSection.work`.
    """
    drawn = drawn_from(study, names, records)
    sections: list[dict[str, Any]] = []
    files: dict[str, bytes] = {}
    outcome = _outcome(next(iter(drawn.values()), study), records, fit, files)
    work = 0
    for name, part in drawn.items():
        report(f"drawing {name}", work)
        section = _section(part, name, records, folder, command, fit, files)
        sections.append(section | {"unfinished": unfinished(study, name, part, records)})
        work += SECTIONS[name].work
    page = _template().render(
        title=TITLE,
        outcome=outcome,
        unfinished=unfinished_whole(study, drawn, names, records),
        smaller=_smaller(study),
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
    for name, content in (files | {"report.html": page.encode()}).items():
        with whole_file(folder / name) as file:
            file.write(content)
    list_written(folder, list(files))
    report("written", work)


def _outcome(study: Study, records: Records, fit: Fit, files: dict[str, bytes]) -> dict[str, Any]:
    """What the page begins with, its picture drawn; either may be missing."""
    ranking = summary.ranking(study, records)
    return {
        "sentences": summary.sentences(study, records),
        "figures": [] if ranking is None else [_drawn(ranking, study, fit, files)],
    }


def _section(
    study: Study,
    name: str,
    records: Records,
    folder: Path,
    command: Sequence[str],
    fit: Fit,
    files: dict[str, bytes],
) -> dict[str, Any]:
    """Makes a section's figures and tables, adds them to the files, and returns what the page shows of it."""
    section = SECTIONS[name]
    pictures, tables = section.pictures(study, records), section.tables(study, records)
    figures = [_drawn(picture, study, fit, files) for picture in pictures]
    of_tables = []
    for table in tables:
        rows = [dict(zip(table.headings, row, strict=True)) for row in table.rows]
        of_tables.append(f"tables/{_stem(table.title, files)}.csv")
        files[of_tables[-1]] = _csv(rows)
    return {
        "name": name,
        "title": section.title,
        "lines": section.summary(study, records),
        "figures": figures,
        "tables": list(zip(tables, of_tables, strict=True)),
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


def _smaller(study: Study) -> list[str]:
    """Which sizes are smaller than the whole study's."""
    smaller = []
    for key, whole in FULL.model_dump().items():
        here = getattr(study.plan, key)
        if isinstance(whole, int):
            if here < whole:
                smaller.append(f"{key.replace('_', ' ')} {here} (the whole has {whole})")
        elif len(here) < len(whole):
            smaller.append(f"{len(here)} {key.replace('_', ' ')} (the whole has {len(whole)})")
    return smaller


def _drawn(picture: Picture | Ranking, study: Study, fit: Fit, files: dict[str, bytes]) -> dict[str, Any]:
    """Draws a figure, adds it and its numbers to the files, and returns what the page shows of it."""
    figure = picture.draw(study.styles, fit)
    files[f"tables/{picture.name}.csv"] = _csv(picture.rows)
    kinds = {kind: encoded(figure, kind, 200, fit.look(FONT_PT)) for kind in KINDS}
    files.update({f"figures/{picture.name}.{kind}": content for kind, content in kinds.items()})
    return {
        "name": picture.name,
        "title": picture.title,
        "caption": picture.caption,
        "png": base64.b64encode(kinds["png"]).decode(),
        "width": round(PIXELS * float(figure.get_figwidth())),
        "height": round(PIXELS * float(figure.get_figheight())),
    }


def _csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {key: "" if isinstance(value, float) and np.isnan(value) else in_cell(value) for key, value in row.items()}
        for row in rows
    )
    return text.getvalue().encode(errors="backslashreplace")


def _stem(title: str, taken: Container[str]) -> str:
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

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
from typing import Any, NamedTuple, get_args

import numpy as np

from genedge.draw.canvas import OPEN, encoded
from genedge.draw.charts import WIDTH_IN, Picture
from genedge.draw.player import player_html
from genedge.draw.watch import draw_frame, episode
from genedge.errors import InputError
from genedge.files import whole_file
from genedge.paper import claims
from genedge.paper.claims import Judged
from genedge.paper.folder import Told, list_written, load, run_folder
from genedge.paper.plan import FULL
from genedge.paper.sections import (
    AGENTS,
    ATTAINABLE,
    DDPG,
    FEW,
    PAPER,
    SECTIONS,
    Study,
    judged,
    watched,
    within_reach,
)
from genedge.paper.tasks import TEST_SEED, Task, Train
from genedge.policies import policy
from genedge.scenario import load_scenario
from genedge.settings.words import unit_of
from genedge.statistics import interval_over_runs
from genedge.text import in_cell, shown
from genedge.versions import versions

TITLE = "Model caching and resource allocation at the edge: the evaluation, reproduced and judged"

KINDS = ("png", "pdf")
# Letters of a file's name; some systems allow 255 bytes.
LONGEST_STEM = 100


class Table(NamedTuple):
    """A table of the report.

    Attributes:
        title: its heading.
        headings: of its columns.
        rows: its cells.
    """

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


def tasks_of(s: Study, names: Sequence[str]) -> list[Task]:
    """The work that sections need, each piece once.

    Args:
        s: the study.
        names: of the sections.
    """
    return list(dict.fromkeys(task for name in names for task in SECTIONS[name].tasks(s)))


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


def write_report(s: Study, folder: Path, command: Sequence[str], report: Callable[[str], None]) -> list[str]:
    """Writes figures, tables and the page, of every section whose work is done.

    Args:
        s: the study.
        folder: of the study.
        command: the command line that made it.
        report: called with a text before each section.

    Returns:
        The names of the sections that are in it.
    """
    done: dict[str, dict[Task, Told]] = {}
    for name in SECTIONS:
        told = {task: load(folder, task) for task in tasks_of(s, [name])}
        if all(told.values()):
            done[name] = {task: found for task, found in told.items() if found is not None}
    sections: list[dict[str, Any]] = []
    written: list[str] = []
    for name, found in done.items():
        report(f"drawing {name}")
        section = SECTIONS[name]
        pictures = section.pictures(s, found)
        tables = _claims_tables(s, found) if name == "claims" else []
        for picture in pictures:
            _write_csv(folder / f"tables/{picture.name}.csv", picture.rows)
            written += [f"tables/{picture.name}.csv", *(f"figures/{picture.name}.{kind}" for kind in KINDS)]
        for table in tables:
            rows = [dict(zip(table.headings, row, strict=True)) for row in table.rows]
            of_table = f"tables/{_stem(table.title, written)}.csv"
            _write_csv(folder / of_table, rows)
            written.append(of_table)
        sections.append(
            {
                "name": name,
                "title": section.title,
                "lines": _summary(s, found) if name == "claims" else [],
                "figures": [_drawn(picture, s, folder) for picture in pictures],
                "tables": tables,
                "players": _players(s, folder) if name == "watch" else [],
                "command": shlex.join([*command, "--only", name]),
            }
        )
    page = _template().render(
        title=TITLE,
        warning=_warning(s),
        sections=sections,
        verdicts=get_args(claims.Word),
        values=[_values_table(preset) for preset in (PAPER, ATTAINABLE)],
        facts={
            "command": shlex.join(command),
            **{key.replace("_", " "): _told(value) for key, value in s.plan.model_dump().items()},
            "seed of the test slots": TEST_SEED,
            **versions(),
            "machine": platform.platform(),
        },
    )
    with whole_file(folder / "report.html") as file:
        file.write(page.encode())
    list_written(folder, written)
    return list(done)


def _template() -> Any:
    import jinja2
    from markupsafe import Markup

    def visible(value: Any) -> Any:
        return value if isinstance(value, Markup) or not isinstance(value, str) else shown(value)

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, finalize=visible)
    source = importlib.resources.files("genedge.paper") / "report.html"
    return environment.from_string(source.read_text(encoding="utf-8"))


def _warning(s: Study) -> str:
    """Which sizes are smaller than the whole study's."""
    smaller = []
    for key, whole in FULL.model_dump().items():
        here = getattr(s.plan, key)
        if isinstance(whole, int):
            if here < whole:
                smaller.append(f"{key.replace('_', ' ')} {here} (the whole has {whole})")
        elif len(here) < len(whole):
            smaller.append(f"{len(here)} {key.replace('_', ' ')} (the whole has {len(whole)})")
    return f"A small version: {', '.join(smaller)}. Take no verdict from it." if smaller else ""


def _drawn(picture: Picture, s: Study, folder: Path) -> dict[str, Any]:
    figure = picture.draw(s.styles)
    files: Mapping[str, bytes] = {kind: encoded(figure, kind, 200, OPEN) for kind in KINDS}
    for kind, content in files.items():
        with whole_file(folder / "figures" / f"{picture.name}.{kind}") as file:
            file.write(content)
    return {
        "name": picture.name,
        "title": picture.title,
        "caption": picture.caption,
        "png": base64.b64encode(files["png"]).decode(),
        "width": 620,
        "height": round(620 * float(figure.get_figheight()) / WIDTH_IN),
    }


def _players(s: Study, folder: Path) -> list[str]:
    """An animation of each who is watched, next to the optimum, as pieces of the page."""
    players = []
    for i, (label, who) in enumerate(watched(s).items()):
        scenario = load_scenario(PAPER, [f"seed={s.plan.catalogues[0]}"])
        name = str(run_folder(folder, who)) if isinstance(who, Train) else who
        shown = episode(scenario, label, policy(name, scenario), FEW, TEST_SEED, s.plan.watched_slots)
        frames = [draw_frame(shown, k) for k in range(s.plan.watched_slots)]
        players.append(player_html(frames, shown.caption, f"player-{i}"))
    return players


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


# --- The claims in words ------------------------------------------------------------------------------------


def _claims_tables(s: Study, told: Mapping[Task, Told]) -> list[Table]:
    headings = ("claim", "claimed", "measured", "most that any policy could", "verdict", "why")
    reach = Table(
        f"What anyone could be better by than RCARS, over {s.plan.bound_catalogues} catalogues",
        ("preset", "in", "better by", "users", "claimed", "most, on average", "least and largest", "allow it"),
        [
            (
                preset,
                r.metric,
                r.reading,
                str(r.users),
                f"{r.claimed:g} %",
                claims.told(interval_over_runs(r.most)),
                f"{r.most.min():.1f} to {r.most.max():.1f} %",
                f"{np.mean(r.most >= r.claimed):.0%}",
            )
            for preset in (PAPER, ATTAINABLE)
            for r in within_reach(s, told, preset)
        ],
    )
    return [
        reach,
        *(
            Table(
                f"Claims on {preset}, {contender} as the agent",
                headings,
                [_row(line) for line in judged(s, told, preset, contender)],
            )
            for preset in (PAPER, ATTAINABLE)
            for contender in (*AGENTS, *s.own)
        ),
    ]


def _row(line: Judged) -> tuple[str, ...]:
    return (
        line.text,
        "–" if line.claimed is None else f"{line.claimed:g} %",
        "\n".join(f"{claims.told(f.measured)}: {f.meaning}, {f.reading}" for f in line.found) or "–",
        "\n".join(claims.told(f.largest) for f in line.found) or "–",
        line.verdict,
        line.why,
    )


def _summary(s: Study, told: Mapping[Task, Told]) -> list[str]:
    lines = []
    for preset in (PAPER, ATTAINABLE):
        found = judged(s, told, preset, DDPG)
        counts = {word: sum(line.verdict == word for line in found) for word in get_args(claims.Word)}
        counted = ", ".join(f"{number} {word}" for word, number in counts.items())
        lines.append(f"On {preset}, of {len(found)} lines with DDPG as the paper describes it: {counted}.")
    lines.append(
        "Of several readings of a claim the one counts that favours the paper most. The claims over HCRAS hang on "
        "the budget of its genetic algorithm, which the text does not give; 5,000 evaluations a slot are assumed."
    )
    return lines


# --- Values -------------------------------------------------------------------------------------------------


def _values_table(preset: str) -> Table:
    rows = [
        (key, _told(setting.value), unit_of(key), setting.provenance)
        for key, setting in load_scenario(preset).table.items()
    ]
    return Table(f"All settings of preset {preset}", (), rows)


def _told(value: object) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_told, value)) + "]"
    return "–" if value is None else str(value)

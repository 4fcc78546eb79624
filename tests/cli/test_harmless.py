"""Whatever files, folders and names are called: what is said of them is text in lines, and steers no terminal."""

import io
import sys

import pytest
from hostile import NAMES

from genedge.cli.console import console
from genedge.cli.progress import progress
from genedge.text import shown

# No shell hands over half a character that was no byte, and no file has a slash in its name.
GIVEN = [name for name in NAMES if name.strip() and "/" not in name and "\ud800" not in name]

# Places on a command line where a name that is not ours may stand, and is refused.
DOORS = (
    "{name}",
    "scenario {name}",
    "slots {name}",
    "slots --{name}",
    "slots --users {name}",
    "scenario show {name}",
    "scenario show paper --set {name}=1",
    "scenario show paper --set seed={name}",
    "score --slots {name}",
    "decide --policy {name}",
    "evaluate --policies x{name}",
    "evaluate --policies {name}.py:f",
    "evaluate --policies sb3:{name}",
    "evaluate --policies rcars --users x{name}",
    "evaluate --policies rcars --figure {name}",
    "watch --policy rcars --out {name}.png",
    "train --resume {name}",
    "train --out r --agent {name}",
    "runs {name}",
    "cite --policies x{name}",
    "export {name} out",
    "replay {name}.csv --box cloud-no-queue",
    "replay trace.csv --box cloud-no-queue --schedulers x{name}",
    "replay trace.csv --box {name}",
    "trace convert {name}.csv --out t.csv",
    "paper --only x{name}",
    "paper --policies x{name}",
)


def harmless(answer):
    """Nothing but printable characters, in lines."""
    for text in (answer.out, answer.err):
        assert all(line == "" or line.isprintable() for line in text.split("\n")), text


@pytest.mark.parametrize("door", DOORS)
def test_a_name_that_is_refused_does_no_harm(door, genedge, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trace.csv").write_text("time,model,user,steps\n0,a,b,30\n")
    for name in GIVEN:
        answer = genedge(*(word.replace("{name}", name) for word in door.split()))
        assert answer.status == 2, (name, answer)
        assert "Traceback" not in answer.err
        harmless(answer)
        assert answer.err.splitlines()[-1].startswith(("genedge: ", "Error: "))


@pytest.mark.parametrize("name", GIVEN)
def test_a_file_that_is_read_or_written_is_told_in_lines(name, genedge, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = name[:40].lstrip("-")
    answer = genedge("trace", "generate", "--out", f"{name}.csv", "--requests", 20, "--models", 3)
    assert answer.status == 0
    assert shown(f"{name}.csv: 20 requests") in answer.out
    harmless(answer)
    answer = genedge("replay", f"{name}.csv", "--box", "load-free", "--figure", f"{name}.png")
    assert answer.status == 0
    # Told as it is, not as a style or a smile; a long title goes over lines.
    assert "".join(shown(name).split()) in "".join(answer.out.split())
    harmless(answer)
    assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_notes_of_a_scenario_do_no_harm(genedge, tmp_path):
    path = tmp_path / "[red]$x$\x1b[31m.yaml"
    path.write_text('seed: {value: 2, note: "[blue]\\u202e"}\n')
    for more in ((), ("--json",)):
        answer = genedge("scenario", "show", path, *more)
        assert answer.status == 0
        harmless(answer)
    assert "[blue]\\u202e" in genedge("scenario", "show", path).out


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_shows_names_as_they_are(terminal, monkeypatch):
    class Stream(io.StringIO):
        def isatty(self):
            return terminal

    stream = Stream()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr("genedge.cli.progress.LEAST_S", 0.0)
    monkeypatch.setenv("COLUMNS", "400")
    for name in NAMES:
        with progress(1) as tick:
            tick(name, 0)
            tick(name, 1)
        assert shown(name) in stream.getvalue()
        if name != shown(name):
            assert name not in stream.getvalue()


def test_a_terminal_is_not_steered_by_tables(monkeypatch):
    from rich.table import Table

    stream = io.StringIO()
    out = console()
    monkeypatch.setattr(out, "_file", stream)
    out.width = 4000
    table = Table("policy", title="\x1b[31m[red]")
    for name in NAMES:
        table.add_row(name)
    out.print(table)
    out.print("[/red]\x1b]0;x\x07")
    told = stream.getvalue()
    assert all(shown(name) in told for name in (*NAMES, "\x1b[31m[red]", "[/red]\x1b]0;x\x07"))
    assert all(line.isprintable() for line in told.split("\n"))


@pytest.mark.parametrize("verb", ["decide", "evaluate", "watch", "paper"])
def test_help_says_that_policies_in_files_are_code(verb, genedge, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    told = " ".join(genedge(verb, "--help").out.split())
    assert "sb3:FILE" in told
    assert "the code that they contain is run: name only what you trust" in told


@pytest.mark.parametrize("verb", ["evaluate --policies none", "replay none.csv --box cloud-no-queue", "runs none"])
def test_a_figure_of_no_format_is_refused_first(verb, genedge, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = genedge(*verb.split(), "--figure", "f.gif")
    assert answer.status == 2
    assert answer.err.startswith(
        "genedge: f.gif: a figure is a file such as f.png; its name ends in one of .png, .pdf"
    )
    assert not list(tmp_path.iterdir())


def test_a_figure_is_written_in_the_format_of_its_name(genedge, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert genedge("trace", "generate", "--out", "t.csv", "--requests", 20, "--models", 3).status == 0
    assert genedge("replay", "t.csv", "--box", "load-free", "--figure", "f.pdf").status == 0
    assert (tmp_path / "f.pdf").read_bytes().startswith(b"%PDF")


def test_hints_of_the_command_line_name_only_what_is_near(genedge):
    for line, meant in (
        ("slotz", "'slots'"),
        ("scenario shw", "'show'"),
        ("slots --user 3", "--users"),
        ("shoot", None),
        ("slots --figure f.png", None),
    ):
        message = genedge(*line.split()).err
        assert ("id you mean" in message or "Possible options" in message) == (meant is not None), message
        assert meant is None or meant in message


@pytest.mark.parametrize(
    ("setting", "hint"),
    [
        ("objective.beta=1", "'genedge scenario show paper --all' lists all keys"),
        ("radio.power=1", "did you mean radio.user_power_dbm?"),
        ("bandwidth=1", "did you mean radio.uplink_bandwidth_mhz?"),
        ("td4.actor_learning_rat=1", "did you mean td3.actor_learning_rate?"),
        ("hcras.discount=1", "did you mean "),
    ],
)
def test_hints_of_settings_name_only_what_is_near(setting, hint, genedge):
    assert hint in genedge("scenario", "show", "paper", "--set", setting).err

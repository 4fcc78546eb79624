"""Names of files and modules that are written down as text: each is of something that is there.

A list of which one name leads nowhere does less than it says, without a word.
"""

import importlib.util
import re
import shutil
import tomllib
from pathlib import Path

import grimp
import pytest
import yaml

from genedge.errors import InputError
from genedge.paper import tasks

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "genedge"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TOOLS = PROJECT["tool"]


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


# --- What results depend on ---------------------------------------------------------------------------------

# What a task's program uses that changes no number: errors, how files are written, what a report says of numbers.
# What follows from a task's numbers is worked out by who reads them.
NO_NUMBERS = {
    *("errors.py", "files.py", "folders.py", "text.py", "versions.py", "statistics.py"),
    *("spread.py", "evaluation/together.py"),
}


@pytest.fixture
def package(tmp_path):
    """A copy of the package's files, to move one."""
    shutil.copytree(PACKAGE, tmp_path / "genedge", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "genedge"


@pytest.mark.parametrize("name", [*tasks.SOURCES, *tasks.STUDY_SOURCES])
def test_a_source_that_was_moved_is_missed(name, package):
    assert [path.relative_to(package) for path in tasks.sources(package)] == [
        path.relative_to(PACKAGE) for path in tasks.sources(PACKAGE)
    ]
    (package / name).rename(package / "elsewhere")
    with pytest.raises(InputError, match=f"{name}: not there, and results depend on it"):
        tasks.sources(package)


def test_no_key_is_made_without_a_source(monkeypatch):
    monkeypatch.setattr(tasks, "SOURCES", (*tasks.SOURCES, "moved.py"))
    tasks._source.cache_clear()
    with pytest.raises(InputError, match=r"moved\.py: not there"):
        _ = tasks.Measure("paper", (), 1, (3,), ("rcars",), 1, "").key
    monkeypatch.undo()
    assert tasks.Measure("paper", (), 1, (3,), ("rcars",), 1, "").key


def test_all_that_a_task_uses_is_in_its_key():
    uses = grimp.build_graph("genedge").find_upstream_modules("genedge.paper.tasks") | {"genedge.paper.tasks"}
    files = {Path(importlib.util.find_spec(name).origin).resolve() for name in uses}
    names = {path.relative_to(PACKAGE).as_posix() for path in files - set(tasks.sources(PACKAGE))}
    assert names == NO_NUMBERS


def test_no_kind_of_source_is_left_out():
    rooms = [PACKAGE / name for name in tasks.SOURCES if (PACKAGE / name).is_dir()]
    kinds = {path.suffix for room in rooms for path in room.rglob("*") if path.is_file()}
    assert kinds - {".pyc", ".md"} == set(tasks.SOURCE_KINDS)


# --- What the tools are told --------------------------------------------------------------------------------


def contract_names():
    for contract in TOOLS["importlinter"]["contracts"]:
        inside = "".join(f"{container}." for container in contract.get("containers", ()))
        for key in ("source_modules", "forbidden_modules", "layers"):
            for line in contract.get(key, ()):
                yield from (inside + name.strip() for name in line.split("|"))


def checked_packages():
    (option,) = (
        word for word in TOOLS["pytest"]["ini_options"]["addopts"].split() if word.startswith("--jaxtyping")
    )
    return option.partition("=")[2].split(",")[:-1]  # The last one is the checker.


MODULES = {
    "the packages whose shapes are checked": checked_packages(),
    "the contracts of imports": [*contract_names()],
    "what is typed": TOOLS["mypy"]["packages"],
    "the command": [PROJECT["project"]["scripts"]["genedge"].partition(":")[0]],
}


@pytest.mark.parametrize("of", MODULES)
def test_modules_that_are_named_are_there(of):
    assert MODULES[of]
    assert [name for name in MODULES[of] if importlib.util.find_spec(name) is None] == []


def pages(nav):
    """The files of the site's navigation, however deep."""
    if isinstance(nav, str):
        return [nav]
    return [page for part in (nav.values() if isinstance(nav, dict) else nav) for page in pages(part)]


SITE = yaml.safe_load(text("mkdocs.yml"))
IN_MAKE = re.compile(r"(?:(?<=[\s=])|^)(?:[\w.-]+/)*[\w-]+\.(?:py|txt|toml)\b", re.MULTILINE)
FILES = {
    "what is distributed": TOOLS["hatch"]["build"]["targets"]["sdist"]["include"],
    "what is installed": TOOLS["hatch"]["build"]["targets"]["wheel"]["packages"],
    "where tests are": TOOLS["pytest"]["ini_options"]["testpaths"],
    "what the linter spares": [*TOOLS["ruff"]["lint"]["per-file-ignores"]],
    "what the project is": [PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]],
    "where types are looked for": [TOOLS["mypy"]["mypy_path"]],
    "the site's pages": [f"docs/{page}" for page in pages(SITE["nav"])],
    "the site's styles": [f"docs/{name}" for name in SITE["extra_css"]],
    "the site's hooks": SITE["hooks"],
    "the Makefile": [name for name in IN_MAKE.findall(text("Makefile")) if "/bin/" not in name],
    "the container": [
        name
        for line in re.findall(r"^COPY (.*) \S+$", text("Containerfile"), re.MULTILINE)
        for name in line.split()
    ],
    "what the container is given": re.findall(r"^!(\S+)$", text(".dockerignore"), re.MULTILINE),
}


@pytest.mark.parametrize("of", FILES)
def test_files_that_are_named_are_there(of):
    assert FILES[of]
    assert [name for name in FILES[of] if not list(ROOT.glob(name))] == []


def test_targets_that_are_called_are_there():
    targets = set(re.findall(r"^([\w-]+):(?!=)", text("Makefile"), re.MULTILINE))
    called = re.findall(r"\bmake ([\w-]+)", text(".ci/run"))
    assert called
    assert set(called) <= targets

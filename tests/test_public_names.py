"""What is public is said, and the docs and examples use nothing else."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

import genedge

ROOT = Path(__file__).parent.parent
# Each public module, and what it offers.
MODULES = ("genedge.gym", "genedge.optimum", "genedge.extend", "genedge.edge")
PUBLIC = {"genedge": {*dir(genedge)}} | {name: {*importlib.import_module(name).__all__} for name in MODULES}
PAGES = [
    ROOT / "README.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "reference"),
]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# A Python file that a block of shell commands writes.
WRITTEN = re.compile(r"<<\s*'?(\w+)'?\n(.*?)^\1$", re.DOTALL | re.MULTILINE)


def programs(text):
    """The Python on a page: its blocks, and the files that its shell blocks write."""
    for language, code in FENCE.findall(text):
        if language == "python":
            yield code
        if language in ("sh", "bash"):
            yield from (program for _, program in WRITTEN.findall(code) if "import " in program)


SOURCES = {
    f"{path.relative_to(ROOT)}, {i}": program
    for path in PAGES
    for i, program in enumerate(programs(path.read_text(encoding="utf-8")), 1)
}
SOURCES |= {f"examples/{path.name}": path.read_text(encoding="utf-8") for path in (ROOT / "examples").glob("*.py")}


def not_public(program):
    """What a program takes from the package, but not from its public names."""
    tree = ast.parse(program)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.partition(".")[0] == "genedge"]
            yield from (name for name in names if name not in PUBLIC)
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "genedge":
            offered = PUBLIC.get(node.module, set())
            submodules = {name.rpartition(".")[2] for name in PUBLIC if name.startswith(f"{node.module}.")}
            yield from (f"{node.module}.{a.name}" for a in node.names if a.name not in offered | submodules)
        of_genedge = isinstance(node, ast.Attribute) and ast.unparse(node.value) == "genedge"
        if of_genedge and node.attr not in PUBLIC["genedge"] and f"genedge.{node.attr}" not in PUBLIC:
            yield f"genedge.{node.attr}"


def test_there_are_programs():
    assert len(SOURCES) > 12


@pytest.mark.parametrize("where", SOURCES)
def test_docs_and_examples_import_public_names_only(where):
    assert [*not_public(SOURCES[where])] == []


@pytest.mark.parametrize(
    "program",
    [
        "import genedge.cell.radio",
        "from genedge.cell import sampling",
        "from genedge.extend import _hidden",
        "from genedge import nothing",
        "import genedge\ngenedge.registry.named('policy')",
        "def f():\n    from genedge.learn.runs import open_run",
    ],
)
def test_what_is_not_public_is_found(program):
    assert len([*not_public(program)]) == 1


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_is_there_and_says_what_it_is(module):
    for name in PUBLIC[module]:
        found = getattr(importlib.import_module(module), name)
        if inspect.isclass(found) or inspect.isfunction(found):
            assert inspect.getdoc(found), name


def test_the_reference_has_every_part_to_extend_with():
    page = (ROOT / "docs" / "reference" / "extend.md").read_text(encoding="utf-8")
    assert {name for name in PUBLIC["genedge.extend"] if f"`{name}`" not in page} == set()


def test_contributors_are_told_which_modules_are_public():
    for page in (ROOT / "CONTRIBUTING.md", ROOT / "src" / "genedge" / "__init__.py"):
        text = page.read_text(encoding="utf-8")
        assert {name for name in PUBLIC if name not in text} == set()

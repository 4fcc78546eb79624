"""Workflows, hooks and pages for contributors say what is there, and run what was looked at."""

import re
import shutil
from pathlib import Path
from typing import get_args

import pytest
import release
import yaml

from genedge.registry import Kind

ROOT = Path(__file__).parent.parent
WORKFLOWS = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / ".github" / "workflows").iterdir()}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([\w-]+):(?!=)", MAKEFILE, re.MULTILINE))
PINNED = re.compile(r"uses: [\w.-]+/[\w.-]+(/[\w.-]+)*@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_pinned_by_their_commit(name):
    """A tag can be moved to other code, a commit cannot; its version stands behind it for readers."""
    uses = [line.strip().removeprefix("- ") for line in WORKFLOWS[name].splitlines() if "uses:" in line]
    assert uses
    assert [line for line in uses if not PINNED.fullmatch(line)] == []


def test_an_action_has_one_commit_everywhere():
    found = {}
    for text in WORKFLOWS.values():
        for action, commit in re.findall(r"uses: (\S+)@(.+)$", text, re.MULTILINE):
            found.setdefault(action, set()).add(commit)
    assert [action for action, commits in found.items() if len(commits) > 1] == []


@pytest.mark.parametrize("line", ["a/b@v4", "a/b@0123abcd # v4.2.2", f"a/b@{'0' * 40}", f"a/b@{'0' * 40} # main"])
def test_what_is_not_pinned_is_found(line):
    assert not PINNED.fullmatch(f"uses: {line}")


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_do_no_more_than_it_needs(name):
    workflow = yaml.safe_load(WORKFLOWS[name])
    assert workflow["permissions"] == {"contents": "read"}
    more = {job: of_job["permissions"] for job, of_job in workflow["jobs"].items() if "permissions" in of_job}
    assert more == ({"publish": {"id-token": "write"}} if name == "release.yml" else {})
    assert "secrets." not in WORKFLOWS[name]


def test_targets_that_are_named_are_there():
    texts = [*WORKFLOWS.values()]
    pages = ("CONTRIBUTING.md", ".pre-commit-config.yaml", ".github/pull_request_template.md", "docs/extend.md")
    texts += [(ROOT / page).read_text(encoding="utf-8") for page in pages]
    called = {target for text in texts for target in re.findall(r"(?:run: |`)make ([\w-]+)", text)}
    assert {"test", "test-heavy", "check-code", "dist", "version"} <= called
    assert called <= TARGETS


def test_hooks_are_what_make_checks():
    """Nothing is fetched for them, and none is left out."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert {hook["language"] for hook in hooks} == {"system"}
    recipe = re.search(r"^check-code:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)[1]

    def tools(lines):
        return {" ".join(word for word in line.split() if word.isalpha() or "lint-" in word) for line in lines}

    wanted = [line.replace("$(BIN)/", "") for line in recipe.splitlines()]
    assert tools(hook["entry"].replace(".venv/bin/", "") for hook in hooks) == tools(wanted)


def test_the_page_on_extending_tells_of_every_kind_and_of_tests_that_are_there():
    page = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8")
    halves = page.split("In the package:")
    with_a_file, in_the_package = ({*re.findall(r"^\| ([a-z ]+) \|", half, re.MULTILINE)} for half in halves)
    assert with_a_file >= {*get_args(Kind)} == in_the_package & {*get_args(Kind)}
    for path in re.findall(r"`((?:tests|src)/[\w/.]+)`", page):
        assert (ROOT / path).exists(), path
    of_kinds = re.findall(r"^\| [a-z ]+ \| `([\w/.]+)` \| `[a-z ]+` \|", page, re.MULTILINE)
    assert len(of_kinds) == len(get_args(Kind))
    for path in of_kinds:
        assert (ROOT / "src" / "genedge" / path.removesuffix("NAME.py")).exists(), path


# --- Releases -----------------------------------------------------------------------------------------------

OF_RELEASE = ("pyproject.toml", "CITATION.cff", "CHANGELOG.md")


@pytest.fixture
def copy(tmp_path):
    for name in OF_RELEASE:
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def put(path, pattern, new):
    text, count = re.subn(pattern, new, path.read_text(encoding="utf-8"), count=1, flags=re.MULTILINE)
    assert count == 1
    path.write_text(text, encoding="utf-8")


def as_released(copy, version):
    put(copy / "pyproject.toml", r"^version = .*", f'version = "{version}"')
    put(copy / "CITATION.cff", r"^version: .*", f"version: {version}")
    put(copy / "CHANGELOG.md", r"^## .*", f"## {version} (2026-01-01)")


def test_a_release_is_one_version_everywhere(copy):
    as_released(copy, "9.9.9")
    assert [*release.objections("9.9.9", copy)] == []
    assert len([*release.objections("9.9.8", copy)]) == 3
    put(copy / "CITATION.cff", r"^version: .*", "version: 9.9.8")
    assert [*release.objections("9.9.9", copy)] == ["CITATION.cff: says 9.9.8, not 9.9.9"]


def test_what_is_unreleased_is_not_released(copy):
    as_released(copy, "9.9.9")
    put(copy / "CHANGELOG.md", r"^## .*", "## 9.9.9 (unreleased)")
    assert [*release.objections("9.9.9", copy)] == [
        "CHANGELOG.md: has no heading '## 9.9.9' with a date; an unreleased version is not released"
    ]


def test_the_package_and_its_citation_are_of_one_version():
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert not [line for line in release.objections(version[1]) if "says" in line]

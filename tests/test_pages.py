"""Every block of code in the README and in docs/ runs as it stands, page by page, each page in one session."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import jax
import pytest

ROOT = Path(__file__).parent.parent
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
}

# Directly above a block that takes too long or needs too much, for the reason given; invisible to a reader.
MARKER = "<!-- not run: "
FENCE = re.compile(
    rf"^(?:{MARKER}(?P<reason>[^\n]*\S) -->\n)?```(?P<language>[^\n]*)\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
SHELL = ("sh", "bash")
RUN = (*SHELL, "python")
SHOWN = ("math", "yaml", "json", "text", "bibtex")

# One Python session and one folder a page. A block says where it stands, for whoever reads of its failure.
SESSION = """
import json, subprocess, sys
session = {"__name__": "__main__"}
for place, language, code in json.load(sys.stdin):
    print(place, file=sys.stderr, flush=True)
    if language == "python":
        exec(compile(code, place, "exec"), session)
    else:
        subprocess.run(["bash", "-euo", "pipefail", "-c", code], check=True)
"""

# Without a window, on one core, as tests run side by side, and with what was compiled before.
SETTINGS = {
    "MPLBACKEND": "Agg",
    "OMP_NUM_THREADS": "1",
    "JAX_COMPILATION_CACHE_DIR": str(jax.config.jax_compilation_cache_dir),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
}


class Block(NamedTuple):
    """A block of code, and why it is not run, or None."""

    place: str
    language: str
    code: str
    reason: str | None


def blocks(page: str) -> list[Block]:
    text = PAGES[page]
    return [
        Block(f"{page}:{text.count(chr(10), 0, found.start('code'))}", *found.group("language", "code", "reason"))
        for found in FENCE.finditer(text)
    ]


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_run_or_says_why_not(page):
    found = blocks(page)
    assert PAGES[page].count("```") == 2 * len(found), "a fence that this test does not see"
    assert PAGES[page].count(MARKER) == sum(block.reason is not None for block in found), "a marker above nothing"
    for block in found:
        assert block.language in (*RUN, *SHOWN), f"{block.place}: neither run nor known to be shown only"
        assert block.reason is None or block.language in RUN, f"{block.place}: would not be run anyway"


def session(page: str) -> list[tuple[str, str, str]]:
    """The blocks that are run, in their order: place, language and code."""
    return [block[:3] for block in blocks(page) if block.language in RUN and block.reason is None]


@pytest.mark.heavy
@pytest.mark.parametrize("page", [page for page in PAGES if session(page)])
def test_runs(page, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SESSION],
        cwd=tmp_path,
        env=os.environ | SETTINGS,
        input=json.dumps(session(page)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr

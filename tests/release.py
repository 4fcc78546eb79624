"""Whether a version can be released: `make version VERSION=1.2.3` tells what says otherwise."""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent


def objections(version: str, root: Path = ROOT) -> Iterator[str]:
    """What speaks against a release, a line each.

    Args:
        version: as the tag says, without its `v`.
        root: of the repository.
    """
    said = {
        "pyproject.toml": tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"][
            "version"
        ],
        "CITATION.cff": str(yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))["version"]),
    }
    yield from (f"{file}: says {other}, not {version}" for file, other in said.items() if other != version)
    changes = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    if not re.search(rf"^## {re.escape(version)}\b(?!.*unreleased)", changes, re.MULTILINE):
        yield f"CHANGELOG.md: has no heading '## {version}' with a date; an unreleased version is not released"


if __name__ == "__main__":
    if against := [*objections(*sys.argv[1:])]:
        sys.exit("\n".join(against))

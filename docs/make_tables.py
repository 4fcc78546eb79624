"""Writes the tables of names in the docs, from the registry: `python docs/make_tables.py`.

A table stands between `<!-- names: KIND -->` and `<!-- end of names -->`.
"""

import re
from pathlib import Path

from genedge.citations import entries
from genedge.registry import named

DOCS = Path(__file__).parent
TABLE = re.compile(r"(<!-- names: ([a-z ]+) -->\n).*?(<!-- end of names -->)", re.DOTALL)


def with_tables(page: str) -> str:
    """A page with its tables of names as the registry has them.

    Args:
        page: in Markdown.
    """
    return TABLE.sub(lambda found: f"{found[1]}{table(found[2])}{found[3]}", page)


def table(kind: str) -> str:
    """All of a kind: name, what it is, and what to cite.

    Args:
        kind: of the registry.
    """
    known = named(kind)
    if not any(entry.cites for entry in known.values()):
        rows = ["| name | what it is |", "|---|---|"]
        return "".join(f"{row}\n" for row in [*rows, *(f"| `{e.name}` | {e.what} |" for e in known.values())])
    rows = ["| name | what it is | rests on |", "|---|---|---|"]
    rows += [f"| `{e.name}` | {e.what} | {', '.join(map(short, e.cites)) or '–'} |" for e in known.values()]
    return "".join(f"{row}\n" for row in rows)


def short(key: str) -> str:
    """An entry of the bibliography in brief: its first author and year.

    Args:
        key: of the entry.
    """
    entry = entries()[key]
    author, year = (re.search(rf"{field} = \{{(.*?)\}},?\n", entry) for field in ("author", "year"))
    assert author is not None
    assert year is not None
    first = author[1].replace("{", "").replace("}", "").split(" and ")
    return f"{first[0].partition(',')[0]}{' et al.' if len(first) > 1 else ''} {year[1]}"


if __name__ == "__main__":
    for path in sorted(DOCS.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        if (changed := with_tables(text)) != text:
            path.write_text(changed, encoding="utf-8")
            print(path)

"""The entries are whole BibTeX, and every agent and every policy has its own."""

import re
from pathlib import Path

import pytest
import yaml

from genedge import citations
from genedge.errors import InputError
from genedge.registry import EQUIVARIANT, LAYER_NORM, LEARNING, entries

ROOT = Path(__file__).parents[1]
REQUIRED = {
    "article": ("author", "title", "journal", "year"),
    "inproceedings": ("author", "title", "booktitle", "year"),
    "misc": ("author", "title", "year"),
    "book": ("author", "title", "publisher", "year"),
    "incollection": ("author", "title", "booktitle", "year"),
    "techreport": ("author", "title", "institution", "year"),
}


def fields(entry: str) -> dict[str, str]:
    """The fields of an entry, read as BibTeX does: balanced braces, commas between."""
    body = entry[entry.index("{") + 1 :]
    found, at = {}, body.index(",") + 1
    while match := re.compile(r"\s*(\w+)\s*=\s*\{").match(body, at):
        at, depth = match.end(), 1
        while depth:
            depth += {"{": 1, "}": -1}.get(body[at], 0)
            at += 1
        assert match[1] not in found
        found[match[1]] = body[match.end() : at - 1]
        assert body[at] == ","
        at += 1
    assert body[at:].strip() == "}"
    return found


def test_entries_are_whole():
    text = Path(citations.__file__).with_name("references.bib").read_text(encoding="utf-8")
    entries = citations.entries()
    assert len(entries) == text.count("\n@")
    for entry in entries.values():
        comment, start = entry.splitlines()[:2]
        assert comment.startswith("% ")
        assert "@" not in comment
        kind = re.fullmatch(r"@(\w+)\{(\w+),", start)[1]
        said = fields(entry)
        assert set(REQUIRED[kind]) <= set(said)
        assert re.fullmatch(r"(19|20)\d\d", said["year"])
        assert all(said.values())


def test_nothing_is_missing_or_left_over():
    used = {*citations.ALWAYS, *LEARNING, *citations.SB3, *citations.COMPARING, EQUIVARIANT, LAYER_NORM}
    for _, entry in entries():
        used |= set(entry.cites)
    assert used == set(citations.entries())


@pytest.mark.parametrize("name", sorted({entry.name for _, entry in entries()}))
def test_whatever_can_be_named_can_be_cited(name):
    keys = {key for _, entry in entries() if entry.name == name for key in entry.cites}
    assert set(citations.keys_of(name)) == keys
    assert citations.bibtex(keys).count("\n@") + citations.bibtex(keys).startswith("@") == len(
        keys | {*citations.ALWAYS}
    )


def test_one_name_of_several_kinds_cites_for_all():
    assert citations.keys_of("gdsf") == ("cherkasova1998improving",)
    assert citations.keys_of("hcras") == ("deb1995simulated", "deb1996combined")


def test_of_an_unknown_name_the_near_one_is_told():
    with pytest.raises(InputError, match="no such name; did you mean gdsf"):
        citations.keys_of("gdfs")


def test_says_what_citation_cff_says():
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    software, paper = (fields(citations.entries()[key]) for key in ("genedge", "liu2024joint"))
    assert software["title"] == cff["title"]
    assert cff["version"] in software["note"]
    assert software["year"] == str(cff["date-released"].year)
    said = cff["references"][0]
    assert paper["title"].replace("{AI}", "AI") == said["title"]
    assert paper["author"] == " and ".join(f"{a['family-names']}, {a['given-names']}" for a in said["authors"])
    assert (paper["year"], paper["url"]) == (str(said["year"]), said["url"])

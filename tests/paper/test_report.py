"""The page: whole, self-contained, and the same numbers as beside it."""

import base64
import csv
import re
from html.parser import HTMLParser

import pytest
from hostile import NAMES
from made_up import write_made_up_report
from markupsafe import escape

from genedge.errors import InputError
from genedge.paper.report import section_names
from genedge.paper.sections import SECTIONS
from genedge.paper.sections.claims import FOLDED, LINE
from genedge.text import shown

# The agents that are watched are trained for it.
pytestmark = pytest.mark.heavy


class Page(HTMLParser):
    """What is on a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img", "br", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, write_made_up_report(folder, SECTIONS).read_text(encoding="utf-8")


def test_it_needs_no_network(whole):
    page = Page(whole[1])
    assert not page.open
    for _, attributes in page.tags:
        for name in ("src", "href"):
            if address := attributes.get(name):
                assert address.startswith(("data:", "#")), address
    assert "url(" not in whole[1]


def test_every_figure_is_there_thrice(whole):
    folder, text = whole
    images = [image for image in Page(text).all("img") if image["alt"]]
    assert len(images) == 22
    embedded = {base64.b64decode(image["src"].partition(",")[2]) for image in images}
    pngs = {path.stem: path.read_bytes() for path in (folder / "figures").glob("*.png")}
    assert set(pngs.values()) == embedded
    assert {path.stem for path in (folder / "figures").glob("*.pdf")} == pngs.keys()
    tables = {path.stem for path in (folder / "tables").glob("*.csv")}
    assert pngs.keys() <= tables


def test_links_inside_lead_somewhere(whole):
    page = Page(whole[1])
    anchors = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {link["href"].removeprefix("#") for link in page.all("a")} <= anchors


def test_every_claim_has_a_verdict(whole):
    verdicts = [cell for cell in Page(whole[1]).all("td") if "verdict" in (cell.get("class") or "")]
    # Of each preset DDPG and our best learner; the learning rate is judged once.
    assert len(verdicts) == 4 * 23 + 2


def test_tables_beside_it_say_the_same(whole):
    folder, text = whole
    with (folder / "tables" / "claims-on-paper--ddpg-as-the-agent.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 25
    assert all(row["why"].replace("'", "&#39;") in text for row in rows)


def test_a_claim_is_one_line_and_the_rest_is_folded_under_it(whole):
    """All that the page has of it, folded or not, is in the file."""
    folder, text = whole
    table = text.partition("<h3>Claims on paper, DDPG as the agent</h3>")[2].partition("</table>")[0]
    header, *lines = re.findall("<tr.*?</tr>", table, re.DOTALL)
    assert re.findall("<th.*?>(.*?)</th>", header) == list(LINE)
    with (folder / "tables" / "claims-on-paper--ddpg-as-the-agent.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows, strict=True):
        page = Page(line)
        assert len(page.all("td")) == len(LINE)
        assert len(page.all("details")) == len(page.all("summary")) == 1
        assert tuple(row) == (*LINE, *FOLDED)
        for cell in row.values():
            assert "<br>".join(map(str, map(escape, cell.split("\n")))) in line
    readings = {row["claim"]: row["all readings"].split("\n") for row in rows}
    # Two meanings of the hit ratio, two readings of "better by".
    assert len(set(readings["DDPG is better than RCARS in hit ratio, 10 users"])) == 4
    assert len(set(readings["DDPG is better than RCARS in utility, 18 users"])) == 2
    for row in rows:
        if row["all readings"] != "–":
            told = (
                f"{row['the verdict is on']}: measured {row['measured']}, most {row['most that any policy could']}"
            )
            assert told in row["all readings"].split("\n")


def test_it_begins_with_what_came_out(whole):
    folder, text = whole
    page = Page(text)
    assert text.index("</h1>") < text.index('id="outcome"') < text.index("<nav")
    outcome = text.partition('id="outcome"')[2].partition("</section>")[0]
    assert outcome.count("<li>") == 5
    assert outcome.count("<img") == 1
    assert "Of 25 lines of the paper&#39;s claims" in outcome
    assert (folder / "tables" / "summary.csv").is_file()
    assert page.all("h1")


def test_assumed_values_are_marked(whole):
    assert whole[1].count('<tr class="assumed">') > 100
    assert re.search(r'class="assumed"><td>models.count</td><td>10</td><td>1</td><td>assumed', whole[1])
    assert "5,000 evaluations a slot are assumed" in whole[1]


def test_a_small_version_says_so(whole):
    assert "episodes 10 (the whole has 500)" in whole[1]


def test_episodes_can_be_watched(whole):
    """Of both agents: two slots, two pictures each, a text beside them."""
    page = Page(whole[1])
    players = [figure for figure in page.all("figure") if figure.get("class") == "genedge-player"]
    assert [player["id"] for player in players] == ["player-0", "player-1"]
    assert sum(image["alt"] == "" for image in page.all("img")) == 2 * 2 * 2


def test_commands_are_told(whole):
    folder, text = whole
    for name in SECTIONS:
        assert f"genedge paper --out {folder} --only {name}" in text


def test_sections_without_results_are_left_out(tmp_path):
    page = write_made_up_report(tmp_path, ["hits"]).read_text(encoding="utf-8")
    ids = {attributes.get("id") for _, attributes in Page(page).tags}
    # What the other figures over users need is then done too, and whom to watch is trained.
    assert {"hits", "utility", "quality", "watch"} <= ids
    assert not {"claims", "convergence", "sensitivity"} & ids


def test_section_names():
    assert section_names("hits, claims") == ["hits", "claims"]
    for text, message in (("hit", "no such section; there are claims"), (" , ", "empty")):
        with pytest.raises(InputError, match=message):
            section_names(text)


def test_names_of_ones_own_do_no_harm(tmp_path, monkeypatch):
    """Neither on the page nor in a spreadsheet nor to names of files; nothing is lost because names look alike."""
    unwatched = SECTIONS["watch"]._replace(players=lambda study, folder: [])  # They are tested alone.
    monkeypatch.setitem(SECTIONS, "watch", unwatched)
    page = write_made_up_report(tmp_path, ["claims"], dict.fromkeys(NAMES, "priced")).read_text(encoding="utf-8")
    assert not Page(page).open
    assert "<script" not in page
    assert "&lt;script&gt;alert" in page
    assert all(c.isprintable() or c == "\n" for c in page)
    assert all(escape(shown(name)) in page for name in NAMES)
    tables = list((tmp_path / "tables").iterdir())
    assert len([path for path in tables if path.name.startswith("claims-on-paper--")]) == 2 + len(NAMES)
    for path in tables:
        with path.open(newline="", encoding="utf-8") as file:
            for cell in (cell for row in csv.reader(file) for cell in row):
                if cell.startswith(("=", "+", "-", "@", "\t", "\r")):
                    float(cell)

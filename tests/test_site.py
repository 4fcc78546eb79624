"""What the site adds to the pages: settings, catalogue, card, formulas. `make check` builds it strictly."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from genedge.scenario import load_scenario
from genedge.settings.words import unit_of

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def hooks():
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_setting_is_told_with_unit_and_provenance(hooks):
    page = hooks.on_page_markdown((ROOT / "docs" / "provenance.md").read_text(encoding="utf-8"))
    told = [line for line in page.splitlines() if re.match(r"\| `(\w+\.)?\w+` \| `", line)]
    assert told == [
        f"| `{key}` | `{json.dumps(setting.value)}` | {unit_of(key)} | {setting.provenance} | {setting.note} |"
        for key, setting in load_scenario("paper").table.items()
    ]
    models = [line for line in page.splitlines() if re.match(r"\| \d+ \| \d", line)]
    assert len(models) == len(load_scenario("paper").models)


def test_results_are_those_of_the_comparison():
    """Pages of algorithms quote numbers with intervals that stand in the tables, and no older ones."""
    tables = (ROOT / "docs" / "learning.md").read_text(encoding="utf-8")
    quoted = [
        (path.name, result)
        for path in sorted((ROOT / "docs" / "algorithms").glob("*.md"))
        for result in re.findall(r"([\d.]+) % (\[[^\]]+\])", path.read_text(encoding="utf-8"))
    ]
    assert quoted
    assert not [(name, result) for name, result in quoted if " ".join(result) not in tables]


def test_nothing_is_left_to_put_in(hooks):
    made = {
        path.name: hooks.on_page_markdown(path.read_text(encoding="utf-8"))
        for path in (ROOT / "docs").rglob("*.md")
    }
    assert not [name for name, page in made.items() if "<!-- here" in page or "```math" in page]
    assert "### any-cell on scenario paper, up to 50 users" in made["any-cell.md"]


def test_formulas(hooks):
    displayed = hooks.on_page_markdown("before\n\n```math\n\\frac{a}{b}\n```\n")
    assert re.search(r'<div class="formula"><math [^>]*display="block">.*<mfrac>', displayed)
    within = hooks.on_page_content("<p>with $<code>a &lt; b</code>$, <code>x</code> and 5 $</p>")
    assert re.search(r"<p>with <math .*<mo>&#x0003C;</mo>.*</math>, <code>x</code> and 5 \$</p>", within, re.DOTALL)


@pytest.mark.parametrize(
    "page",
    [
        '<script src="https://elsewhere.org/x.js"></script>',
        '<img alt="" src="//elsewhere.org/x.png">',
        '<link rel="stylesheet" href="https://elsewhere.org/x.css">',
        '<link href="https://elsewhere.org" rel="preconnect">',
    ],
)
def test_what_would_be_fetched_from_elsewhere_is_refused(page, hooks):
    class Page:
        class file:
            src_uri = "page.md"

    with pytest.raises(Exception, match=r"page\.md fetches from elsewhere"):
        hooks.on_post_page(page, Page)
    local = '<a href="https://elsewhere.org">x</a><img src="x.png"><link rel="stylesheet" href="site.css">'
    assert hooks.on_post_page(local, Page) == local

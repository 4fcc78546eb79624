"""What the site shows that no page has to repeat: the settings of the preset, the shipped card, formulas as MathML.

MkDocs calls these while it builds. On GitHub, formulas are drawn from the same source by GitHub itself.
"""

import html
import json
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError

from genedge.scenario import load_scenario
from genedge.settings.words import unit_of

CARD = Path(__file__).parents[1] / "src" / "genedge" / "policies" / "learned.md"

SETTINGS_HERE = "<!-- here: settings of the preset paper -->"
CATALOGUE_HERE = "<!-- here: catalogue of the preset paper -->"
CARD_HERE = "<!-- here: card of the shipped policy -->"

# What a browser would fetch from elsewhere; a link that a reader may follow is none of these.
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(?:https?:)?//"""
    r"""|<link\b(?=[^>]*\brel=["']?(?:stylesheet|preconnect|icon|preload))[^>]*\bhref=["']?(?:https?:)?//"""
)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Puts tables in their places, and displayed formulas.

    Args:
        markdown: a page as written.
    """
    for place, made in ((SETTINGS_HERE, settings), (CATALOGUE_HERE, catalogue), (CARD_HERE, card)):
        if place in markdown:
            markdown = markdown.replace(place, made())
    return re.sub(r"^```math\n(.*?)^```$", _displayed, markdown, flags=re.DOTALL | re.MULTILINE)


def on_page_content(content: str, **_: Any) -> str:
    """Puts formulas within the text: what GitHub writes as $`x`$.

    Args:
        content: a page as HTML.
    """
    return re.sub(r"\$<code>(.*?)</code>\$", lambda found: convert(html.unescape(found[1])), content)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Refuses a page that needs the network to be read.

    Args:
        output: the page as it will be written.
        page: where it comes from.
    """
    if found := FETCHED.search(output):
        raise PluginError(f"{page.file.src_uri} fetches from elsewhere: {found[0]}")
    return output


def _displayed(found: re.Match[str]) -> str:
    formula = convert(" ".join(found[1].split()), display="block")
    return f'<div class="formula">{formula}</div>'


def settings() -> str:
    """Every setting of the preset `paper`, with its unit and provenance, a table for each section."""
    lines, section = [], None
    for key, setting in load_scenario("paper").table.items():
        if key.partition(".")[0] != section:
            section = key.partition(".")[0]
            lines += ["", f"### `{section}`", ""]
            lines += ["| setting | value | unit | provenance | note |", "|---|---|---|---|---|"]
        cells = (f"`{key}`", f"`{json.dumps(setting.value)}`", unit_of(key), setting.provenance, setting.note)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def catalogue() -> str:
    """The models that the preset's seed draws."""
    models = load_scenario("paper").models
    columns = [key for key in type(models[0]).model_fields if key != "curve"]
    lines = [f"| model | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    for m, model in enumerate(models):
        lines.append(f"| {m} | {' | '.join(f'{getattr(model, key):.4g}' for key in columns)} |")
    return "\n".join(lines)


def card() -> str:
    """The card of the policy that ships with the package, two levels down."""
    return re.sub(r"^#", "###", CARD.read_text(encoding="utf-8"), flags=re.MULTILINE)

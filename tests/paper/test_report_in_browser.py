"""The report in a real browser, headless: no errors on the console, every figure there, readable on a phone."""

import pytest
from made_up import write_made_up_report

from genedge.paper.sections import SECTIONS

PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}

pytestmark = pytest.mark.heavy("playwright", "chromium")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return write_made_up_report(tmp_path_factory.mktemp("report"), SECTIONS)


@pytest.mark.parametrize("screen", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_it_opens(report, browser, screen):
    page = browser.new_page(viewport=screen)
    errors, requests = [], []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(report.as_uri())
    assert not errors
    assert {url.partition(":")[0] for url in requests} <= {"file", "data"}

    images = page.locator("section figure:not(.genedge-player) img")
    assert images.count() == 22
    drawn = images.evaluate_all(
        "all => all.map(i => [i.complete, i.naturalWidth, i.getBoundingClientRect().width])"
    )
    for complete, natural, shown in drawn:
        assert complete
        assert natural > 800
        # Nothing is wider than the screen, and no figure so small that its letters cannot be read.
        assert 340 <= shown <= screen["width"]
    player = page.locator(".genedge-player").first
    player.get_by_role("button", name="Next slot").click()
    assert "2 of 2" in player.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= screen["width"]
    assert page.locator("#outcome").bounding_box()["y"] < screen["height"] / 2

    line = page.locator(".folded tbody tr").first
    one_line = line.bounding_box()["height"]
    assert one_line <= (45 if screen == DESKTOP else 130)
    line.locator("summary").focus()
    page.keyboard.press("Enter")
    assert line.locator("dd").last.is_visible()
    assert line.bounding_box()["height"] > one_line
    assert page.evaluate("document.documentElement.scrollWidth") <= screen["width"]
    # Nothing in it covers anything else of it.
    boxes = line.locator("summary, dl, td:not(:first-child)").evaluate_all(
        """all => all.map(e => {
            const text = document.createRange();
            text.selectNodeContents(e);
            const r = text.getBoundingClientRect();
            return [r.left, r.top, r.right, r.bottom];
        })"""
    )
    for i, (left, top, right, bottom) in enumerate(boxes):
        for other in boxes[i + 1 :]:
            apart = right <= other[0] + 1 or other[2] <= left + 1 or bottom <= other[1] + 1 or other[3] <= top + 1
            assert apart, (boxes[i], other)
    letters = page.locator("p, td, figcaption").evaluate_all(
        "all => Math.min(...all.map(e => parseFloat(getComputedStyle(e).fontSize)))"
    )
    assert letters >= 12
    page.close()

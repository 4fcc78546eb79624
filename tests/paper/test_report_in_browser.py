"""The report in a real browser, headless: no errors on the console, every figure there, readable on a phone."""

import pytest
from installed import CHROMIUM
from made_up import write_made_up_report

from genedge.paper.sections import SECTIONS

# No look-ups of its own: the page needs no network, and there may be none.
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}

pytestmark = pytest.mark.heavy("playwright", "chromium")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return write_made_up_report(tmp_path_factory.mktemp("report"), SECTIONS)


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


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
    assert images.count() == 20
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
    letters = page.locator("p, td, figcaption").evaluate_all(
        "all => Math.min(...all.map(e => parseFloat(getComputedStyle(e).fontSize)))"
    )
    assert letters >= 12
    page.close()

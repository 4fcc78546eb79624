"""The page in a real browser, headless: it opens from disk, asks for nothing, and every picture is there."""

import pytest
from made_up_testbed import made_up_run

from genedge.testbed.summary import summary
from genedge.testbed.written import write

PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
POLICIES = ("knapsack", "<b>mine</b>")

pytestmark = pytest.mark.heavy("playwright", "chromium")


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    ran = made_up_run(folder, POLICIES, 3)
    write(folder, ran, summary(ran.rows))
    return folder / "page.html"


@pytest.mark.parametrize("screen", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens(html, browser, screen, scheme):
    page = browser.new_page(viewport=screen, color_scheme=scheme)
    errors, requests = [], []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(html.as_uri())
    assert not errors
    assert {url.partition(":")[0] for url in requests} <= {"file", "data"}
    # A picture sent and one back for each policy, of two users in three slots; and the figure.
    images = page.locator("img").evaluate_all("all => all.map(i => [i.complete, i.naturalWidth])")
    assert len(images) == 3 * 2 * (1 + len(POLICIES)) + 1
    assert all(complete and natural > 0 for complete, natural in images)
    assert page.evaluate("document.documentElement.scrollWidth") <= screen["width"]

    # Of slots the first is open; the others open.
    second = page.locator("details").nth(1)
    assert not second.locator("img").first.is_visible()
    second.locator("summary").click()
    assert second.locator("img").first.is_visible()
    # Names of policies are text, whatever stands in them.
    assert page.locator("b", has_text="mine").count() == 0
    assert "<b>mine</b>" in page.locator("body").inner_text()
    page.close()


def test_beside_each_picture_stands_what_it_took(html, browser):
    page = browser.new_page(viewport=DESKTOP)
    page.goto(html.as_uri())
    cell = page.locator(".pictures").first.locator("tbody tr").first.locator("td").nth(1)
    said = cell.inner_text()
    assert "station, 10 steps" in said
    assert "quality" in said
    assert said.count("(") == 2
    assert "cloud" in page.locator(".pictures").first.locator("tbody tr").nth(1).inner_text()
    body = page.locator("body").inner_text()
    assert "senders paced themselves (network namespaces take root's rights)" in body
    assert "A second of the scenario took 1.25 s" in body
    page.close()

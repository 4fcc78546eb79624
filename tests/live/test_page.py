"""The page of a live box in a real browser: what it shows is what the box says, on a desk and on a phone."""

import threading

import pytest
from live_server import live, until

pytestmark = pytest.mark.heavy("playwright", "chromium", "starlette", "uvicorn", "httpx", "prometheus_client")

WIDE, PHONE = {"width": 1000, "height": 900}, {"width": 360, "height": 740}
SLOW, KEY = 3.0, "a key"
BOX = """
name: studio
gpus: [{{memory_gb: 4}}]
models:
  defaults: {{memory_gb: 2, load_s: 0.2, B1_s_per_step: 0, B2_s: 0.001,
    worker: {{command: "{python} {echo} {{port}} 0", health: /healthz}}}}
  a: {{}}
  b: {{}}
  a-model-whose-name-is-longer-than-a-phone-is-wide: {{memory_gb: 3}}
"""
LONG = "a-model-whose-name-is-longer-than-a-phone-is-wide"

# Texts of one picture that lie on each other.
OVERLAPS = """() => [...document.querySelectorAll("svg")].flatMap(svg => {
  const boxes = [...svg.querySelectorAll("text")].map(e => [e.textContent, e.getBoundingClientRect()]);
  return boxes.flatMap(([one, a], i) => boxes.slice(i + 1).filter(([, b]) => a.left < b.right - 1
    && b.left < a.right - 1 && a.top < b.bottom - 4 && b.top < a.bottom - 4).map(([other]) => `${one} / ${other}`));
})"""
WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    with live(tmp_path_factory.mktemp("box"), "--shadow", "fifo+lru,ollama", "--quiet", box=BOX) as served:
        for model in ("a", "b", LONG, "b", "a", LONG):
            assert served.ask(model, takes_s=0.05).status_code == 200
        assert served.ask("zz").status_code == 404
        until(lambda: any(each["requests"] == 6 for each in served.box()["shadows"]), within_s=120)
        yield served


def opened(browser, url, size):
    """A page that has shown the box, and what its console said."""
    page = browser.new_page(viewport=size)
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(url)
    page.wait_for_function("() => document.getElementById('numbers').children.length")
    return page, said


def cells(page, rows):
    """Texts of a table's cells."""
    found = page.query_selector_all(rows)
    return [[cell.inner_text() for cell in row.query_selector_all("td")] for row in found]


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["desk", "phone"])
def test_it_shows_what_the_box_says(browser, box, size):
    page, said = opened(browser, box.url, size)
    state = box.box()
    assert page.text_content("#name") == "genedge live: studio"
    tiles = page.query_selector_all("#numbers > div")
    numbers = {each.query_selector("span").inner_text(): each.query_selector("b").inner_text() for each in tiles}
    assert numbers["served here"] == "6"
    assert numbers["loads"] == str(state["loads"])
    parts = state["parts"]
    assert float(numbers["mean delay"].removesuffix(" s")) == pytest.approx(sum(parts.values()), abs=0.006)
    assert [each.inner_text() for each in page.query_selector_all("#partsLegend span")] == [
        f"generation {parts['generation_s']:.2f} s", f"queue {parts['queue_s']:.2f} s",
        f"own load {parts['own_load_s']:.2f} s", f"others' loads {parts['others_loads_s']:.2f} s",
    ]  # fmt: skip

    # One striped piece for each load, and a dot for each request, in the memory's picture.
    assert page.locator("#memory rect[fill='url(#own)']").count() == state["loads"]
    assert page.locator("#memory circle").count() == 6
    assert "models hold" in page.inner_text("#memory p")
    assert page.locator("#queue path").count() == 1
    assert page.inner_text("#waiting") == "Nobody."

    # What was given up for the large one, and why, the last first.
    left = cells(page, "#left tr")
    went = {}
    for each in sorted((each for gpu in state["gpus"] for each in gpu["left"]), key=lambda each: -each["left"]):
        went.setdefault((each["left"], each["why"]), []).append(each["model"])
    assert [row[1] for row in left] == [f"{', '.join(models)} left: {why}" for (_, why), models in went.items()]
    assert f"{LONG} needs 3000 MB, 0 of 4000 MB were free; given up: " in left[-1][1]

    # What others would have cost, and nobody could go below; Prometheus hears it, too.
    rows = cells(page, "#shadows tr")
    assert [row[0] for row in rows[:2]] == ["fifo+lru", "ollama"]
    assert rows[2][0].startswith("nobody's is less")
    for row, shadow in zip(rows[:2], state["shadows"], strict=False):
        each_s = shadow["mean_s"] - shadow["lived_s"]
        assert row[2] == f"{'saves' if each_s >= 0 else 'costs'} {abs(each_s):.2f} s"
        assert row[3].removesuffix(" s") == f"{abs(each_s) * 6:.2f}"
    assert page.locator("#beside rect").count() == 3
    saved = state["shadows"][0]["mean_s"] - state["shadows"][0]["lived_s"]
    line = f'genedge_shadow_saved_seconds{{scheduler="fifo+lru"}} {saved}'
    assert line in box.client.get("/metrics").text

    assert page.evaluate(WIDER) <= 0
    assert page.evaluate(OVERLAPS) == []
    assert said == []
    page.close()


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["desk", "phone"])
def test_it_shows_who_waits(browser, box, size):
    page, said = opened(browser, box.url, size)
    asked = [("a", "u"), ("b", "u"), ("b", "v"), (LONG, "w")]
    threads = [
        threading.Thread(target=lambda m=model, u=user: box.ask(m, takes_s=SLOW, user=u)) for model, user in asked
    ]
    for thread in threads:
        thread.start()
    page.wait_for_function("() => [...document.querySelectorAll('#waiting tr')].length == 2")
    rows = {row[0]: row[1:3] for row in cells(page, "#waiting tr")}
    assert rows in ({"b": ["2", "2"], LONG: ["1", "1"]}, {"a": ["1", "1"], LONG: ["1", "1"]}), rows
    assert page.evaluate(WIDER) <= 0
    assert page.evaluate(OVERLAPS) == []
    for thread in threads:
        thread.join()
    page.wait_for_function("() => document.getElementById('waiting').innerText == 'Nobody.'")
    assert said == []
    page.close()


def test_a_key_is_given_with_the_address_and_a_box_that_is_gone_is_told(browser, tmp_path):
    with live(tmp_path, "--quiet", environment={"GENEDGE_KEY": KEY}) as locked:
        # The page holds nothing that is not public; what it asks for does.
        page = browser.new_page()
        page.goto(locked.url)
        page.wait_for_function("() => document.getElementById('error').innerText.includes('#key=')")
        page.close()
        page, _ = opened(browser, f"{locked.url}#key={KEY}", WIDE)
        assert page.inner_text("#error") == ""
    page.wait_for_function("() => document.getElementById('error').innerText.includes('does not answer')")
    page.close()

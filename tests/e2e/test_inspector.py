"""The inspector's page in a real headless Chromium: it loads, follows what happens, and can be used by keyboard alone."""

import itertools
import os
import struct
from pathlib import Path
from urllib.parse import quote

import pytest
from selenium.webdriver import Keys
from selenium.webdriver.common.by import By

from browser import Page, chromium, is_clean  # noqa: F401 (a fixture)
from support import check_applied, check_kept, http

INSPECTOR = os.environ.get("E2E_INSPECTOR", "")
INSPECTED = os.environ.get("E2E_INSPECTED", "")
"""Keeps text."""
INSPECTOR_SCORES = os.environ.get("E2E_INSPECTOR_SCORES", "")
INSPECTED_SCORES = os.environ.get("E2E_INSPECTED_SCORES", "")
"""Keeps ids and scores, the default."""
INSPECTOR_DOWN = os.environ.get("E2E_INSPECTOR_DOWN", "")
INSPECTED_DOWN = os.environ.get("E2E_INSPECTED_DOWN", "")
"""Its database is not there."""
COLLECTION = "demo"
pytestmark = pytest.mark.skipif(not INSPECTOR, reason="E2E_INSPECTOR and its like are set by `run`")
fresh_words = itertools.count()


@pytest.fixture
def page(chromium):
    """At the end, whatever was done: no error and nothing asked of another host."""
    yield Page(chromium, INSPECTOR)
    is_clean(chromium)


@pytest.fixture
def page_without_text(chromium):
    yield Page(chromium, INSPECTOR_SCORES)
    is_clean(chromium)


@pytest.fixture(scope="module")
def vectors():
    body = {"limit": 60, "with_vector": True}
    points = http("POST", f"{INSPECTED}/collections/{COLLECTION}/points/scroll", body).json()["result"]["points"]
    return [[float(one) for one in point["vector"]] for point in points]


def search(url, vector, query, limit=10):
    headers = {"x-rerank-query": quote(query)}
    return http("POST", f"{url}/collections/{COLLECTION}/points/query", {"query": vector, "limit": limit}, headers)


def a_query(words="water in the kettle"):
    """One that nobody has asked before, so that no score of it is known."""
    return f"{words} {next(fresh_words)}x{os.getpid()}"


def test_a_search_that_just_happened_is_there_and_the_list_follows_what_comes(page, vectors):
    assert page.browser.title == "rerankd inspector"
    first, second = a_query(), a_query()
    response = search(INSPECTED, vectors[0], first)
    check_applied(response.headers)
    row = page.row_of(first)
    assert "reranked" in row.text and COLLECTION in row.text and "50 hits" in row.text
    search(INSPECTED, vectors[1], second)
    page.row_of(second)
    rows = [row.text for row in page.all("#rows button")]
    assert second in rows[0] and first in rows[1], "the latest comes first"
    page.wait(lambda: "/s" in page.one("#tiles").text, "no rate was told")


def test_an_opened_search_shows_every_candidate_before_and_after_as_the_client_got_them(page, vectors):
    query = a_query()
    response = search(INSPECTED, vectors[2], query)
    ids = [point["id"] for point in response.json()["result"]["points"]]
    page.open(query)
    after = page.wait(lambda: page.all(".after button"), "nothing was opened")
    shown = [one.find_element(By.CSS_SELECTOR, ".id").text for one in after]
    assert shown[:10] == ids
    before = [one.text for one in page.all(".column:not(.after) .id")]
    direct = search(INSPECTED, vectors[2], "").json()["result"]["points"]
    assert before[:10] == [point["id"] for point in direct], "the database's own order"
    assert sorted(before) == sorted(shown) and len(shown) == 50
    assert len(page.all(".lines path")) == 50
    assert {one.text for one in page.all(".after .mark")} == {"fresh"}
    assert "database" in page.one(".times").text and "ms" in page.one(".times").text
    # The same again: every score is known by now.
    search(INSPECTED, vectors[2], query)
    page.wait(lambda: sum(query in row.text for row in page.all("#rows button")) == 2, "the second never came")
    page.open(query)
    page.wait(lambda: {one.text for one in page.all(".after .mark")} == {"cache"}, "no cache marks")


def test_an_opened_search_says_how_likely_its_best_hit_is_relevant(page, vectors):
    query, nonsense = a_query("kettle"), a_query("brillig slithy toves")
    told = search(INSPECTED, vectors[9], query).headers["x-rerank-confidence"]
    assert search(INSPECTED, vectors[9], nonsense).headers["x-rerank-nothing-relevant"] == "true"
    page.open(query)
    page.wait(lambda: f"with a probability of {float(told):.0%}".replace("%", " %") in page.one(".facts").text, told)
    assert "relevant" not in page.one(".sentence").text
    page.open(nonsense)
    page.wait(lambda: "Nothing is relevant enough" in page.one(".sentence").text, "the sentence does not say so")
    assert "The response says so." in page.one(".sentence").text


def test_everything_can_be_done_by_keyboard(page, vectors):
    query = a_query()
    search(INSPECTED, vectors[3], query)
    page.row_of(query)
    row = None
    for _ in range(12):
        page.press(Keys.TAB)
        if page.focused().get_attribute("data-number"):
            row = page.focused()
            break
    assert row is not None and query in row.text, "the list is one tab stop, on the latest"
    page.press(Keys.ARROW_DOWN, Keys.HOME, Keys.ENTER)
    page.wait(lambda: page.focused().get_attribute("id") == "opened-title", "the opened search has the focus")
    for _ in range(4):
        page.press(Keys.TAB)
        if page.focused().get_attribute("aria-expanded"):
            break
    page.press(Keys.ARROW_DOWN)
    candidate = page.focused()
    assert "place 2, was " in candidate.accessible_name
    page.press(Keys.ENTER)
    assert candidate.get_attribute("aria-expanded") == "true"
    assert page.one(".candidate .document").text.startswith("title: ")
    assert len(page.all(".lines .chosen")) == 1, "its line stands out"
    page.press(Keys.ESCAPE)
    assert page.focused().get_attribute("data-number") == row.get_attribute("data-number"), "back where it was opened"
    assert not page.one("#opened").is_displayed()


HELD = """const own = window.fetch; window.held = [];
window.fetch = async (path, ...more) => {
  const response = await own(path, ...more);
  if (path === "/api/searches") await new Promise((resolve) => window.held.push(resolve));
  return response;
};"""


def test_a_search_that_comes_while_the_list_is_fetched_stays(page, vectors, chromium):
    script = chromium.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": HELD})
    try:
        page = Page(chromium, INSPECTOR)
        page.wait(lambda: chromium.execute_script("return held.length") == 1, "the list was not asked for")
        query = a_query()
        search(INSPECTED, vectors[8], query)
        page.row_of(query)
        chromium.execute_script("held.forEach((go) => go())")
        page.wait(lambda: len(page.all("#rows button")) > 1, "the list did not come")
        assert page.row_now(query)
    finally:
        chromium.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def test_a_pause_holds_the_list_still_until_it_is_over(page, vectors):
    page.one("#pause").click()
    query = a_query()
    search(INSPECTED, vectors[4], query)
    page.wait(lambda: page.one("#pause").text == "Resume, 1 new", "the new one was not counted")
    assert query not in page.one("#rows").text
    page.one("#pause").click()
    page.row_of(query)


def test_a_search_that_kept_its_order_says_why_in_plain_words(page, vectors):
    response = http("POST", f"{INSPECTED}/collections/{COLLECTION}/points/query", {"query": vectors[0], "limit": 3})
    check_kept(response.headers, "no_query")
    page.open("carries no query text")
    page.wait(lambda: "order was kept" in page.one("#opened").text, "it was not opened")
    page.browser.find_element(By.XPATH, "//label[contains(., 'Order kept')]").click()
    rows = [row.text for row in page.all("#rows button") if row.is_displayed()]
    assert rows and all("order kept" in row for row in rows)


def test_markup_in_a_query_stays_text(page, vectors):
    query = f"<img src=x onerror=document.title='taken'> {a_query()}"
    search(INSPECTED, vectors[5], query)
    page.open("<img src=x")
    page.wait(lambda: "<img src=x" in page.one("#opened").text, "it was not opened")
    assert page.browser.title == "rerankd inspector" and not page.all("#opened img, #rows img")


def test_the_banner_says_what_is_kept_and_by_default_no_text_is(page_without_text, vectors):
    page = page_without_text
    page.wait(lambda: "no query and no document text" in page.one("#capture").text, "the banner does not say so")
    query = a_query("canary of the mine")
    check_applied(search(INSPECTED_SCORES, vectors[6], query).headers)
    page.open("reranked")
    page.wait(lambda: page.all(".after button"), "it was not opened")[0].click()
    assert "inspector.capture is scores" in page.one(".candidate").text
    assert "canary" not in page.browser.page_source


def test_hits_have_titles_where_text_is_kept_and_ids_alone_where_it_is_not(page, vectors, chromium):
    query = a_query()
    search(INSPECTED, vectors[7], query)
    page.open(query)
    page.wait(lambda: page.all(".after button"), "it was not opened")
    titles = [one.text for one in page.all(".after .title")]
    assert len(titles) == 50 and all(len(title) > 3 and ":" not in title[:6] for title in titles), titles
    assert titles[0] in page.all(".after button")[0].accessible_name
    search(INSPECTED_SCORES, vectors[7], query)
    page = Page(chromium, INSPECTOR_SCORES)
    page.open("reranked")
    page.wait(lambda: page.all(".after button"), "it was not opened")
    assert page.all(".after .id") and not page.all(".title")


def test_a_search_that_failed_is_listed_and_the_upstream_fails_as_long_as_it_does(chromium, vectors):
    response = http("POST", f"{INSPECTED_DOWN}/collections/{COLLECTION}/points/query", {"query": vectors[0], "limit": 3},
                  {"x-rerank-query": "who is there"})
    assert response.status == 502
    page = Page(chromium, INSPECTOR_DOWN)
    row = page.row_of("failed")
    assert "it refuses connections, the client got 502" in row.text and "who is there" in row.text
    tile = page.one(".tile.bad")
    assert "Upstream" in tile.text and "failing" in tile.text and "it refuses connections, since " in tile.text
    page.browser.find_element(By.XPATH, "//label[contains(., 'Failed')]").click()
    assert len([row for row in page.all("#rows button") if row.is_displayed()]) == 1
    page.browser.find_element(By.XPATH, "//label[contains(., 'Order kept')]").click()
    assert not [row for row in page.all("#rows button") if row.is_displayed()]
    page.browser.find_element(By.XPATH, "//label[contains(., 'All')]").click()
    page.open("failed")
    page.wait(lambda: "The search failed: it refuses connections" in page.one("#opened").text, "it was not opened")
    is_clean(chromium)


def test_a_picture_for_the_readme(chromium, vectors):
    page = Page(chromium, os.environ["E2E_INSPECTOR_PICTURE"])
    proxy = os.environ["E2E_INSPECTED_PICTURE"]
    questions = [
        "how do I get my bike tyre to hold air again", "my knee hurts after cycling", "white crust in the electric kettle",
        "radiator is cold at the top and makes noise", "leaves of my plants are turning yellow",
    ]
    for at, question in enumerate(questions):
        search(proxy, vectors[at], question)
    http("POST", f"{proxy}/collections/{COLLECTION}/points/query", {"query": vectors[0], "limit": 3})
    last = "make old bread soft and warm again in the oven"
    search(proxy, vectors[20], last, 8)
    # A neighbour of it has most of the same candidates: of these the scores are known.
    search(proxy, vectors[21], last, 8)
    page.wait(lambda: sum(last in row.text for row in page.all("#rows button")) == 2, "not all have come")
    page.open(last)
    page.wait(lambda: page.all(".after button"), "it was not opened")
    tiles = page.one("#tiles")
    page.wait(lambda: "7 so far" in tiles.text and "–" not in tiles.text, "the tiles do not tell of it")
    chromium.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    page.look(1280, 1180, "light")
    page.browser.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
    picture = page.browser.get_screenshot_as_png()
    width, height = struct.unpack(">II", picture[16:24])
    assert (width, height) == (1280, 1180) and len(picture) > 20_000
    Path(os.environ["E2E_SCREENSHOT"]).write_bytes(picture)
    is_clean(chromium)

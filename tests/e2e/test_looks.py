"""How the inspector and the report look in a real headless Chromium: in four windows, light and dark, nothing is cut off,
too small or too faint, and every line of the inspector's figure meets its rows."""

import base64
import os
import subprocess
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from browser import Page, chromium, is_clean, look  # noqa: F401 (a fixture)
from support import http
from test_inspector import COLLECTION, INSPECTED, INSPECTED_SCORES, INSPECTOR, INSPECTOR_SCORES, a_query, search, vectors  # noqa: F401

pytestmark = pytest.mark.skipif(not INSPECTOR, reason="E2E_INSPECTOR and its like are set by `run`")
MEASURE = (Path(__file__).parent / "measure.js").read_text()
WINDOWS = [(320, 720), (768, 1024), (1300, 900), (2560, 1440)]
SCHEMES = ["light", "dark"]
WAYS = [(*window, scheme) for window in WINDOWS for scheme in SCHEMES]
KEEPS = [*((*way, "text") for way in WAYS), (320, 720, "light", "scores"), (1300, 900, "dark", "scores")]
PICTURES = os.environ.get("E2E_PICTURES", "")


def check(browser, name):
    """Nothing is wrong with how the page looks now. Keeps a picture of all of it where that is wanted."""
    if PICTURES:
        command = browser.execute_cdp_cmd
        size = command("Page.getLayoutMetrics", {})["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 4000), "scale": 1}
        shot = command("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        (Path(PICTURES) / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))
    problems = browser.execute_script(MEASURE + "return problems();")
    assert problems == [], "\n".join(problems)


def settled(page):
    """The lines are drawn anew behind a change of the window: two frames later they are."""
    page.browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")


@pytest.mark.parametrize("width,height,scheme,keeps", KEEPS)
def test_the_inspector_can_be_read_and_its_lines_meet_their_rows(chromium, vectors, width, height, scheme, keeps):  # noqa: F811
    proxy, inspector = {"text": (INSPECTED, INSPECTOR), "scores": (INSPECTED_SCORES, INSPECTOR_SCORES)}[keeps]
    search(proxy, vectors[9], a_query("make old bread soft and warm again in the oven"), 8)
    http("POST", f"{proxy}/collections/{COLLECTION}/points/query", {"query": vectors[0], "limit": 3})
    http("POST", f"{proxy}/collections/none-of-this-name/points/query", {"query": vectors[0], "limit": 3}, {"x-rerank-query": "x"})
    page = Page(chromium, inspector)
    page.look(width, height, scheme)
    page.row_of("failed")
    check(chromium, f"inspector-{keeps}-{width}-{scheme}-list")
    page.open("reranked")
    page.wait(lambda: page.all(".after button"), "it was not opened")
    settled(page)
    drawn = chromium.execute_script(MEASURE + "return lines();")
    assert drawn["count"] == 50 and drawn["astray"] == []
    # An opened candidate moves all rows below it, and the lines with them.
    page.all(".after button")[2].click()
    page.one("#config summary").click()
    settled(page)
    drawn = chromium.execute_script(MEASURE + "return lines();")
    assert drawn["count"] == 50 and drawn["astray"] == []
    check(chromium, f"inspector-{keeps}-{width}-{scheme}")
    is_clean(chromium)


def test_the_lines_follow_the_window(chromium, vectors):  # noqa: F811
    search(INSPECTED, vectors[9], a_query(), 8)
    page = Page(chromium, INSPECTOR)
    page.open("reranked")
    page.wait(lambda: page.all(".after button"), "it was not opened")
    for width in (320, 500, 820, 821, 1024, 1300, 1500, 1920, 2560, 1280):
        page.look(width, 900, "light")
        settled(page)
        assert chromium.execute_script(MEASURE + "return lines();") == {"count": 50, "astray": []}, width


def test_every_control_of_the_inspector_has_a_name_and_shows_its_focus(chromium, vectors):  # noqa: F811
    search(INSPECTED, vectors[9], a_query(), 8)
    page = Page(chromium, INSPECTOR)
    page.open("reranked")
    page.wait(lambda: page.all(".after button"), "it was not opened")
    controls = [one for one in page.all("a, button, input, summary, pre[tabindex]") if one.is_displayed()]
    assert len(controls) > 50
    assert [one.get_attribute("outerHTML") for one in controls if not one.accessible_name.strip()] == []
    page.one("#pause").click()
    page.press("\ue004")
    seen = "const one = document.activeElement; const at = one.matches('input') ? one.nextElementSibling : one;" \
        " return [getComputedStyle(at).outlineStyle, getComputedStyle(at).outlineWidth]"
    assert chromium.execute_script(seen) == ["solid", "2px"]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    page = tmp_path_factory.mktemp("report") / "report.html"
    command = [os.environ["E2E_RERANKD"], "calibrate", "--demo", "--min-queries", "1", "--report", str(page)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return page.as_uri()


@pytest.mark.parametrize("width,height,scheme", WAYS)
def test_the_report_can_be_read(chromium, report, width, height, scheme):  # noqa: F811
    look(chromium, width, height, scheme)
    chromium.get(report)
    check(chromium, f"report-{width}-{scheme}")
    for details in chromium.find_elements(By.CSS_SELECTOR, "details:not([open]) > summary"):
        details.click()
    check(chromium, f"report-{width}-{scheme}-tables")
    assert chromium.get_log("browser") == []


def test_every_chart_of_the_report_has_words_and_a_table(chromium, report):  # noqa: F811
    look(chromium, 1300, 900, "light")
    chromium.get(report)
    figures = chromium.find_elements(By.CSS_SELECTOR, "figure")
    assert len(figures) == 9
    for figure in figures:
        image = figure.find_element(By.CSS_SELECTOR, "[role=img]")
        assert len(image.accessible_name) > 30, image.accessible_name
        assert len([one for one in figure.find_elements(By.CSS_SELECTOR, "svg") if one.is_displayed()]) == 1
        figure.find_element(By.CSS_SELECTOR, "summary").click()
        assert len(figure.find_elements(By.CSS_SELECTOR, "table tbody tr")) > 2


def test_the_suggestion_stands_first_and_one_click_marks_all_of_it(chromium, report):  # noqa: F811
    look(chromium, 1300, 900, "light")
    chromium.get(report)
    fragment = chromium.find_element(By.CSS_SELECTOR, "pre")
    assert fragment.location["y"] < 700
    fragment.click()
    marked = chromium.execute_script("return getSelection().toString()")
    assert marked.strip() == fragment.text.strip() and "routes:" in marked

"""A real headless Chromium, and the inspector's page in it."""

import os
import tempfile
from pathlib import Path
from urllib.parse import urlparse

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
           --disable-component-update --disable-sync --force-prefers-reduced-motion --lang=en-GB""".split()


@pytest.fixture(scope="module")
def chromium():
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    Path(os.environ["E2E_BROWSER_DATA"]).mkdir(exist_ok=True)
    for flag in [*FLAGS, f"--user-data-dir={tempfile.mkdtemp(dir=os.environ['E2E_BROWSER_DATA'])}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    yield browser
    browser.quit()


def look(browser, width, height, scheme):
    """From now on the window has this size and prefers this scheme."""
    command = browser.execute_cdp_cmd
    command("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    command("Emulation.setDeviceMetricsOverride", size)


class Page:
    def __init__(self, browser, url):
        self.browser, self.url = browser, url
        self.look(1280, 900, "light")
        browser.get(url)
        self.wait(lambda: self.one("#live").text == "Live", "the page never was live")

    def look(self, width, height, scheme):
        look(self.browser, width, height, scheme)

    def wait(self, what, otherwise):
        # The list is written anew whenever something comes: look again.
        waiting = WebDriverWait(self.browser, 15, poll_frequency=0.05, ignored_exceptions=[StaleElementReferenceException])
        return waiting.until(lambda _: what(), otherwise)

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def press(self, *keys):
        ActionChains(self.browser).send_keys(*keys).perform()

    def focused(self):
        return self.browser.switch_to.active_element

    def row_of(self, text):
        """The first row with this text, once it is there."""
        return self.wait(lambda: self.row_now(text), f"no row of {text!r}")

    def row_now(self, text):
        return next((row for row in self.all("#rows button") if text in row.text), None)

    def open(self, text):
        """Opens the first row with this text, once it is there."""
        def click():
            row = self.row_now(text)
            return row and (row.click() or True)
        self.wait(click, f"no row of {text!r}")


def is_clean(browser):
    assert browser.get_log("browser") == []
    asked = browser.execute_script("return performance.getEntriesByType('resource').map((one) => one.name)")
    here = urlparse(browser.current_url).netloc
    assert asked and all(urlparse(one).netloc == here for one in asked), asked

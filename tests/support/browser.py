"""A real Chromium, driven by Selenium, that reports every request it makes."""

import json
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_selenium_python import Axe
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.support.wait import WebDriverWait

PROGRAM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

needs_browser = pytest.mark.skipif(not (PROGRAM and DRIVER), reason="needs chromium and chromium-driver")

PATIENCE = 20
"""Seconds until what a page should show is missing."""


class Browser:
    """What a user does, and what a user sees."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        """Open a page."""
        self.driver.get(url)

    def size(self, width: int, height: int, *, dark: bool = False) -> None:
        """Be a screen of this size, which wants dark pages or light ones."""
        emulate = self.driver.execute_cdp_cmd
        emulate(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        emulate("Emulation.setEmulatedMedia", {"features": features})

    def find(self, selector: str) -> Any:
        """Wait for an element."""
        return self.until(lambda: next(iter(self.all(selector)), None), selector)

    def all(self, selector: str) -> list[Any]:
        """Return the elements that there are."""
        found: list[Any] = self.driver.find_elements("css selector", selector)
        return found

    def click(self, selector: str) -> None:
        """Click an element, which may be replaced meanwhile."""

        def clicked() -> bool:
            script = "const found = document.querySelector(arguments[0]); found?.click(); return Boolean(found);"
            return bool(self.driver.execute_script(script, selector))

        self.until(clicked, selector)

    def press(self, text: str) -> None:
        """Click the button with this text."""
        script = (
            "const found = [...document.querySelectorAll('button')].find(each => each.textContent === arguments[0]);"
            "found?.click(); return Boolean(found);"
        )
        self.until(lambda: self.driver.execute_script(script, text), text)

    def type(self, keys: str) -> None:
        """Press keys, wherever the focus is."""
        ActionChains(self.driver).send_keys(keys).perform()

    def focused(self) -> str:
        """Return the text of what has the focus."""
        return str(self.driver.execute_script("return document.activeElement.textContent"))

    def text(self, selector: str = "body") -> str:
        """Return what is shown of an element."""
        script = "return document.querySelector(arguments[0])?.innerText ?? ''"
        return str(self.driver.execute_script(script, selector))

    def wait_for(self, text: str, selector: str = "body") -> None:
        """Wait until an element shows a text."""
        self.until(lambda: text in self.text(selector), text)

    def until(self, condition: Any, what: str) -> Any:
        """Wait until something is so."""
        waiting = WebDriverWait(self.driver, PATIENCE, poll_frequency=0.05)
        return waiting.until(lambda _: condition(), f"{what!r} is missing in:\n{self.text()}")

    def hosts(self) -> set[str]:
        """Return the hosts of every request since the last call."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]
        return {urlsplit(url).netloc for url in sent}

    def complaints(self) -> list[str]:
        """Return what the console shows since the last call, such as what the policy forbids."""
        return [str(entry["message"]) for entry in self.driver.get_log("browser")]

    def violations(self) -> list[str]:
        """Return what axe finds."""
        axe = Axe(self.driver)
        axe.inject()
        found = axe.run()["violations"]
        return [f"{each['id']}: {[node['html'] for node in each['nodes']][:3]}" for each in found]


@contextmanager
def chromium() -> Generator[Browser]:
    """Start a browser with a profile of its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = PROGRAM or ""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for argument in (
            "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-proxy-server",
            "--force-prefers-reduced-motion", f"--user-data-dir={Path(profile)}",
        ):  # fmt: skip
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver: Any = webdriver.Chrome(options=options, service=Service(DRIVER))
        try:
            yield Browser(driver)
        finally:
            driver.quit()

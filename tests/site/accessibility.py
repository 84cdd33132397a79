"""Looks at the built site in Chromium, by axe: ``python -m tests.site.accessibility build/site``.

Five pages, on a wide and on a narrow screen, in light and dark: no violation of WCAG 2.2 A and AA, no horizontal
scrolling of the page, every diagram drawn, and nothing fetched from another host.
"""

import json
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.site.browser_scripts import AXE, fetch

PAGES = ("docs/index", "docs/tutorial", "docs/tracking", "docs/reference/client", "docs/reference/command-line")
WIDTHS = (1280, 400)
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


class Quiet(SimpleHTTPRequestHandler):
    """Serves the site without a log."""

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""


def browser() -> webdriver.Chrome:
    """Start Chromium."""
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    options.binary_location = shutil.which("chromium") or ""
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def violations(page: webdriver.Chrome, url: str, *, axe: str, width: int, theme: str) -> Iterator[str]:
    """Open a page and report what is wrong with it."""
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": width < WIDTHS[0]},
    )
    page.get(url)
    page.execute_script("document.body.dataset.theme = arguments[0]", theme)
    diagrams = len(page.find_elements(By.CSS_SELECTOR, "pre.mermaid"))
    WebDriverWait(page, 20).until(
        lambda _: len(page.find_elements(By.CSS_SELECTOR, "pre.mermaid svg")) == diagrams, f"{url}: diagrams not drawn"
    )
    page.execute_script(axe)
    result = page.execute_async_script(
        "const done = arguments[1]; axe.run({runOnly: arguments[0]}).then(done, error => done({error: `${error}`}))",
        TAGS,
    )
    for violation in result["violations"]:
        places = [node["target"] for node in violation["nodes"]]
        yield f"{violation['id']}: {violation['help']}: {json.dumps(places[:3])}"
    if page.execute_script("return document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        yield "the page scrolls sideways"
    fetched = page.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    yield from (f"fetched from another host: {name}" for name in fetched if not name.startswith(url[:17]))


def main(site: Path) -> int:
    """Print every problem; the exit code is 1 if there is one. Without Chromium, say so and succeed."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        print("no chromium and chromedriver (.ci/browser installs them): the pages were not looked at")
        return 0
    found = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as scratch:
        fetch(AXE, "package/axe.min.js", Path(scratch))
        axe = Path(scratch, "axe.min.js").read_text(encoding="utf-8")
    page = browser()
    try:
        for name in PAGES:
            for width in WIDTHS:
                for theme in ("light", "dark"):
                    url = f"http://127.0.0.1:{server.server_port}/{name}.html"
                    for problem in violations(page, url, axe=axe, width=width, theme=theme):
                        print(f"{name}, {width} pixels, {theme}: {problem}")
                        found += 1
    finally:
        page.quit()
        server.shutdown()
        server.server_close()
    print(f"{len(PAGES)} pages, {len(WIDTHS)} widths, light and dark: {found} problems")
    return min(found, 1)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

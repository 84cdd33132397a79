"""A real browser on a page of another origin can neither read nor change anything."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait

from kaspi_delivery_async.sandbox import Sandbox
from tests.support.described_api import Caller

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

ATTACK = """
<script>
async function attack(root) {
  const read = [];
  const tries = [
    ["GET", "/_sandbox/deliveries", {}], ["GET", "/_sandbox/requests", {}], ["POST", "/_sandbox/reset", {}],
    ["POST", "/_sandbox/reset", {mode: "no-cors"}], ["POST", "/_sandbox/deliveries/ID/cancel", {mode: "no-cors"}],
    ["GET", "/delivery/v1/deliveries/ID", {mode: "no-cors"}],
    ["GET", "/delivery/v1/deliveries/ID", {headers: {"x-api-key": "sandbox-key"}}],
    ["DELETE", "/_sandbox/requests", {}], ["GET", "/_sandbox/", {headers: {Accept: "text/html"}}],
    ["GET", "/_sandbox/page/deliveries/ID", {}], ["GET", "/_sandbox/changes", {}],
  ];
  for (const [method, path, options] of tries) {
    try { read.push(await (await fetch(root + path, {method, ...options})).text()); } catch (error) { read.push(""); }
  }
  await new Promise(done => { const image = new Image(); image.onerror = done; image.src = root + "/_sandbox/time"; });
  document.title = "done " + JSON.stringify(read);
}
attack("ROOT");
</script>
"""


@pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs chromium and chromium-driver")
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "rebound.test"])
async def test_a_page_of_another_origin_neither_reads_nor_changes_anything(name: str, tmp_path: Path) -> None:
    """The last name stands for one of an attacker that was made to resolve to this machine."""
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create()
        port = sandbox.root_url.rpartition(":")[2]

        async def page(_request: web.BaseRequest) -> web.Response:
            html = ATTACK.replace("ROOT", f"http://{name}:{port}").replace("ID", delivery_id)
            return web.Response(text=html, content_type="text/html")

        runner = web.ServerRunner(web.Server(page), shutdown_timeout=0.01)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            url = f"http://{name}:{runner.addresses[0][1]}/"
            title = await asyncio.to_thread(title_of, url, tmp_path)
        finally:
            await runner.cleanup()
        read = json.loads(title.removeprefix("done "))
        assert len(read) == 11
        assert not any("Aigerim" in text or delivery_id in text for text in read)
        assert sandbox.deliveries[delivery_id].status == "created"
        assert sandbox.requests.total == 1


def title_of(url: str, profile: Path) -> str:
    """Open a page and wait for its title to say that it is done."""
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER or ""
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", f"--user-data-dir={profile}",
        "--host-resolver-rules=MAP rebound.test 127.0.0.1", "--no-proxy-server",
    ):  # fmt: skip
        options.add_argument(argument)
    browser: Any = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        browser.get(url)
        WebDriverWait(browser, 30).until(lambda opened: opened.title.startswith("done "))
        return str(browser.title)
    finally:
        browser.quit()

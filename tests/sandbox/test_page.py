"""The sandbox's page without a browser: what it is made of, and whom it serves."""

import sys

import pytest

from kaspi_delivery_async.sandbox import Clock, Sandbox, ThreadedSandbox
from tests.support.described_api import Caller, Receiver

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
HOSTILE = [
    "<script>alert(1)</script>", "</td></table><img src=x onerror=alert(1)>", "{{ 7907 * 7919 }}", "a\u202eb\u2066c",
    "🚚" * 200, "x" * 10_000, "' onmouseover='alert(1)", '" autofocus onfocus="alert(1)', "&lt;b&gt;",
]  # fmt: skip


async def page(call: Caller, path: str = "/", *, status: int = 200) -> str:
    reply = await call("GET", f"/../_sandbox{path}", headers=HTML, check=False)
    assert reply.status == status
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    return reply.body.decode()


async def test_browsers_get_a_page_and_programs_the_index() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        assert "<!doctype html>" in await page(call)
        index = await call.control("GET", "/")
    assert index.json["status"] == "running"


async def test_a_page_may_load_nothing_from_elsewhere_and_be_framed_by_none() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        reply = await call("GET", "/../_sandbox/", headers=HTML, check=False)
    policy = reply.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert (reply.headers["X-Content-Type-Options"], reply.headers["Cache-Control"]) == ("nosniff", "no-store")
    assert b"style=" not in reply.body


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.test"}, {"Sec-Fetch-Site": "cross-site"}])
async def test_a_page_of_another_site_gets_nothing(headers: dict[str, str]) -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        for path in ("/", "/page/requests", "/page/app.js", "/changes"):
            reply = await call("GET", f"/../_sandbox{path}", headers=HTML | headers, check=False)
            assert reply.status == 403


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:12])
async def test_hostile_texts_are_shown_as_text(text: str) -> None:
    place = {"address": text, "contact": {"name": text, "phone": text}, "notes": text}
    parcel = {"description": text, "weightGrams": 1, "valueKzt": 1}
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create(externalOrderId=text, pickup=place, dropoff=place, parcel=parcel)
        await sandbox.cancel(delivery_id, reason=text)
        pages = [await page(call, path) for path in ("/", f"/page/deliveries/{delivery_id}", "/page/requests")]
    for shown in pages:
        assert "<script>alert" not in shown
        assert "<img" not in shown
        assert "' onmouseover='" not in shown
        assert '" autofocus' not in shown
        assert str(7907 * 7919) not in shown


async def test_phones_addresses_and_bodies_are_not_in_a_page() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create(key="key-1")
        about = await page(call, f"/page/deliveries/{delivery_id}")
        log = await page(call, "/page/requests")
    assert "Aigerim K." in about
    for hidden in ("701 000", "Satpayev", "727 000", "Dostyk"):
        assert hidden not in about + log
    assert "key-1" in log


async def test_lists_come_in_pages_with_what_was_searched_for() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        for number in range(120):
            await call.create(externalOrderId=f"Shop {number}")
        first = await page(call, "/?search=shop&status=created")
        older = await page(call, "/?search=shop&status=created&before=70")
        requests = await page(call, "/page/requests?before=70")
        empty = await page(call, "/?search=nothing")
        wrong = await page(call, "/?status=lost", status=400)
    assert (first.count("<tr id="), older.count("<tr id="), requests.count("<tr id=")) == (50, 50, 50)
    assert "search=shop&amp;status=created&amp;before=70" in first
    assert "search=shop&amp;status=created&amp;before=20" in older
    assert ">Newest</a>" in older
    assert "0 deliveries found" in empty
    assert "expected one of created" in wrong


async def test_ten_thousand_deliveries_are_found_and_paged() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        for _ in range(10_000):
            sandbox._service.create_example()
        assert "10000 deliveries" in await page(call)
        found = await page(call, "/?search=example-7777")
        last = await page(call, "/?before=10")
    assert "1 delivery found" in found
    assert ">example-10<" in last
    assert 'rel="next"' not in last


async def test_a_delivery_shows_its_requests_webhooks_and_moves() -> None:
    async with (
        Receiver(lambda _: 500) as receiver,
        Sandbox(webhook_url=receiver.url, clock=Clock.driven()) as sandbox,
        Caller(sandbox) as call,
    ):
        delivery_id = await call.create(key="key-1")
        await call("POST", "/v1/deliveries", key="key-1", json=sandbox.deliveries[delivery_id].request)
        await sandbox.advance(delivery_id, "accepted")
        shown = await page(call, f"/page/deliveries/{delivery_id}")
        attempts = await page(call, "/page/webhook-attempts")
        await sandbox.cancel(delivery_id)
        cancelled = await page(call, f"/page/deliveries/{delivery_id}")
    assert "replay</b>" in shown
    assert shown.count(">500<") == attempts.count(">500<") == 2
    assert [status for status in ("created", "in_transit", "cancelled") if f'id="move-{status}"' in shown] == [
        "in_transit", "cancelled",
    ]  # fmt: skip
    assert 'id="move-' not in cancelled


async def test_faults_and_settings_are_shown_without_hidden_keys() -> None:
    async with Sandbox(api_key="a-key", webhook_url="http://127.0.0.1:9/") as sandbox, Caller(sandbox) as call:
        sandbox.faults.add("create:503:count=2")
        faults, settings = await page(call, "/page/faults"), await page(call, "/page/settings")
        sandbox.hidden_settings = {"apiKey"}
        hidden = await page(call, "/page/settings")
        await call.control("PATCH", "/time", json={"speed": 60})
        faster = await page(call, "/page/faults")
    assert "create:status:count=2" in faults
    assert ("a-key" in settings, "a-key" in hidden) == (True, False)
    assert "$KASPI_API_KEY" in hidden
    assert "×60" in faster


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/page/nothing", 404), ("GET", "/page/deliveries/dlv_none", 404), ("POST", "/page/requests", 405),
     ("GET", "/page/templates/base.html", 404), ("GET", "/page/../page/app.py", 404)],
)  # fmt: skip
async def test_what_is_not_there_is_said_as_a_page(method: str, path: str, status: int) -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        reply = await call(method, f"/../_sandbox{path}", headers=HTML, check=False)
    assert (reply.status, b"Nothing here" in reply.body) == (status, True)


async def test_scripts_and_styles_come_from_the_sandbox() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        types = [
            (await call("GET", f"/../_sandbox/page/{name}", headers={}, check=False)).headers["Content-Type"]
            for name in ("app.js", "app.css", "icon.svg")
        ]
    assert [each.partition(";")[0] for each in types] == ["text/javascript", "text/css", "image/svg+xml"]


async def test_without_the_extra_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, "kaspi_delivery_async.sandbox.page.pages", raising=False)
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        reply = await call("GET", "/../_sandbox/", headers=HTML, check=False)
        assert (await call.control("GET", "/")).status == 200
    assert reply.status == 501
    assert reply.body.decode().splitlines() == [
        'the page of the sandbox requires Jinja2: pip install "kaspi-delivery-async[sandbox-page]"'
    ]


async def test_the_page_of_a_sandbox_on_a_thread_is_the_same() -> None:
    async with ThreadedSandbox() as sandbox, Caller(sandbox) as call:
        assert "<!doctype html>" in await page(call)

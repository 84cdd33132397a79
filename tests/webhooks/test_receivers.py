"""Real servers of every framework receive webhooks over loopback, and respond as documented."""

import asyncio
import gzip
import logging
import time
import zlib
from collections.abc import AsyncGenerator, Callable
from functools import partial
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import aiohttp
import pytest
from django.core.wsgi import get_wsgi_application  # type: ignore[import-untyped]
from yarl import URL

from kaspi_delivery_async import ConfigurationError, DeliveryStatus, DeliveryWebhook
from kaspi_delivery_async.sandbox import Sandbox
from kaspi_delivery_async.webhooks import MemoryStore, WebhookInbox, WebhookVerifier
from kaspi_delivery_async.webhooks.receivers import responses
from kaspi_delivery_async.webhooks.receivers.bodies import BrokenBodyError, decode_body
from kaspi_delivery_async.webhooks.stored_events import Message
from tests.support.receiver_apps import SERVERS, Serve, django_urls, routed_django_server
from tests.support.webhook_messages import SECRET, body, headers


class SlowStore(MemoryStore):
    async def add(self, message: Message) -> bool:
        await asyncio.sleep(3600)
        return await super().add(message)


class DeadStore(MemoryStore):
    async def add(self, message: Message) -> bool:
        raise OSError(f"no space left for {message.key}")


class Handler:
    def __init__(self) -> None:
        self.events: asyncio.Queue[DeliveryWebhook] = asyncio.Queue()

    async def __call__(self, event: DeliveryWebhook) -> None:
        self.events.put_nowait(event)


@pytest.fixture(params=SERVERS)
def serve(request: pytest.FixtureRequest) -> Serve:
    return SERVERS[request.param]


@pytest.fixture
async def session() -> AsyncGenerator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


def inbox_with(store: Any = None, handler: Any = None) -> WebhookInbox:
    return WebhookInbox(WebhookVerifier([SECRET]), store=store or MemoryStore(), handler=handler)


async def post(session: aiohttp.ClientSession, url: str, raw: bytes, **more: Any) -> tuple[int, dict[str, str]]:
    signed = headers(raw, at=time.time()) | more
    async with session.post(url, data=raw, headers=signed) as response:
        return response.status, await response.json()


async def test_the_sandboxs_webhooks_arrive(serve: Serve, tmp_path: Path) -> None:
    handler = Handler()
    inbox = inbox_with(tmp_path / "events.sqlite", handler)
    async with serve(inbox) as url, Sandbox(webhook_secret=SECRET, webhook_url=url) as sandbox:
        async with aiohttp.ClientSession() as session:
            order = {
                "externalOrderId": "order-742",
                "pickup": {"address": "a", "contact": {"name": "n", "phone": "p"}},
                "dropoff": {"address": "a", "contact": {"name": "n", "phone": "p"}},
                "parcel": {"description": "d", "weightGrams": 1, "valueKzt": 1},
            }
            key = {"x-api-key": sandbox.api_key}
            async with session.post(f"{sandbox.base_url}/v1/deliveries", json=order, headers=key) as response:
                delivery_id = (await response.json())["deliveryId"]
        await sandbox.advance(delivery_id, DeliveryStatus.DELIVERED)
        async with asyncio.timeout(30):
            handled = [await handler.events.get() for _ in range(5)]
        attempts = list(sandbox.webhook_attempts)

    assert {event.data.status for event in handled} == set(DeliveryStatus) - {DeliveryStatus.CANCELLED}
    assert {event.data.delivery_id for event in handled} == {delivery_id}
    assert [attempt.status for attempt in attempts] == [200] * 5


async def test_the_same_event_a_hundred_times_at_once_is_handled_once(serve: Serve, tmp_path: Path) -> None:
    handler = Handler()
    inbox = inbox_with(tmp_path / "events.sqlite", handler)
    async with serve(inbox) as url, aiohttp.ClientSession() as session:
        responses = await asyncio.gather(*(post(session, url, body()) for _ in range(100)))
        async with asyncio.timeout(30):
            await handler.events.get()
        totals = await inbox.totals()

    assert sorted(given["result"] for _, given in responses) == ["duplicate"] * 99 + ["stored"]
    assert {status for status, _ in responses} == {200}
    assert (handler.events.qsize(), totals.duplicates) == (0, 99)


async def test_other_methods_are_refused(serve: Serve, session: aiohttp.ClientSession) -> None:
    async with serve(inbox_with()) as url, session.delete(url) as response:
        assert response.status == 405
        assert response.headers["Allow"] == "POST"


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json"])
async def test_other_media_types_are_refused(serve: Serve, session: aiohttp.ClientSession, media_type: str) -> None:
    async with serve(inbox_with()) as url:
        responses = await post(session, url, body(), **{"Content-Type": media_type})

    assert responses == (415, {"result": "unsupported_media_type"})


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "Application/JSON"])
async def test_a_json_media_type_is_taken_however_it_is_written(
    serve: Serve, session: aiohttp.ClientSession, media_type: str
) -> None:
    async with serve(inbox_with()) as url:
        assert await post(session, url, body(), **{"Content-Type": media_type}) == (200, {"result": "stored"})


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_is_taken_up_to_64_kib(serve: Serve, session: aiohttp.ClientSession, chunked: bool) -> None:
    async def pieces(raw: bytes) -> AsyncGenerator[bytes]:
        for start in range(0, len(raw), 10_000):
            yield raw[start : start + 10_000]

    responses: list[int] = []
    async with serve(inbox_with()) as url:
        for size in (64 * 1024, 64 * 1024 + 1):
            raw = body(padding="x" * (size - len(body(padding=""))))
            assert len(raw) == size
            data = pieces(raw) if chunked else raw
            async with session.post(url, data=data, headers=headers(raw, at=time.time())) as response:
                responses.append(response.status)

    assert responses == [200, 413]


async def test_a_bad_signature_is_refused(serve: Serve, session: aiohttp.ClientSession) -> None:
    inbox = inbox_with()
    async with serve(inbox) as url:
        responses = await post(session, url, body(), **{"X-Kaspi-Signature": "0" * 64})

    assert responses == (401, {"result": "signature_mismatch"})
    assert (await inbox.totals()).waiting == 0


async def test_a_genuine_message_that_cannot_be_read_is_refused_and_kept(
    serve: Serve, session: aiohttp.ClientSession
) -> None:
    inbox = inbox_with()
    async with serve(inbox) as url:
        assert await post(session, url, b"{}") == (400, {"result": "malformed_body"})

    assert [letter.body for letter in await inbox.dead_letters()] == [b"{}"]


async def test_a_store_that_is_down_gets_503_without_details(
    serve: Serve, session: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(inbox_with(DeadStore())) as url:
        assert await post(session, url, body()) == (503, {"result": "not_stored"})

    assert "no space left" in caplog.text


async def test_a_store_that_hangs_gets_503_in_time(
    serve: Serve, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responses, "STORE_LIMIT", 0.05)
    async with serve(inbox_with(SlowStore())) as url:
        assert await post(session, url, body()) == (503, {"result": "not_stored"})


def test_a_hanging_store_is_given_up_within_the_vendors_limit() -> None:
    assert responses.STORE_LIMIT < 5.0


async def test_a_missing_media_type_is_left_to_the_signature(serve: Serve) -> None:
    raw = body()
    signed = headers(raw, at=time.time())
    del signed["Content-Type"]
    async with (
        serve(inbox_with()) as url,
        aiohttp.ClientSession(skip_auto_headers=["Content-Type"]) as session,
        session.post(url, data=raw, headers=signed) as response,
    ):
        assert response.status == 200


async def in_pieces(raw: bytes, *, size: int = 50, pause: float = 0.0) -> AsyncGenerator[bytes]:
    for start in range(0, len(raw), size):
        yield raw[start : start + size]
        await asyncio.sleep(pause)


RAW = body("wh_table")
LONG = body("wh_table", padding=str(list(range(200))))
PACKED = gzip.compress(LONG, mtime=0)
BROKEN = PACKED[:60] + b"\xff" * 40 + PACKED[100:]
LARGE = b" " * 200_000
Data = bytes | Callable[[], AsyncGenerator[bytes]]
TABLE: dict[str, tuple[int, dict[str, Any]]] = {
    "in one piece": (200, {"data": RAW}),
    "chunked": (200, {"data": partial(in_pieces, RAW)}),
    "slow": (200, {"data": partial(in_pieces, RAW, size=100, pause=0.05)}),
    "gzip": (200, {"data": PACKED, "signed": LONG, "encoding": "gzip"}),
    "gzip by its other name": (200, {"data": PACKED, "signed": LONG, "encoding": "X-GZip"}),
    "gzip, chunked": (200, {"data": partial(in_pieces, PACKED), "signed": LONG, "encoding": "gzip"}),
    "deflate": (200, {"data": zlib.compress(RAW), "encoding": "deflate"}),
    "identity": (200, {"data": RAW, "encoding": "identity"}),
    "gzip by name only": (400, {"data": b"not gzip at all", "encoding": "gzip"}),
    "deflate by name only": (400, {"data": b"\x00not deflate at all", "encoding": "deflate"}),
    "gzip, broken in its middle": (400, {"data": BROKEN, "encoding": "gzip"}),
    "gzip, and broken, chunked": (400, {"data": partial(in_pieces, BROKEN), "encoding": "gzip"}),
    "gzip, which unpacks to megabytes": (413, {"data": gzip.compress(b" " * 3_000_000), "encoding": "gzip"}),
    "of an unknown encoding": (415, {"data": RAW, "encoding": "compress"}),
    "of two encodings": (415, {"data": RAW, "encoding": "gzip, gzip"}),
    "oversized": (413, {"data": LARGE}),
    "oversized, chunked": (413, {"data": partial(in_pieces, LARGE, size=10_000)}),
    "empty": (401, {"data": b""}),
    "HEAD": (405, {"method": "HEAD"}),
    "GET": (405, {"method": "GET"}),
    "PUT": (405, {"method": "PUT", "data": RAW}),
    "OPTIONS": (405, {"method": "OPTIONS"}),
    "with a trailing slash": (200, {"data": RAW, "path": "/webhooks/"}),
    "below a prefix": (200, {"data": RAW, "path": "/shop/webhooks"}),
    "below a prefix, with a trailing slash": (200, {"data": RAW, "path": "/shop/webhooks/"}),
    "with a query": (200, {"data": RAW, "path": "/webhooks?from=kaspi"}),
}


async def status_of(
    url: str,
    *,
    data: Data = b"",
    signed: bytes = RAW,
    method: str = "POST",
    path: str = "/webhooks",
    encoding: str | None = None,
) -> int:
    sent = headers(signed, at=time.time()) | ({"Content-Encoding": encoding} if encoding else {})
    # A new connection each: what one request leaves behind is not the next one's.
    async with (
        aiohttp.ClientSession() as session,
        session.request(
            method,
            URL(url).join(URL(path)),
            data=data if isinstance(data, bytes) else data(),
            headers=sent,
            allow_redirects=False,
        ) as response,
    ):
        await response.read()
        return response.status


READABLE = {case: row for case, row in TABLE.items() if row[0] != 400}


@pytest.mark.parametrize(("table", "reads_first"), [(TABLE, False), (READABLE, True)], ids=["", "read by a middleware"])
async def test_every_framework_responds_alike(
    serve: Serve, table: dict[str, tuple[int, dict[str, Any]]], reads_first: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(inbox_with(), reads_first=reads_first) as url:
        statuses = await asyncio.gather(*(status_of(url, **request) for _, request in table.values()))

    assert dict(zip(table, statuses, strict=True)) == {case: status for case, (status, _) in table.items()}
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


# Django reads a body before it calls a view.
@pytest.mark.parametrize("serve", [*(SERVERS[name] for name in SERVERS if name != "django"), routed_django_server])
async def test_a_body_that_does_not_end_gets_a_response_in_time(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responses, "BODY_LIMIT", 0.1)
    async with serve(inbox_with()) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(url).port)
        head = "POST /webhooks HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n"
        writer.write(head.encode() + b"{")
        async with asyncio.timeout(7):
            assert (await reader.readline()).split()[1] == b"408"
        writer.close()
        await writer.wait_closed()


def test_the_limits_of_a_request_are_the_vendors() -> None:
    assert responses.BODY_LIMIT <= 5.0


def test_django_under_wsgi_is_refused_with_a_word_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    django_urls(inbox_with())
    environ: dict[str, Any] = {"REQUEST_METHOD": "POST", "PATH_INFO": "/webhooks", "CONTENT_TYPE": "application/json"}
    setup_testing_defaults(environ)
    environ["SERVER_NAME"] = environ["HTTP_HOST"] = "127.0.0.1"
    statuses: list[str] = []

    list(get_wsgi_application()(environ, lambda status, _headers: statuses.append(status)))

    assert statuses == ["503 Service Unavailable"]
    assert "WSGI" in caplog.text


async def test_a_lifespan_that_fails_is_reported_to_the_server(tmp_path: Path) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    with pytest.raises(ConfigurationError):
        await inbox_with(tmp_path / "missing" / "events.sqlite").asgi({"type": "lifespan"}, receive, send)

    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
    assert "events.sqlite" in sent[0]["message"]


@pytest.mark.parametrize("raw", [b"{}", b"", b"x" * 100])
@pytest.mark.parametrize("wbits", [15, -15])
def test_deflate_is_read_with_and_without_its_header(raw: bytes, wbits: int) -> None:
    packer = zlib.compressobj(wbits=wbits)
    assert decode_body(packer.compress(raw) + packer.flush(), "Deflate") == raw


@pytest.mark.parametrize("broken", [b"", gzip.compress(b"{}", mtime=0)[:-1], gzip.compress(b"{}", mtime=0) + b"{}"])
def test_a_body_that_is_not_wholly_gzip_is_broken(broken: bytes) -> None:
    with pytest.raises(BrokenBodyError):
        decode_body(broken, "gzip")


async def test_a_client_that_goes_away_in_its_body_stores_nothing() -> None:
    inbox = inbox_with()
    events = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(events)

    async def send(message: Any) -> None:
        sent.append(message)

    await inbox.asgi({"type": "http", "method": "POST", "headers": []}, receive, send)

    assert sent == []


async def test_a_client_that_goes_away_in_its_body_is_no_failure_of_the_aiohttp_service(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with SERVERS["aiohttp"](inbox_with()) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(url).port)
        writer.write(b"POST /webhooks HTTP/1.1\r\nHost: shop\r\nContent-Length: 9\r\n\r\n{")
        writer.write_eof()
        async with asyncio.timeout(30):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()

    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_websocket_is_turned_away() -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await inbox_with().asgi({"type": "websocket"}, receive, send)

    assert [message["type"] for message in sent] == ["websocket.close"]

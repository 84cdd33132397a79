"""Real servers of every framework receive webhooks over loopback, and answer as documented."""

import asyncio
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from kaspi_delivery_async import DeliveryStatus, DeliveryWebhook
from kaspi_delivery_async.sandbox import Sandbox
from kaspi_delivery_async.webhooks import MemoryStore, WebhookInbox, WebhookVerifier
from kaspi_delivery_async.webhooks.receivers import responses
from kaspi_delivery_async.webhooks.stored_events import Message
from tests.support.receiver_apps import SERVERS, Serve
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
        answered = await asyncio.gather(*(post(session, url, body()) for _ in range(100)))
        async with asyncio.timeout(30):
            await handler.events.get()
        totals = await inbox.totals()

    assert sorted(given["result"] for _, given in answered) == ["duplicate"] * 99 + ["stored"]
    assert {status for status, _ in answered} == {200}
    assert (handler.events.qsize(), totals.duplicates) == (0, 99)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_other_methods_are_refused(serve: Serve, session: aiohttp.ClientSession, method: str) -> None:
    async with serve(inbox_with()) as url, session.request(method, url) as response:
        assert response.status == 405
        assert response.headers["Allow"] == "POST"


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json"])
async def test_other_media_types_are_refused(serve: Serve, session: aiohttp.ClientSession, media_type: str) -> None:
    async with serve(inbox_with()) as url:
        answered = await post(session, url, body(), **{"Content-Type": media_type})

    assert answered == (415, {"result": "unsupported_media_type"})


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

    answered: list[int] = []
    async with serve(inbox_with()) as url:
        for size in (64 * 1024, 64 * 1024 + 1):
            raw = body(padding="x" * (size - len(body(padding=""))))
            assert len(raw) == size
            data = pieces(raw) if chunked else raw
            async with session.post(url, data=data, headers=headers(raw, at=time.time())) as response:
                answered.append(response.status)

    assert answered == [200, 413]


async def test_a_bad_signature_is_refused(serve: Serve, session: aiohttp.ClientSession) -> None:
    inbox = inbox_with()
    async with serve(inbox) as url:
        answered = await post(session, url, body(), **{"X-Kaspi-Signature": "0" * 64})

    assert answered == (401, {"result": "signature_mismatch"})
    assert (await inbox.totals()).waiting == 0


async def test_a_genuine_message_that_cannot_be_read_is_refused_and_kept(
    serve: Serve, session: aiohttp.ClientSession
) -> None:
    inbox = inbox_with()
    async with serve(inbox) as url:
        assert await post(session, url, b"{}") == (400, {"result": "malformed_body"})

    assert [letter.body for letter in await inbox.dead_letters()] == [b"{}"]


async def test_a_store_that_is_down_is_answered_503_without_details(
    serve: Serve, session: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(inbox_with(DeadStore())) as url:
        assert await post(session, url, body()) == (503, {"result": "not_stored"})

    assert "no space left" in caplog.text


async def test_a_store_that_hangs_is_answered_503_in_time(
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

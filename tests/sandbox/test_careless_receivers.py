"""Ten receivers with one classic bug each: all fail on the sandbox's default settings within fifty deliveries."""

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping

import pytest
from aiohttp import web

from kaspi_delivery_async.sandbox import Sandbox
from tests.support.described_api import Caller

SECRET = "sandbox-secret"


def signed(message: str | bytes, headers: Mapping[str, str], *, secret: str = SECRET) -> bool:
    """Check a signature over a message, as the documentation's sample does."""
    text = message.encode() if isinstance(message, str) else message
    expected = hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, headers["X-Kaspi-Signature"])


def over_rewritten_json(body: bytes, headers: Mapping[str, str]) -> int:
    text = json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False)
    return 200 if signed(f"{headers['X-Kaspi-Timestamp']}.{text}", headers) else 401


def over_json_with_python_s_blanks(body: bytes, headers: Mapping[str, str]) -> int:
    return 200 if signed(f"{headers['X-Kaspi-Timestamp']}.{json.dumps(json.loads(body))}", headers) else 401


def over_indented_json(body: bytes, headers: Mapping[str, str]) -> int:
    return 200 if signed(f"{headers['X-Kaspi-Timestamp']}.{json.dumps(json.loads(body), indent=2)}", headers) else 401


def over_the_body_alone(body: bytes, headers: Mapping[str, str]) -> int:
    return 200 if signed(body, headers) else 401


def over_stripped_text(body: bytes, headers: Mapping[str, str]) -> int:
    text = re.sub(r"\s+", "", body.decode())
    return 200 if signed(f"{headers['X-Kaspi-Timestamp']}.{text}", headers) else 401


def with_a_pattern_instead_of_a_parser(body: bytes, headers: Mapping[str, str]) -> int:
    return 200 if re.search(rb'"deliveryId":"dlv_\w+"', body) else 400


def with_a_timestamp_in_milliseconds(body: bytes, headers: Mapping[str, str]) -> int:
    return 200 if int(headers["X-Kaspi-Timestamp"]) > 1e12 else 401


def without_the_event_that_one_page_leaves_out(body: bytes, headers: Mapping[str, str]) -> int:
    known = {"created", "accepted", "out_for_delivery", "delivered", "cancelled"}
    return 200 if json.loads(body)["type"].removeprefix("delivery.") in known else 422


def that_redirects_to_the_path_with_a_slash(body: bytes, headers: Mapping[str, str]) -> int:
    return 307


async def that_works_before_it_responds(body: bytes, headers: Mapping[str, str]) -> int:
    await asyncio.sleep(6)
    return 200


CARELESS = [
    over_rewritten_json, over_json_with_python_s_blanks, over_indented_json, over_the_body_alone, over_stripped_text,
    with_a_pattern_instead_of_a_parser, with_a_timestamp_in_milliseconds, without_the_event_that_one_page_leaves_out,
    that_redirects_to_the_path_with_a_slash, that_works_before_it_responds,
]  # fmt: skip


def careful(body: bytes, headers: Mapping[str, str]) -> int:
    return 200 if signed(headers["X-Kaspi-Timestamp"].encode() + b"." + body, headers) else 401


async def failures_of(receiver: Callable[[bytes, Mapping[str, str]], object], *, deliveries: int) -> int:
    async def handle(request: web.BaseRequest) -> web.Response:
        status = receiver(await request.read(), request.headers)
        if asyncio.iscoroutine(status):
            status = await status
        assert isinstance(status, int)
        return web.Response(status=status, headers={"Location": "/hook/"})

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        async with Sandbox(webhook_url=url) as sandbox, Caller(sandbox) as call:
            made = [await call.create(externalOrderId=f"заказ-{number}") for number in range(deliveries)]
            await asyncio.gather(*(sandbox.advance(delivery_id, "delivered") for delivery_id in made))
            await sandbox.drain_webhooks()
            return sum(not attempt.succeeded for attempt in sandbox.webhook_attempts)
    finally:
        await runner.cleanup()


@pytest.mark.looptime
@pytest.mark.parametrize("receiver", CARELESS, ids=lambda receiver: receiver.__name__)
async def test_a_careless_receiver_fails(receiver: Callable[[bytes, Mapping[str, str]], object]) -> None:
    assert await failures_of(receiver, deliveries=5) > 0


async def test_a_careful_receiver_never_fails() -> None:
    assert await failures_of(careful, deliveries=50) == 0

"""API keys that change while the client lives."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from kaspi_delivery_async import (
    AuthenticationError,
    ConfigurationError,
    DeadlineExceededError,
    DeliveryClient,
    Outcome,
    Timeout,
    operations,
)
from tests.support import server_scripts
from tests.support.orders import order
from tests.support.raw_server import Exchange, RawServer


async def accept_new_key(exchange: Exchange) -> None:
    """Respond 401 to every key but the new one."""
    request = await exchange.read()
    good = request.headers["x-api-key"] == "new"
    body = b'{"deliveryId": "dlv_1", "status": "created"}' if good else b"{}"
    exchange.writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (200 if good else 401, len(body)) + body)


def keys(*given: str) -> Callable[[], str]:
    rest = list(given)
    return lambda: rest.pop(0) if len(rest) > 1 else rest[0]


async def test_a_key_that_was_rotated_is_asked_for_again_after_a_401() -> None:
    server = RawServer([accept_new_key])
    async with server, DeliveryClient(keys("old", "new"), base_url=server.base_url) as client:
        response = await client.send(operations.create_delivery(order()))
    assert [attempt.status for attempt in response.attempts] == [401, 200]
    first, second = server.requests
    assert (first.body, first.headers["idempotency-key"]) == (second.body, second.headers["idempotency-key"])


async def test_an_asynchronous_function_may_give_the_key() -> None:
    async def key() -> str:
        await asyncio.sleep(0)
        return "new"

    server = RawServer([accept_new_key])
    async with server, DeliveryClient(key, base_url=server.base_url) as client:
        assert (await client.create_delivery(order())).delivery_id == "dlv_1"


@pytest.mark.parametrize("given", [("old",), ("old", "older"), ("old", "older", "oldest")])
async def test_a_call_is_repeated_once_and_only_for_a_changed_key(given: tuple[str, ...]) -> None:
    server = RawServer([accept_new_key])
    async with server, DeliveryClient(keys(*given), base_url=server.base_url) as client:
        with pytest.raises(AuthenticationError):
            await client.create_delivery(order())
    assert len(server.requests) == min(2, len(given))


@pytest.mark.looptime
async def test_a_rotation_after_a_retry_is_not_repeated_twice() -> None:
    unavailable = server_scripts.respond(503, b"{}")
    server = RawServer([accept_new_key, unavailable, accept_new_key])
    async with server, DeliveryClient(keys("a", "b", "c", "d"), base_url=server.base_url) as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.create_delivery(order())
    assert [attempt.status for attempt in caught.value.attempts] == [401, 503, 401]
    assert caught.value.outcome is Outcome.UNKNOWN  # the 503 may have done the work


@pytest.mark.looptime
async def test_a_read_whose_key_was_rotated_twice_is_not_repeated_twice() -> None:
    """It takes the newest key at each attempt, and repeats an attempt under another one only once."""
    server = RawServer([accept_new_key, server_scripts.respond(503, b"{}"), accept_new_key])
    async with server, DeliveryClient(keys("a", "b", "c", "d"), base_url=server.base_url) as client:
        with pytest.raises(AuthenticationError):
            await client.get_delivery("dlv_1")
    assert [request.headers["x-api-key"] for request in server.requests] == ["a", "b", "c"]


async def test_what_is_no_key_is_refused() -> None:
    wrong: Any = lambda: "two words"  # noqa: E731
    with pytest.raises(ConfigurationError, match="get_delivery: the API key must consist of"):
        await DeliveryClient(wrong, base_url="http://127.0.0.1:1").get_delivery("dlv_1")


@pytest.mark.looptime
async def test_a_key_that_does_not_come_ends_the_call_in_time() -> None:
    async def never() -> str:
        await asyncio.Event().wait()
        return "key"

    client = DeliveryClient(never, base_url="http://127.0.0.1:1", timeout=Timeout(attempt=1, total=2))
    before = asyncio.get_running_loop().time()
    with pytest.raises(DeadlineExceededError, match="api_key") as caught:
        await client.get_delivery("dlv_1")
    assert asyncio.get_running_loop().time() - before == pytest.approx(2)
    assert caught.value.outcome is Outcome.NOT_SENT


async def test_an_error_of_the_callers_own_function_stays_itself() -> None:
    def vault() -> str:
        raise TimeoutError("vault sealed")

    with pytest.raises(TimeoutError, match="vault sealed"):
        await DeliveryClient(vault, base_url="http://127.0.0.1:1").get_delivery("dlv_1")

"""One call, one identity: the API key of an attempt that may have arrived, and a record of how the call ended."""

import asyncio
import logging
import pickle
from collections.abc import Awaitable, Callable
from copy import deepcopy
from enum import Enum
from typing import Any

import pytest

from kaspi_delivery_async import (
    AuthenticationError,
    DeliveryClient,
    Environment,
    KaspiDeliveryError,
    Limits,
    Outcome,
    RetryPolicy,
    Timeout,
    operations,
)
from kaspi_delivery_async._call.state import outcome_of
from kaspi_delivery_async.instrumentation import (
    AttemptDetails,
    CallDetails,
    CallResult,
    Instrumentation,
    LogOutput,
    WaitDetails,
)
from tests.support import server_scripts
from tests.support.orders import order
from tests.support.raw_server import Play, RawServer


def keys_in_turn() -> Callable[[], str]:
    count = iter(range(100))
    return lambda: f"key-{next(count)}"


class Results:
    """Collects the results of calls."""

    def __init__(self) -> None:
        self.all: list[CallResult] = []

    def call_started(self, call: CallDetails) -> "Results":
        return self

    def attempt_started(self, number: int) -> None: ...

    def attempt_ended(self, attempt: AttemptDetails) -> None: ...

    def waiting(self, wait: WaitDetails) -> None: ...

    def call_ended(self, result: CallResult) -> None:
        self.all.append(result)


def sent_keys(server: RawServer) -> list[str]:
    return [request.headers["x-api-key"] for request in server.requests]


@pytest.mark.looptime
@pytest.mark.parametrize("fault", [server_scripts.close_after_request, server_scripts.respond(503, b"")])
async def test_a_write_that_may_have_arrived_stays_with_its_api_key(fault: Play) -> None:
    """Another key may be another account's, which does not know the idempotency key."""
    server = RawServer([fault, server_scripts.respond(200)])
    async with server, DeliveryClient(keys_in_turn(), base_url=server.base_url) as client:
        await client.create_delivery(order())
        await client.cancel_delivery("dlv_1")
    assert sent_keys(server)[:2] == ["key-0", "key-0"]


@pytest.mark.looptime
async def test_a_key_refused_after_an_attempt_that_may_have_arrived_is_not_exchanged_for_a_third() -> None:
    server = RawServer([server_scripts.close_after_request, server_scripts.respond(401, b"{}")])
    async with server, DeliveryClient(keys_in_turn(), base_url=server.base_url) as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.create_delivery(order())
    assert caught.value.outcome is Outcome.UNKNOWN
    assert sent_keys(server) == ["key-0", "key-0"]


@pytest.mark.looptime
async def test_a_read_and_a_refused_write_take_the_current_key() -> None:
    calls: list[Callable[[DeliveryClient], Awaitable[object]]] = [
        lambda client: client.get_delivery("dlv_1"),
        lambda client: client.create_delivery(order()),
    ]
    for call in calls:
        server = RawServer([server_scripts.respond(429, b"", "Retry-After: 1"), server_scripts.respond(200)])
        async with server, DeliveryClient(keys_in_turn(), base_url=server.base_url) as client:
            await call(client)
        assert sent_keys(server) == ["key-0", "key-1"]


async def cancelled(client: DeliveryClient, after: float) -> BaseException:
    """Cancel a create after some seconds, and return what came out of the call."""

    async def create() -> BaseException:
        try:
            await client.create_delivery(order())
        except asyncio.CancelledError as end:
            return end
        raise AssertionError

    task = asyncio.create_task(create())
    await asyncio.sleep(after)
    task.cancel()
    return await task


@pytest.mark.looptime
async def test_a_create_cancelled_in_flight_leaves_its_outcome_and_its_key_on_record(
    caplog: pytest.LogCaptureFixture,
) -> None:
    results = Results()
    server = RawServer([server_scripts.stall])
    instrumentation: list[Instrumentation] = [results, LogOutput()]
    async with server, DeliveryClient("key", base_url=server.base_url, instrumentation=instrumentation) as client:
        end = await cancelled(client, 1)
    (result,) = results.all
    assert (result.outcome, result.idempotency_key, result.error) == ("unknown", "order-742", "CancelledError")
    assert outcome_of(end) is Outcome.UNKNOWN
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "create_delivery" in record.getMessage()
    assert "unknown" in record.getMessage()
    assert "'order-742'" in record.getMessage()


@pytest.mark.looptime
async def test_a_create_cancelled_before_it_left_is_not_sent(caplog: pytest.LogCaptureFixture) -> None:
    results, limits = Results(), Limits(max_connections=1)
    server = RawServer([server_scripts.stall])
    async with (
        server,
        DeliveryClient("key", base_url=server.base_url, limits=limits, instrumentation=[results]) as client,
    ):
        blocking = asyncio.create_task(client.get_delivery("dlv_1"))
        await asyncio.sleep(0.1)
        end = await cancelled(client, 1)
        blocking.cancel()
        await asyncio.gather(blocking, return_exceptions=True)
    assert results.all[0].outcome is Outcome.NOT_SENT
    assert outcome_of(end) is Outcome.NOT_SENT
    assert caplog.records == []


@pytest.mark.looptime
async def test_a_keyless_write_of_unknown_outcome_and_no_read_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    server = RawServer([server_scripts.close_after_request])
    async with server, DeliveryClient("key", base_url=server.base_url) as client:
        with pytest.raises(KaspiDeliveryError):
            await client.get_delivery("dlv_1")
        with pytest.raises(KaspiDeliveryError):
            await client.send_test_webhook("http://a/", "delivery.created")
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["send_test_webhook"]


@pytest.mark.looptime
@pytest.mark.parametrize(("first", "outcome"), [(None, Outcome.NOT_SENT), (503, Outcome.UNKNOWN)])
async def test_a_key_that_cannot_be_had_sends_nothing(first: int | None, outcome: Outcome) -> None:
    """The function's own error comes out; only an earlier attempt may have arrived."""
    given = iter(["key"] if first else [])

    def vault() -> str:
        for key in given:
            return key
        raise RuntimeError("vault sealed")

    server = RawServer([server_scripts.respond(first or 200, b"")])
    async with server, DeliveryClient(vault, base_url=server.base_url, retry=RetryPolicy(max_attempts=2)) as client:
        with pytest.raises((RuntimeError, KaspiDeliveryError)) as caught:
            await client.create_delivery(order())
    assert outcome_of(caught.value) is outcome


class Keys(str, Enum):  # noqa: UP042 - its `str` is not its value
    CURRENT = "the-key"


async def test_a_member_of_an_enumeration_of_strings_is_its_value() -> None:
    server = RawServer([server_scripts.respond(200)])
    async with server:
        for key in (Keys.CURRENT, lambda: Keys.CURRENT):
            async with DeliveryClient(key, base_url=server.base_url) as client:
                await client.get_delivery("dlv_1")
    assert sent_keys(server) == ["the-key", "the-key"]


async def test_what_a_user_may_queue_pickles_and_copies() -> None:
    operation = operations.create_delivery(order())
    server = RawServer([server_scripts.respond(201)])
    async with server, DeliveryClient("key", base_url=server.base_url) as client:
        response = await client.send(operation)
    things: tuple[Any, ...] = (
        response,
        operation,
        order(),
        Timeout(),
        RetryPolicy(),
        Limits(rate=5),
        Environment.PRODUCTION,
    )
    for thing in things:
        assert pickle.loads(pickle.dumps(thing)) == thing
        assert deepcopy(thing) == thing
    twin = pickle.loads(pickle.dumps(response))
    assert twin.headers["content-TYPE"] == "application/json"
    assert type(twin.headers) is type(response.headers)

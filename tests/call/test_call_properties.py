"""Whatever a server does and however a client is set: the same key, the same bytes, in time, and no keyless repeat."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaspi_delivery_async import DeliveryClient, KaspiDeliveryError, Limits, Outcome, RetryPolicy, Timeout
from tests.support import server_scripts, virtual_time
from tests.support.orders import order
from tests.support.raw_server import GOOD_BODY, Play, RawServer

TICK = 1e-3
"""Seconds: what a scheduler may be late."""

PLAYS: list[Play] = [
    server_scripts.respond(200),
    server_scripts.reset_before_request,
    server_scripts.reset_after_request,
    server_scripts.close_after_request,
    server_scripts.stall,
    server_scripts.drip,
    server_scripts.send(b"nonsense\r\n\r\n"),
    server_scripts.send_and_reset(b"HTTP/1.1 200 OK\r\n"),
    server_scripts.send(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + GOOD_BODY),
    server_scripts.respond(200, server_scripts.HTML),
    server_scripts.respond(400, b"{}"),
    server_scripts.respond(401, b"{}"),
    server_scripts.respond(409, b"{}"),
    server_scripts.respond(429, b"{}"),
    server_scripts.respond(429, b"{}", "Retry-After: 3"),
    server_scripts.respond(500, server_scripts.HTML),
    server_scripts.respond(503, b"{}", "Retry-After: 1"),
    server_scripts.respond(503, b"{}", "X-Idempotent-Replay: true"),
]

CALLS: dict[str, Callable[[DeliveryClient], Awaitable[Any]]] = {
    "create": lambda client: client.create_delivery(order()),
    "cancel": lambda client: client.cancel_delivery("dlv_1"),
    "get": lambda client: client.get_delivery("dlv_1"),
    "test webhook": lambda client: client.send_test_webhook("http://127.0.0.1/", "delivery.created"),
}

scripts = st.lists(st.sampled_from(PLAYS), min_size=1, max_size=8)
policies = st.builds(RetryPolicy, max_attempts=st.integers(1, 8), base=st.floats(0.01, 2), cap=st.floats(2, 20))
timeouts = st.tuples(st.floats(0.1, 20), st.floats(0, 40)).map(
    lambda pair: Timeout(attempt=pair[0], total=pair[0] + pair[1])
)
limits = st.builds(Limits, max_connections=st.integers(1, 3), rate=st.none() | st.floats(0.2, 100))


@pytest.mark.parametrize("name", CALLS)
@settings(max_examples=50)
@given(script=scripts, retry=policies, timeout=timeouts, limits=limits)
def test_a_call_is_safe_whatever_happens(
    name: str, script: list[Play], retry: RetryPolicy, timeout: Timeout, limits: Limits
) -> None:
    async def call() -> None:
        loop = asyncio.get_running_loop()
        async with RawServer(script) as server:
            async with DeliveryClient(
                "key", base_url=server.base_url, retry=retry, timeout=timeout, limits=limits
            ) as client:
                before = loop.time()
                outcome = None
                try:
                    await CALLS[name](client)
                except KaspiDeliveryError as error:
                    outcome = error.outcome
                    assert len(error.attempts) <= retry.max_attempts
                assert loop.time() - before <= timeout.total + TICK
            sent = {(r.method, r.path, r.headers.get("idempotency-key"), r.body) for r in server.requests}
            assert len(sent) <= 1
            if name == "test webhook":
                assert len(server.requests) <= 1
            if outcome is Outcome.NOT_SENT:
                assert server.requests == []

    with asyncio.Runner(loop_factory=virtual_time.new_event_loop) as runner:
        runner.run(call())

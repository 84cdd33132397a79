"""Connections: loops that end, sessions of the caller's own, calls that are cancelled, clients that are closed."""

import asyncio
import gc
import socket
import weakref

import aiohttp
import pytest

from kaspi_delivery_async import (
    ConfigurationError,
    DeadlineExceededError,
    DeliveryClient,
    DeliveryStatus,
    Limits,
    NotFoundError,
    Outcome,
    RetryPolicy,
    Timeout,
    TransportError,
)
from kaspi_delivery_async.operations import create_delivery
from kaspi_delivery_async.sandbox import Sandbox
from tests.support import server_scripts
from tests.support.orders import order
from tests.support.raw_server import RawServer
from tests.support.silent_server import silent_server


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_one_client_works_through_three_event_loops() -> None:
    """Each loop takes its connections with it: one left open would be a ResourceWarning, and so an error here."""
    sandbox_port = free_port()
    client = DeliveryClient("sandbox-key", base_url=f"http://127.0.0.1:{sandbox_port}/delivery")
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def call() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        async with Sandbox(port=sandbox_port):
            created = await client.create_delivery(order())
            assert created.status is DeliveryStatus.CREATED

    for _ in range(3):
        asyncio.run(call())
        gc.collect()
    assert [loop() for loop in loops] == [None, None, None]
    asyncio.run(client.aclose())


async def test_a_client_that_is_closed_says_so() -> None:
    async with RawServer([server_scripts.respond(200)]) as server:
        client = DeliveryClient("key", base_url=server.base_url)
        await client.get_delivery("dlv_1")
        other = client.with_options(limits=Limits(max_connections=1))
        await client.aclose()
        await client.aclose()
        for closed in (client, other):
            with pytest.raises(ConfigurationError, match="get_delivery: the client is closed") as caught:
                await closed.get_delivery("dlv_1")
            assert caught.value.outcome is Outcome.NOT_SENT
    assert len(server.requests) == 1


async def test_a_session_of_the_callers_own_stays_open() -> None:
    async with RawServer([server_scripts.respond(200)]) as server:
        async with aiohttp.ClientSession(headers={"X-Mine": "yes"}) as session:
            async with DeliveryClient("key", base_url=server.base_url, session=session) as client:
                await client.get_delivery("dlv_1")
            assert not session.closed
        assert server.requests[0].headers["x-mine"] == "yes"
        late = DeliveryClient("key", base_url=server.base_url, session=session)
        with pytest.raises(ConfigurationError, match="session that was given to the client is closed"):
            await late.get_delivery("dlv_1")


@pytest.mark.parametrize("rounds", [2, pytest.param(12, marks=pytest.mark.long)])
async def test_cancelled_calls_free_their_connections(rounds: int) -> None:
    """Calls are cancelled at every stage, a hundred at a time, on a pool of 10; then 10 of 10 calls are well."""
    async with Sandbox() as sandbox:
        limits = Limits(max_connections=10)
        async with DeliveryClient(sandbox.api_key, base_url=sandbox.base_url, limits=limits) as client:
            for stage in range(12 * rounds):
                calls = [asyncio.create_task(client.get_delivery("dlv_1")) for _ in range(100)]
                for _ in range(stage % 12):
                    await asyncio.sleep(0)
                for call in calls:
                    call.cancel()
                await asyncio.gather(*calls, return_exceptions=True)
            outcomes = await asyncio.gather(*(client.get_delivery("dlv_1") for _ in range(10)), return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [NotFoundError] * 10


async def test_a_redirect_carries_the_key_nowhere() -> None:
    async with RawServer([server_scripts.respond(200)]) as elsewhere:
        moved = server_scripts.respond(308, b"", f"Location: {elsewhere.base_url}/v1/deliveries/dlv_1")
        async with RawServer([moved]) as server, DeliveryClient("key", base_url=server.base_url) as client:
            with pytest.raises(Exception, match="a redirect, which is not followed"):
                await client.get_delivery("dlv_1")
        assert elsewhere.requests == []


async def test_every_request_identifies_the_package_and_asks_for_plain_json() -> None:
    async with (
        RawServer([server_scripts.respond(200)]) as server,
        DeliveryClient("key", base_url=server.base_url) as client,
    ):
        await client.get_delivery("dlv_1")
    headers = server.requests[0].headers
    assert headers["x-api-key"] == "key"
    assert headers["user-agent"].startswith("kaspi-delivery-async/")
    assert (headers["accept"], headers["accept-encoding"]) == ("application/json", "identity")


async def test_a_body_is_sent_wherever_aiohttp_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is taken over from aiohttp to save time must not lose a body, should it change."""
    expected = create_delivery(order()).body
    for _ in range(2):
        async with (
            RawServer([server_scripts.respond(201)]) as server,
            DeliveryClient("key", base_url=server.base_url) as client,
        ):
            await client.create_delivery(order())
        assert server.requests[0].body == expected
        monkeypatch.setattr(aiohttp.ClientRequest, "body", b"")


@pytest.mark.looptime
async def test_a_response_of_unknown_length_is_read_to_its_end() -> None:
    async with (
        RawServer([server_scripts.respond_in_pieces]) as server,
        DeliveryClient("key", base_url=server.base_url) as client,
    ):
        assert (await client.get_delivery("dlv_1")).delivery_id == "dlv_1"


async def test_no_time_at_all_sends_nothing() -> None:
    async with RawServer([server_scripts.respond(200)]) as server:
        timeout = Timeout(attempt=1e-9, total=1e-9)
        async with DeliveryClient("key", base_url=server.base_url, timeout=timeout) as client:
            with pytest.raises(DeadlineExceededError) as caught:
                await client.get_delivery("dlv_1")
    assert caught.value.outcome is Outcome.NOT_SENT
    assert server.requests == []


@pytest.mark.looptime
async def test_a_connection_that_does_not_come_about_has_sent_nothing() -> None:
    """A server that accepts but never finishes the TLS handshake has not seen a byte of the request."""
    with silent_server() as port:
        retry = RetryPolicy(max_attempts=2)
        async with DeliveryClient("key", base_url=f"https://127.0.0.1:{port}", retry=retry) as client:
            with pytest.raises(DeadlineExceededError, match="no connection within") as caught:
                await client.send_test_webhook("http://127.0.0.1/", "delivery.created")
    assert caught.value.outcome is Outcome.NOT_SENT
    assert len(caught.value.attempts) == 2


@pytest.mark.looptime
async def test_time_that_a_session_of_the_callers_own_takes_before_it_connects_has_sent_nothing() -> None:
    async def dawdle(*_: object) -> None:
        await asyncio.sleep(3600)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(dawdle)
    async with (
        RawServer([server_scripts.respond(200)]) as server,
        aiohttp.ClientSession(trace_configs=[trace]) as session,
        DeliveryClient("key", base_url=server.base_url, session=session) as client,
    ):
        with pytest.raises(DeadlineExceededError, match="no connection within") as caught:
            await client.send_test_webhook("http://127.0.0.1/", "delivery.created")
    assert caught.value.outcome is Outcome.NOT_SENT
    assert server.requests == []


@pytest.mark.looptime
@pytest.mark.parametrize("proxy", ["http://256.1.1.1:8080", "http://proxy..example:8080"])
async def test_a_proxy_that_cannot_exist_is_named_and_has_sent_nothing(proxy: str) -> None:
    async with (
        aiohttp.ClientSession(proxy=proxy) as session,
        DeliveryClient("key", base_url="https://api.invalid", session=session) as client,
    ):
        with pytest.raises(
            TransportError, match="a host name is invalid; check `base_url` and the session's"
        ) as caught:
            await client.get_delivery("dlv_1")
    assert (caught.value.outcome, len(caught.value.attempts)) == (Outcome.NOT_SENT, 1)


@pytest.mark.looptime
@pytest.mark.parametrize(("status", "attempts"), [(407, 1), (503, 2)])
async def test_a_proxy_that_refuses_to_connect_is_named_with_its_settings(status: int, attempts: int) -> None:
    refusal = server_scripts.respond_head(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)
    async with (
        RawServer([refusal]) as proxy,
        aiohttp.ClientSession(proxy=proxy.base_url) as session,
        DeliveryClient(
            "key", base_url="https://api.invalid", session=session, retry=RetryPolicy(max_attempts=2)
        ) as client,
    ):
        with pytest.raises(TransportError, match=f"responded with {status}; check the session's `proxy`") as caught:
            await client.get_delivery("dlv_1")
    assert (caught.value.outcome, len(caught.value.attempts)) == (Outcome.NOT_SENT, attempts)


@pytest.mark.looptime
async def test_a_proxy_that_refuses_connections_has_sent_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        proxy = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    async with (
        aiohttp.ClientSession(proxy=proxy) as session,
        DeliveryClient(
            "key", base_url="https://api.invalid", session=session, retry=RetryPolicy(max_attempts=1)
        ) as client,
    ):
        with pytest.raises(TransportError, match="could not connect to the proxy") as caught:
            await client.get_delivery("dlv_1")
    assert caught.value.outcome is Outcome.NOT_SENT

"""The client against the sandbox, over HTTP: the four operations and the details of a call."""

import asyncio
import socket
from collections.abc import AsyncIterator
from traceback import TracebackException
from typing import Any

import attrs
import pytest

from kaspi_delivery_async import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    CancelNotAllowedError,
    DeadlineExceededError,
    DeliveryClient,
    DeliveryStatus,
    DeliveryWebhookData,
    IdempotencyConflictError,
    InvalidRequestError,
    KaspiDeliveryError,
    NotFoundError,
    Outcome,
    PermissionDeniedError,
    RetryPolicy,
    ServerError,
    StatusHub,
    Timeout,
    TransportError,
    operations,
)
from kaspi_delivery_async.sandbox import Sandbox
from tests.support import server_scripts
from tests.support.orders import order
from tests.support.raw_server import GOOD_BODY, Play, RawServer


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[DeliveryClient]:
    async with DeliveryClient(sandbox.api_key, base_url=sandbox.base_url) as client:
        yield client


async def test_a_delivery_is_created(client: DeliveryClient, sandbox: Sandbox) -> None:
    created = await client.create_delivery(order())
    assert created.status is DeliveryStatus.CREATED
    assert created.tracking_url is not None
    assert list(sandbox.deliveries) == [created.delivery_id]


async def test_a_create_repeated_gives_the_same_delivery_and_says_so(client: DeliveryClient) -> None:
    first = await client.send(operations.create_delivery(order()))
    second = await client.send(operations.create_delivery(order()))
    assert second.value == first.value
    assert (first.replayed, second.replayed) == (False, True)


async def test_a_changed_order_under_the_same_key_is_refused(client: DeliveryClient, sandbox: Sandbox) -> None:
    await client.create_delivery(order())
    changed = attrs.evolve(order(), parcel=attrs.evolve(order().parcel, weight_grams=900))
    with pytest.raises(IdempotencyConflictError) as caught:
        await client.create_delivery(changed)
    assert caught.value.outcome is Outcome.REJECTED
    assert caught.value.idempotency_key == "order-742"
    assert len(sandbox.deliveries) == 1


async def test_a_delivery_is_read_with_its_history(client: DeliveryClient, sandbox: Sandbox) -> None:
    created = await client.create_delivery(order())
    await sandbox.advance(created.delivery_id, DeliveryStatus.ACCEPTED)
    delivery = await client.get_delivery(created.delivery_id, include_history=True)
    assert delivery.history is not None
    assert [entry.status for entry in delivery.history] == ["created", "accepted"]
    assert (await client.get_delivery(created.delivery_id)).history is None


@pytest.mark.meets("refusals")
async def test_a_delivery_is_cancelled_until_it_is_picked_up(client: DeliveryClient, sandbox: Sandbox) -> None:
    first = await client.create_delivery(order("1"))
    second = await client.create_delivery(order("2"))
    await sandbox.advance(second.delivery_id, DeliveryStatus.IN_TRANSIT)
    assert (await client.cancel_delivery(first.delivery_id, "out of stock")).status is DeliveryStatus.CANCELLED
    with pytest.raises(CancelNotAllowedError):
        await client.cancel_delivery(second.delivery_id)


async def test_a_test_webhook_is_queued(client: DeliveryClient) -> None:
    sent = await client.send_test_webhook("http://127.0.0.1:9/hook", "delivery.created")
    assert sent.status == "queued"
    assert sent.event_id


@pytest.mark.meets("error-bodies")
async def test_an_unknown_delivery_is_not_found(client: DeliveryClient) -> None:
    with pytest.raises(NotFoundError, match=r"^get_delivery: HTTP 404"):
        await client.get_delivery("dlv_unknown")


@pytest.mark.meets("error-bodies")
async def test_a_wrong_key_and_a_disabled_key_are_different_errors(sandbox: Sandbox) -> None:
    sandbox.disabled_keys.add("disabled")
    async with (
        DeliveryClient("wrong", base_url=sandbox.base_url) as wrong,
        DeliveryClient("disabled", base_url=sandbox.base_url) as disabled,
    ):
        with pytest.raises(AuthenticationError):
            await wrong.get_delivery("dlv_1")
        with pytest.raises(PermissionDeniedError):
            await disabled.get_delivery("dlv_1")


async def test_what_the_server_finds_malformed_comes_with_its_explanation(
    client: DeliveryClient, sandbox: Sandbox
) -> None:
    sandbox.faults.add("create:status:count=1:status=400")
    with pytest.raises(BadRequestError) as caught:
        await client.create_delivery(order())
    assert caught.value.message is not None


@pytest.mark.looptime
@pytest.mark.parametrize("status", [400, 401, 409])
async def test_a_refusal_after_an_attempt_of_unknown_outcome_warns_of_another_key(status: int) -> None:
    server = RawServer([server_scripts.close_after_request, server_scripts.respond(status)])
    async with server, DeliveryClient("key", base_url=server.base_url) as client:
        with pytest.raises(ApiError, match="repeat it under its idempotency key") as unknown:
            await client.create_delivery(order())
        with pytest.raises(ApiError) as refused:
            await client.create_delivery(order())

    assert (unknown.value.outcome, refused.value.outcome) == (Outcome.UNKNOWN, Outcome.REJECTED)
    assert "earlier attempt" not in str(refused.value)


@pytest.mark.looptime
async def test_a_response_has_the_details_of_the_call(client: DeliveryClient, sandbox: Sandbox) -> None:
    sandbox.faults.add("create:commit-then-drop:count=1")
    response = await client.send(operations.create_delivery(order()))
    assert (response.status, response.replayed, response.idempotency_key) == (201, True, "order-742")
    assert response.headers["content-type"].startswith("application/json")
    first, second = response.attempts
    assert (first.status, second.status, second.error) == (None, 201, None)
    assert first.error is not None
    assert second.start >= first.start + first.duration
    assert len(sandbox.deliveries) == 1


@pytest.mark.parametrize(
    "given", [None, "dlv_1", operations.get_delivery, order()], ids=lambda given: type(given).__name__
)
async def test_what_is_no_operation_is_not_sent(client: DeliveryClient, sandbox: Sandbox, given: Any) -> None:
    with pytest.raises(InvalidRequestError, match=rf"^operation: expected .*, got {type(given).__name__}$"):
        await client.send(given)
    assert sandbox.requests.total == 0


async def test_a_response_hands_on_no_cookie() -> None:
    server = RawServer([server_scripts.respond(200, GOOD_BODY, "Set-Cookie: session=secret")])
    async with server, DeliveryClient("key", base_url=server.base_url) as client:
        response = await client.send(operations.get_delivery("dlv_1"))
        await client.get_delivery("dlv_1")
    assert "set-cookie" not in response.headers
    assert "cookie" not in server.requests[1].headers


@pytest.mark.looptime
async def test_headers_of_a_response_are_found_in_any_case_and_hold_no_key() -> None:
    echo = server_scripts.respond(200, GOOD_BODY, "X-Request-Id: r1", "X-Api-Key: secret-key")
    async with RawServer([echo]) as server, DeliveryClient("secret-key", base_url=server.base_url) as client:
        response = await client.send(operations.get_delivery("dlv_1"))
    assert response.headers["X-Request-Id"] == response.headers["x-request-id"] == "r1"
    assert "X-Api-Key" not in response.headers


@pytest.mark.parametrize("play", [server_scripts.respond(500), server_scripts.reset_after_request])
async def test_a_failure_report_that_prints_local_variables_shows_no_key(play: Play) -> None:
    """As those of test runners and error trackers do."""
    async with RawServer([play]) as server:
        for api_key in ("secret-key", lambda: "secret-key"):
            client = DeliveryClient(api_key, base_url=server.base_url, retry=RetryPolicy(max_attempts=1))
            async with client:
                with pytest.raises(KaspiDeliveryError) as caught:
                    await client.create_delivery(order())
            # From the client's method on: what the caller's own frames hold is the caller's.
            report = TracebackException.from_exception(caught.value, capture_locals=True)
            frames = [frame for frame in report.stack if "/kaspi_delivery_async/" in frame.filename]
            assert frames
            assert "secret-key" not in repr([frame.locals for frame in frames])
            assert report.__cause__ is None


async def test_a_call_that_could_not_connect_keeps_the_reason_without_its_frames() -> None:
    """Those would hold the request."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    retry = RetryPolicy(max_attempts=1)
    async with DeliveryClient("key", base_url=f"http://127.0.0.1:{port}", retry=retry) as client:
        with pytest.raises(TransportError) as caught:
            await client.create_delivery(order())
    assert caught.value.outcome is Outcome.NOT_SENT
    assert caught.value.__cause__ is not None
    assert caught.value.__cause__.__traceback__ is None


async def test_a_handshake_that_does_not_end_has_sent_nothing() -> None:
    """Many at once, so that the timers of connection and attempt fire together."""
    async with RawServer([server_scripts.stall_before_handshake]) as server:
        timeout, retry = Timeout(attempt=0.2, total=0.2), RetryPolicy(max_attempts=1)
        base_url = server.base_url.replace("http:", "https:")
        async with DeliveryClient("key", base_url=base_url, timeout=timeout, retry=retry) as client:
            results = await asyncio.gather(
                *(client.create_delivery(order(f"order-{number}")) for number in range(20)), return_exceptions=True
            )
    assert {type(result) for result in results} == {DeadlineExceededError}
    assert {result.outcome for result in results if isinstance(result, KaspiDeliveryError)} == {Outcome.NOT_SENT}


@pytest.mark.meets("error-bodies")
async def test_options_change_on_the_same_connections(client: DeliveryClient, sandbox: Sandbox) -> None:
    sandbox.faults.add("get:status:count=2")
    impatient = client.with_options(retry=RetryPolicy(max_attempts=1), timeout=Timeout(attempt=1, total=2))
    with pytest.raises(ServerError) as caught:
        await impatient.get_delivery("dlv_1")
    assert len(caught.value.attempts) == 1
    with pytest.raises(NotFoundError) as patient:
        await client.get_delivery("dlv_1")
    assert [attempt.status for attempt in patient.value.attempts] == [503, 404]


@pytest.mark.looptime
async def test_a_client_waits_for_a_status_and_is_woken_by_events(client: DeliveryClient, sandbox: Sandbox) -> None:
    created, hub = await client.create_delivery(order()), StatusHub()
    polled = asyncio.create_task(client.wait_for_status(created.delivery_id, DeliveryStatus.IN_TRANSIT))
    woken = asyncio.create_task(client.wait_for_status(created.delivery_id, DeliveryStatus.IN_TRANSIT, events=hub))
    await asyncio.sleep(0.5)
    await sandbox.advance(created.delivery_id, DeliveryStatus.IN_TRANSIT)
    hub.announce(DeliveryWebhookData(delivery_id=created.delivery_id, status=DeliveryStatus.IN_TRANSIT))
    assert (await woken).status == DeliveryStatus.IN_TRANSIT
    assert not polled.done()
    assert (await polled).status == DeliveryStatus.IN_TRANSIT


@pytest.mark.looptime
async def test_a_client_follows_a_delivery_to_its_end(client: DeliveryClient, sandbox: Sandbox) -> None:
    created = await client.create_delivery(order())
    await sandbox.advance(created.delivery_id, DeliveryStatus.DELIVERED)
    statuses = [change.status async for change in client.watch(created.delivery_id, timeout=60)]
    assert (statuses[0], statuses[-1]) == (DeliveryStatus.CREATED, DeliveryStatus.DELIVERED)


def test_a_fixed_key_is_recognised_by_a_digest_that_does_not_give_it_away() -> None:
    key, again, other = (DeliveryClient(key).api_key_digest for key in ("sk-1", "sk-1", "sk-2"))
    assert key is not None
    assert "sk-1" not in key
    assert key == again != other
    assert DeliveryClient(lambda: "sk-1").api_key_digest is None

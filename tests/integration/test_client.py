"""The client against the sandbox, over HTTP: the four operations and what is told about a call."""

from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest

from kaspi_delivery_async import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    CancelNotAllowedError,
    DeliveryClient,
    DeliveryStatus,
    IdempotencyConflictError,
    InvalidRequestError,
    NotFoundError,
    Outcome,
    PermissionDeniedError,
    RetryPolicy,
    ServerError,
    Timeout,
    operations,
)
from kaspi_delivery_async.sandbox import Sandbox
from tests.support import plays
from tests.support.orders import order
from tests.support.raw_server import GOOD_BODY, RawServer


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


async def test_an_unknown_delivery_is_not_found(client: DeliveryClient) -> None:
    with pytest.raises(NotFoundError, match=r"^get_delivery: the server answered 404"):
        await client.get_delivery("dlv_unknown")


async def test_a_wrong_key_and_a_disabled_key_are_told_apart(sandbox: Sandbox) -> None:
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
    server = RawServer([plays.close_after_request, plays.answer(status)])
    async with server, DeliveryClient("key", base_url=server.base_url) as client:
        with pytest.raises(ApiError, match="repeat it under its idempotency key") as unknown:
            await client.create_delivery(order())
        with pytest.raises(ApiError) as refused:
            await client.create_delivery(order())

    assert (unknown.value.outcome, refused.value.outcome) == (Outcome.UNKNOWN, Outcome.REJECTED)
    assert "earlier attempt" not in str(refused.value)


@pytest.mark.looptime
async def test_a_response_tells_all_about_the_call(client: DeliveryClient, sandbox: Sandbox) -> None:
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
    server = RawServer([plays.answer(200, GOOD_BODY, "Set-Cookie: session=secret")])
    async with server, DeliveryClient("key", base_url=server.base_url) as client:
        response = await client.send(operations.get_delivery("dlv_1"))
        await client.get_delivery("dlv_1")
    assert "set-cookie" not in response.headers
    assert "cookie" not in server.requests[1].headers


@pytest.mark.looptime
async def test_options_change_on_the_same_connections(client: DeliveryClient, sandbox: Sandbox) -> None:
    sandbox.faults.add("get:status:count=2")
    impatient = client.with_options(retry=RetryPolicy(max_attempts=1), timeout=Timeout(attempt=1, total=2))
    with pytest.raises(ServerError) as caught:
        await impatient.get_delivery("dlv_1")
    assert len(caught.value.attempts) == 1
    with pytest.raises(NotFoundError) as patient:
        await client.get_delivery("dlv_1")
    assert [attempt.status for attempt in patient.value.attempts] == [503, 404]

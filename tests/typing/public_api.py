"""What type checkers, and so editors, make of the public names; never run, only checked."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import assert_type

import aiohttp
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from kaspi_delivery_async import (
    Attempt,
    Delivery,
    DeliveryClient,
    DeliveryCreated,
    DeliveryRequest,
    DeliveryStatus,
    DeliveryWebhook,
    Environment,
    KaspiDeliveryError,
    Limits,
    Operation,
    Outcome,
    Response,
    RetryPolicy,
    StatusChange,
    StatusHistory,
    StatusHub,
    TestWebhook,
    Timeout,
    WebhookVerifier,
    models,
    operations,
)
from kaspi_delivery_async.outbox import DeliveryOutbox, OutboxEntry, OutboxStatus, ReconcileReport


def constructors(session: aiohttp.ClientSession) -> None:
    async def rotating() -> str:
        return "key"

    DeliveryClient("key")
    DeliveryClient(lambda: "key", Environment.PRODUCTION)
    DeliveryClient(
        rotating,
        environment="sandbox",
        base_url="https://host",
        timeout=Timeout(attempt=1, total=2),
        retry=RetryPolicy(max_attempts=1, base=0.1, cap=1),
        limits=Limits(max_connections=1, rate=5),
        session=session,
    )
    DeliveryClient(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    DeliveryClient("key", retries=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    assert_type(DeliveryClient.from_env(), DeliveryClient)


async def operations_of_a_client(request: DeliveryRequest) -> None:
    async with DeliveryClient("key") as client:
        assert_type(await client.create_delivery(request), DeliveryCreated)
        assert_type(await client.get_delivery("dlv_1", include_history=True), Delivery)
        assert_type(await client.cancel_delivery("dlv_1", "late", idempotency_key="k"), Delivery)
        assert_type(await client.send_test_webhook("https://shop.kz", "delivery.created"), TestWebhook)
        assert_type(await client.wait_for_status("dlv_1", DeliveryStatus.DELIVERED, timeout=1), Delivery)
        assert_type(client.watch("dlv_1", events=StatusHub()), AsyncGenerator[StatusChange, None])
        async with aclosing(client.watch("dlv_1")) as changes:
            assert_type([change async for change in changes], list[StatusChange])
        assert_type(client.with_options(timeout=Timeout()), DeliveryClient)
        await client.get_delivery("dlv_1", True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def responses(client: DeliveryClient, request: DeliveryRequest) -> None:
    assert_type(operations.create_delivery(request), Operation[DeliveryCreated])
    response = await client.send(operations.get_delivery("dlv_1"))
    assert_type(response, Response[Delivery])
    assert_type(response.value.history, tuple[StatusHistory, ...] | None)
    assert_type(response.attempts, tuple[Attempt, ...])
    assert_type(response.replayed, bool)
    assert_type(response.value.status, DeliveryStatus)


async def orders_in_a_transaction(
    session: AsyncSession, sync: Session, client: DeliveryClient, request: DeliveryRequest, event: DeliveryWebhook
) -> None:
    async def book(session: AsyncSession, entry: OutboxEntry) -> None: ...

    async with DeliveryOutbox("postgresql://shop", schema=None, create_tables=True) as outbox:
        assert_type(await outbox.enqueue(session, request, idempotency_key=None, not_before=None), OutboxEntry)
        assert_type(outbox.enqueue_sync(sync, request), OutboxEntry)
        assert_type(await outbox.withdraw(session, "order-742"), bool)
        async with outbox.relay(client, on_result=book, on_status=None, concurrency=16):
            await outbox.observe(event)
        entry = await outbox.find("order-742")
        assert_type(entry, OutboxEntry | None)
        assert_type(await outbox.status(), OutboxStatus)
        assert_type(await outbox.reconcile(client), ReconcileReport)
        assert_type(await outbox.prune(timedelta(days=30)), int)
        await outbox.enqueue(sync, request)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def errors(error: KaspiDeliveryError) -> None:
    assert_type(error.outcome, Outcome)
    assert_type(error.retry_after, float | None)
    assert_type(error.attempts, tuple[Attempt, ...])


def webhooks(body: bytes) -> None:
    verifier = WebhookVerifier(["secret"])
    event = verifier.verify(body, {"X-Kaspi-Signature": "", "X-Kaspi-Timestamp": ""})
    assert_type(event, DeliveryWebhook)
    assert_type(event.data.timestamp, datetime | None)
    verifier.verify(body, [(b"x-kaspi-signature", b"")], received_at=0.0)


def json_of(request: DeliveryRequest) -> None:
    assert_type(models.to_json(request), bytes)
    assert_type(models.from_json(Delivery, b"{}"), Delivery)
    assert_type(models.from_dict(DeliveryCreated, {}), DeliveryCreated)
    DeliveryRequest("order-742")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

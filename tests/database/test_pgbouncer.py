"""Inboxes and journals behind PgBouncer with ``pool_mode = transaction``."""

import asyncio
import time
from collections.abc import Coroutine, Generator
from typing import Any

import pytest

from kaspi_delivery_async import DeliveryClient, DeliveryWebhook, StatusHub
from kaspi_delivery_async.bulk import Journal
from kaspi_delivery_async.sandbox import Sandbox
from kaspi_delivery_async.webhooks import WebhookInbox, WebhookVerifier
from tests.support.bulk_runs import made, orders, run
from tests.support.pgbouncer import pooled
from tests.support.webhook_messages import SECRET, body, headers


@pytest.fixture
def pooled_url(postgresql_url: str) -> Generator[str]:
    with pooled(postgresql_url) as url:
        yield url


async def test_two_inboxes_receive_and_handle_over_shared_connections(pooled_url: str) -> None:
    handled: list[str] = []

    async def handle(event: DeliveryWebhook) -> None:
        handled.append(event.event_id)

    def new_inbox(**settings: Any) -> WebhookInbox:
        store = f"{pooled_url}?statement_cache_size=0"
        return WebhookInbox(WebhookVerifier([SECRET]), store=store, handler=handle, **settings)

    async with new_inbox(hub=StatusHub()) as one, new_inbox() as other:
        for turn in range(4):
            calls: list[Coroutine[Any, Any, object]] = []
            for number in range(20):
                raw = body(f"wh_{turn}_{number}")
                calls.append((one, other)[number % 2].receive(raw, headers(raw, at=time.time())))
                calls += [one.totals(), other.dead_letters()]
            await asyncio.gather(*calls)
        async with asyncio.timeout(30):
            while (await one.totals()).handled < 80:
                await asyncio.sleep(0.05)

    assert len(handled) == len(set(handled)) == 80


async def test_two_runs_share_a_journal_over_shared_connections(pooled_url: str) -> None:
    location = f"{pooled_url}?pgbouncer=true"
    async with (
        Sandbox() as sandbox,
        DeliveryClient(sandbox.api_key, base_url=sandbox.base_url) as client,
        Journal(location) as one,
        Journal(location) as other,
    ):
        await asyncio.gather(
            *(run(client, orders(40, start=start), journal) for start, journal in [(0, one), (40, other)])
        )

        assert sorted(made(sandbox).values()) == [1] * 80

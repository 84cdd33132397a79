"""The client, the sandbox and an inbox on uvloop: a delivery from its creation to its last webhook."""

import asyncio

import pytest

from kaspi_delivery_async import DeliveryClient, DeliveryStatus, DeliveryWebhook, StatusHub
from kaspi_delivery_async.sandbox import Clock, Journey, Sandbox
from kaspi_delivery_async.webhooks import MemoryStore, WebhookInbox, WebhookVerifier
from kaspi_delivery_async.webhooks.receivers.loopback import serve_on_loopback
from tests.support.orders import order

uvloop = pytest.importorskip("uvloop")


async def deliver() -> list[str]:
    handled: list[str] = []
    done = asyncio.Event()

    async def handle(event: DeliveryWebhook) -> None:
        handled.append(event.data.status)
        if event.data.status == DeliveryStatus.DELIVERED:
            done.set()

    hub = StatusHub()
    inbox = WebhookInbox(WebhookVerifier(["secret"]), store=MemoryStore(), handler=handle, hub=hub)
    async with inbox, serve_on_loopback(inbox.aiohttp) as url:
        sandbox = Sandbox(webhook_secret="secret", webhook_url=url, clock=Clock.sped_up(36_000), journey=Journey())
        async with sandbox, DeliveryClient(sandbox.api_key, base_url=sandbox.base_url) as client:
            sandbox.faults.add("create:commit-then-drop:count=1")
            created = await client.create_delivery(order())
            watched: list[str] = [
                change.status async for change in client.watch(created.delivery_id, timeout=30, events=hub)
            ]
            await asyncio.wait_for(done.wait(), 30)
            assert len(sandbox.deliveries) == 1
    assert sorted(handled) == sorted(watched)
    return watched


def test_a_delivery_is_created_once_and_followed_to_its_end() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(deliver()) == ["created", "accepted", "in_transit", "out_for_delivery", "delivered"]

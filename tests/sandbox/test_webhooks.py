"""Webhooks: what is sent, in which order, and how often."""

import asyncio
import json
import time
from typing import Any

import aiohttp
import pytest

from kaspi_delivery_async.sandbox import Clock, Sandbox
from tests.support.described_api import Caller, Receiver, delivery_description, signature
from tests.support.silent_server import silent_server

DAY = 24 * 3600
SCHEDULE = [0, 60, 180, 420, 900, 1860, 3780, 7620, 15300, 30660, 61380]
"""Seconds from the first attempt to each: a minute, then doubled, until the next would be later than a day."""


async def test_every_status_is_sent_in_order_and_signed() -> None:
    async with Receiver() as receiver, Sandbox(webhook_url=receiver.url) as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create()
        await sandbox.advance(delivery_id, "delivered")
    statuses = ["created", "accepted", "in_transit", "out_for_delivery", "delivered"]
    assert receiver.types == [f"delivery.{status}" for status in statuses]
    for received, status in zip(receiver.received, statuses, strict=True):
        delivery_description().check_webhook(received.json)
        assert received.headers["X-Kaspi-Signature"] == signature(received, "sandbox-secret")
        assert received.headers["Content-Type"] == "application/json"
        assert received.json["attempt"] == 1
        assert received.json["data"]["deliveryId"] == delivery_id
        assert received.json["data"]["externalOrderId"] == "order-742"
        assert received.json["data"]["status"] == status
    assert len({received.json["eventId"] for received in receiver.received}) == 5


async def test_a_cancel_is_sent() -> None:
    async with Receiver() as receiver, Sandbox(webhook_url=receiver.url) as sandbox, Caller(sandbox) as call:
        await sandbox.cancel(await call.create())
    assert receiver.types == ["delivery.created", "delivery.cancelled"]


async def test_failed_attempts_are_repeated_on_the_documented_schedule() -> None:
    async with (
        Receiver(lambda _: 500) as receiver,
        Caller(sandbox := Sandbox(clock=Clock.driven(start=1e9), webhook_url=receiver.url)) as call,
        sandbox,
    ):
        await call.create()
        await sandbox.clock.advance(3 * DAY)
    assert [attempt.at - 1e9 for attempt in sandbox.webhook_attempts] == SCHEDULE
    assert [received.json["attempt"] for received in receiver.received] == list(range(1, 12))
    assert len({received.json["eventId"] for received in receiver.received}) == 1
    stamps = [int(received.headers["X-Kaspi-Timestamp"]) - 10**9 for received in receiver.received]
    assert stamps == SCHEDULE
    assert all(
        received.headers["X-Kaspi-Signature"] == signature(received, "sandbox-secret") for received in receiver.received
    )


@pytest.mark.parametrize(("statuses", "attempts"), [([200], 1), ([204], 1), ([302, 299], 2), ([404, 500, 202], 3)])
async def test_any_2xx_ends_the_attempts_and_nothing_else_does(statuses: list[int], attempts: int) -> None:
    responses = iter(statuses)
    async with (
        Receiver(lambda _: next(responses)) as receiver,
        Caller(sandbox := Sandbox(clock=Clock.driven(), webhook_url=receiver.url)) as call,
        sandbox,
    ):
        await call.create()
        await sandbox.clock.advance(2 * DAY)
    assert [attempt.status for attempt in sandbox.webhook_attempts] == statuses
    assert len(receiver.received) == attempts


@pytest.mark.looptime
async def test_a_receiver_has_five_seconds() -> None:
    with silent_server() as port:
        async with Sandbox(webhook_url=f"http://127.0.0.1:{port}/") as sandbox, Caller(sandbox) as call:
            await call.create()
            await sandbox.drain_webhooks()
            (attempt,) = sandbox.webhook_attempts
    assert (attempt.status, attempt.error) == (None, "no response within 5 seconds")
    assert attempt.duration == pytest.approx(5, abs=0.01)


async def test_a_receiver_that_is_down_is_logged_and_tried_again() -> None:
    async with Receiver() as receiver:
        url = receiver.url
    async with Sandbox(clock=Clock.driven(), webhook_url=url) as sandbox, Caller(sandbox) as call:
        await call.create()
        await sandbox.clock.advance(60)
    assert [attempt.attempt for attempt in sandbox.webhook_attempts] == [1, 2]
    assert "ClientConnectorError" in (sandbox.webhook_attempts[0].error or "")


async def test_without_a_receiver_nothing_is_sent() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        await sandbox.advance(await call.create(), "delivered")
    assert sandbox.webhook_attempts.total == 0


async def test_a_receiver_can_be_moved_and_taken_away_while_events_wait() -> None:
    async with (
        Receiver(lambda _: 500) as old,
        Receiver(lambda _: 500) as new,
        Sandbox(clock=Clock.driven(), webhook_url=old.url) as sandbox,
        Caller(sandbox) as call,
    ):
        await call.create()
        await sandbox.drain_webhooks()
        sandbox.webhook_url = new.url
        sandbox.webhook_secret = "rotated"
        await sandbox.clock.advance(60)
        sandbox.webhook_url = None
        await sandbox.clock.advance(120)
    assert (len(old.received), len(new.received)) == (1, 1)
    assert new.received[0].headers["X-Kaspi-Signature"] == signature(new.received[0], "rotated")
    assert sandbox.webhook_secret == "rotated"
    assert sandbox.webhook_attempts[-1].error == "not sent: no receiver is registered any more"


@pytest.mark.parametrize("url", ["https://example.com/hook", "http://10.0.0.1/", "ftp://localhost/", "nonsense"])
def test_a_receiver_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="webhook_url"):
        Sandbox(webhook_url=url)


@pytest.mark.parametrize("url", ["http://localhost:8080/hook", "https://127.8.8.8/", "http://[::1]:80/"])
def test_a_receiver_on_this_machine_is_taken(url: str) -> None:
    assert Sandbox(webhook_url=url).webhook_url == url


async def test_a_test_event_is_really_sent() -> None:
    async with Receiver() as receiver, Sandbox() as sandbox, Caller(sandbox) as call:
        body = {"url": receiver.url, "type": "delivery.out_for_delivery"}
        reply = await call("POST", "/v1/webhooks/test", json=body)
        await sandbox.drain_webhooks()
    assert reply.status == 202
    assert reply.json["status"] == "queued"
    (received,) = receiver.received
    delivery_description().check_webhook(received.json)
    assert received.json["eventId"] == reply.json["eventId"]
    assert received.json["type"] == "delivery.out_for_delivery"
    assert received.headers["X-Kaspi-Signature"] == signature(received, "sandbox-secret")


async def test_the_newest_test_events_can_be_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaspi_delivery_async.sandbox.deliveries.service._TEST_EVENTS_KEPT", 2)
    async with Receiver() as receiver, Sandbox() as sandbox, Caller(sandbox) as call:
        body = {"url": receiver.url, "type": "delivery.created"}
        ids = [(await call("POST", "/v1/webhooks/test", json=body)).json["eventId"] for _ in range(3)]
        again = [await call.control("POST", f"/events/{event_id}/resend") for event_id in ids]
    assert [reply.status for reply in again] == [404, 202, 202]


async def test_no_id_of_a_test_event_is_given_again_after_a_reset() -> None:
    async with Receiver() as receiver, Sandbox() as sandbox, Caller(sandbox) as call:
        body = {"url": receiver.url, "type": "delivery.created"}
        before = await call("POST", "/v1/webhooks/test", json=body)
        await sandbox.drain_webhooks()
        await sandbox.reset()
        after = await call("POST", "/v1/webhooks/test", json=body)
        await sandbox.drain_webhooks()
    assert before.json["eventId"] != after.json["eventId"]
    assert len({received.json["data"]["deliveryId"] for received in receiver.received}) == 2


async def test_a_test_event_for_elsewhere_is_queued_but_never_leaves_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    posted: list[Any] = []
    monkeypatch.setattr(aiohttp.ClientSession, "post", lambda *_, **__: posted.append(1))
    async with Sandbox(clock=Clock.driven()) as sandbox, Caller(sandbox) as call:
        body = {"url": "https://shop.example/hook", "type": "delivery.created"}
        reply = await call("POST", "/v1/webhooks/test", json=body)
        await sandbox.drain_webhooks()
    assert reply.status == 202
    assert (sandbox.webhook_attempts[0].error or "").startswith("not sent")
    assert posted == []


async def test_webhooks_are_stamped_by_the_wall_clock_when_time_runs() -> None:
    """A receiver compares the stamp with its own clock, which no sandbox speeds up."""
    async with (
        Receiver() as receiver,
        Sandbox(clock=Clock.sped_up(6000), webhook_url=receiver.url) as sandbox,
        Caller(sandbox) as call,
    ):
        await call.create()
        await sandbox.clock.advance(DAY)
        await call.create()
        await sandbox.drain_webhooks()
    assert all(abs(int(received.headers["X-Kaspi-Timestamp"]) - time.time()) < 60 for received in receiver.received)


async def test_the_events_of_many_deliveries_are_each_sent_in_order() -> None:
    async with Receiver() as receiver, Sandbox(webhook_url=receiver.url) as sandbox, Caller(sandbox) as call:
        ids = [await call.create(externalOrderId=f"order-{number}") for number in range(100)]
        await asyncio.gather(*(sandbox.advance(delivery_id, "delivered") for delivery_id in ids))
    sent: dict[str, list[str]] = {}
    for received in receiver.received:
        data = received.json["data"]
        sent.setdefault(data["deliveryId"], []).append(data["status"])
    assert set(sent) == set(ids)
    assert all(
        statuses == ["created", "accepted", "in_transit", "out_for_delivery", "delivered"] for statuses in sent.values()
    )


async def test_stopping_breaks_attempts_off_and_leaves_no_task() -> None:
    with silent_server() as port:
        before = asyncio.all_tasks()
        async with Sandbox(webhook_url=f"http://127.0.0.1:{port}/") as sandbox, Caller(sandbox) as call:
            await call.create()
        left = asyncio.all_tasks() - before
    assert left == set()
    assert json.loads(sandbox.requests[0].body)["externalOrderId"] == "order-742"

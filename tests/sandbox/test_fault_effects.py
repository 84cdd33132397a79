"""Faults over real sockets: what a client and a receiver see of each."""

import asyncio
import email.utils
import time
from collections.abc import Sequence

import aiohttp
import pytest

from kaspi_delivery_async.sandbox import Clock, Fault, Sandbox
from tests.support.described_api import Caller, Received, Receiver, order, signature


@pytest.mark.looptime
async def test_latency_delays_the_response() -> None:
    async with Sandbox(faults=["create:latency:seconds=3"]) as sandbox, Caller(sandbox) as call:
        began = asyncio.get_running_loop().time()
        await call.create()
        assert asyncio.get_running_loop().time() - began == pytest.approx(3, abs=0.01)


@pytest.mark.looptime
async def test_a_late_request_is_handled_even_if_its_client_has_gone() -> None:
    async with Sandbox(faults=["create:latency:seconds=3"]) as sandbox, Caller(sandbox) as call:
        with pytest.raises(TimeoutError):
            await call("POST", "/v1/deliveries", json=order(), timeout=aiohttp.ClientTimeout(total=1))
        assert len(sandbox.deliveries) == 0
        await asyncio.sleep(3)
        assert len(sandbox.deliveries) == 1


@pytest.mark.looptime
async def test_a_stalled_request_is_never_handled() -> None:
    async with Sandbox(faults=["create:stall:count=1"]) as sandbox, Caller(sandbox) as call:
        with pytest.raises(TimeoutError):
            await call("POST", "/v1/deliveries", json=order(), timeout=aiohttp.ClientTimeout(total=10))
        (seen,) = sandbox.requests
        assert (seen.status, seen.fault) == (None, "create:stall:count=1")
        await asyncio.sleep(3)
        assert len(sandbox.deliveries) == 0
        await call.create()


@pytest.mark.looptime
async def test_a_stall_may_end_in_a_reset() -> None:
    async with Sandbox(faults=["create:stall:seconds=2.5"]) as sandbox, Caller(sandbox) as call:
        began = asyncio.get_running_loop().time()
        with pytest.raises(aiohttp.ClientOSError):
            await call("POST", "/v1/deliveries", json=order())
        assert asyncio.get_running_loop().time() - began == pytest.approx(2.5, abs=0.01)


@pytest.mark.looptime
async def test_a_retry_after_keeps_out_only_the_order_that_it_was_given_for() -> None:
    fault = "create:429:retry-after=5:order=order-742:count=1"
    async with Sandbox(faults=[fault]) as sandbox, Caller(sandbox) as call:
        statuses = [
            (await call("POST", "/v1/deliveries", json=order(externalOrderId=order_id), key=order_id)).status
            for order_id in ("order-742", "order-743", "order-742")
        ]
        await asyncio.sleep(7)
        await call.create(key="order-742")
    assert statuses == [429, 201, 429]


@pytest.mark.looptime
async def test_stopping_ends_a_stall_at_once() -> None:
    async with Sandbox(faults=["create:stall"]) as sandbox, Caller(sandbox) as call:
        stalled = asyncio.create_task(call("POST", "/v1/deliveries", json=order()))
        await asyncio.sleep(60)
        assert len(sandbox.requests) == 1
        await sandbox.stop()
        with pytest.raises(aiohttp.ClientError):
            await stalled


@pytest.mark.looptime
async def test_stopping_ends_a_latency_without_an_error(caplog: pytest.LogCaptureFixture) -> None:
    async with Sandbox(faults=["create:latency:seconds=3600"]) as sandbox, Caller(sandbox) as call:
        late = asyncio.create_task(call("POST", "/v1/deliveries", json=order()))
        await asyncio.sleep(60)
        await sandbox.stop()
        assert (await late).status == 201
    assert caplog.records == []


@pytest.mark.parametrize(("kind", "deliveries"), [("drop-before", 0), ("commit-then-drop", 1)])
async def test_a_dropped_create_did_or_did_not_take_effect(kind: str, deliveries: int) -> None:
    async with Sandbox(faults=[f"create:{kind}:count=1"]) as sandbox, Caller(sandbox) as call:
        with pytest.raises(aiohttp.ClientOSError) as failure:
            await call("POST", "/v1/deliveries", json=order(), key="order-742")
        assert len(sandbox.deliveries) == deliveries
        again = await call("POST", "/v1/deliveries", json=order(), key="order-742")
    assert isinstance(failure.value, ConnectionResetError | aiohttp.ClientOSError)
    assert ("X-Idempotent-Replay" in again.headers) is (deliveries == 1)
    assert len(sandbox.deliveries) == 1
    assert [seen.status for seen in sandbox.requests] == [None, 201]


async def test_a_truncated_response_ends_in_the_middle() -> None:
    async with Sandbox(faults=["create:truncate:count=1"]) as sandbox, Caller(sandbox) as call:
        with pytest.raises(aiohttp.ClientPayloadError):
            await call("POST", "/v1/deliveries", json=order())
        assert len(sandbox.deliveries) == 1
        await call.create()


@pytest.mark.parametrize("status", [400, 401, 403, 409, 429, 500, 502, 503, 504])
async def test_a_status_is_sent_instead(status: int) -> None:
    async with Sandbox(faults=[f"create:{status}:count=1"]) as sandbox, Caller(sandbox) as call:
        reply = await call("POST", "/v1/deliveries", json=order())
        assert len(sandbox.deliveries) == 0
        await call.create()
    assert reply.status == status
    assert set(reply.json) == {"code", "message"}


async def test_a_status_may_come_as_html_with_retry_after_and_as_a_replay() -> None:
    fault = Fault("create", "status", status=503, body="html", retry_after=7, replay=True)
    async with Sandbox(faults=[fault]) as sandbox, Caller(sandbox) as call:
        reply = await call("POST", "/v1/deliveries", json=order(), check=False)
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    assert reply.body.startswith(b"<html>")
    assert (reply.headers["Retry-After"], reply.headers["X-Idempotent-Replay"]) == ("7", "true")


async def test_retry_after_may_be_a_date() -> None:
    async with Sandbox(faults=["create:429:retry-after=30:retry-after-as=date"]) as sandbox, Caller(sandbox) as call:
        reply = await call("POST", "/v1/deliveries", json=order(), check=False)
    retry_at = email.utils.parsedate_to_datetime(reply.headers["Retry-After"]).timestamp()
    assert 25 <= retry_at - time.time() <= 31


@pytest.mark.looptime
async def test_a_rate_limit_lets_requests_through_again_after_the_named_time() -> None:
    async with Sandbox(faults=["create:rate-limit:rate=2:burst=4"]) as sandbox, Caller(sandbox) as call:
        at_once = [(await call("POST", "/v1/deliveries", json=order())).status for _ in range(4)]
        refused = await call("POST", "/v1/deliveries", json=order())
        await asyncio.sleep(int(refused.headers["Retry-After"]))
        later = [(await call("POST", "/v1/deliveries", json=order())).status for _ in range(3)]
    assert at_once == [201] * 4
    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    assert refused.json["code"] == "rate_limited"
    assert later == [201, 201, 429]


async def test_the_faults_in_force_are_listed_in_order() -> None:
    async with Sandbox(faults=["get:503"]) as sandbox:
        added = sandbox.faults.add("create:truncate:count=2")
        assert [str(fault) for fault in sandbox.faults] == ["get:status", "create:truncate:count=2"]
    assert added == Fault("create", "truncate", count=2)


async def test_a_fault_leaves_other_operations_alone() -> None:
    async with Sandbox(faults=["get:503"]) as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create()
        assert (await call("GET", f"/v1/deliveries/{delivery_id}")).status == 503
        assert (await call("POST", f"/v1/deliveries/{delivery_id}/cancel")).status == 200


async def statuses_under(seed: int) -> Sequence[int | None]:
    async with Sandbox(seed=seed, faults=["get:503:0.5"]) as sandbox, Caller(sandbox) as call:
        for _ in range(64):
            await call("GET", "/v1/deliveries/dlv_none")
        return [seen.status for seen in sandbox.requests]


async def test_the_seed_decides_which_requests_a_chance_hits() -> None:
    first = await statuses_under(1)
    assert first == await statuses_under(1)
    assert first != await statuses_under(2)
    assert set(first) == {404, 503}


@pytest.mark.looptime
async def test_a_duplicate_is_sent_twice_with_one_event_id() -> None:
    async with (
        Receiver() as receiver,
        Sandbox(webhook_url=receiver.url, faults=["webhook:duplicate"]) as sandbox,
        Caller(sandbox) as call,
    ):
        await call.create()
        await sandbox.drain_webhooks()
    assert len(receiver.received) == 2
    assert receiver.received[0].body == receiver.received[1].body


async def test_a_reordered_event_comes_after_the_next() -> None:
    async with (
        Receiver() as receiver,
        Sandbox(clock=Clock.driven(), webhook_url=receiver.url, faults=["delivery.accepted:reorder"]) as sandbox,
        Caller(sandbox) as call,
    ):
        await sandbox.advance(await call.create(), "out_for_delivery")
        await sandbox.clock.advance(100)
    assert receiver.types == [
        "delivery.created", "delivery.in_transit", "delivery.out_for_delivery", "delivery.accepted",
    ]  # fmt: skip


async def test_a_reordered_event_waits_for_an_event_that_happens_later() -> None:
    async with (
        Receiver() as receiver,
        Sandbox(clock=Clock.driven(), webhook_url=receiver.url, faults=["delivery.accepted:reorder"]) as sandbox,
        Caller(sandbox) as call,
    ):
        delivery_id = await call.create()
        await sandbox.advance(delivery_id, "accepted")
        assert receiver.types == ["delivery.created"]
        await sandbox.advance(delivery_id, "in_transit")
        await sandbox.clock.advance(100)
    assert receiver.types == ["delivery.created", "delivery.in_transit", "delivery.accepted"]


async def test_reordered_events_all_come_in_the_end() -> None:
    async with (
        Receiver() as receiver,
        Sandbox(clock=Clock.driven(), webhook_url=receiver.url, faults=["webhook:reorder:count=3"]) as sandbox,
        Caller(sandbox) as call,
    ):
        await sandbox.advance(await call.create(), "out_for_delivery")
        await sandbox.clock.advance(100)
    assert receiver.types[0] == "delivery.out_for_delivery"
    assert len(receiver.types) == len(set(receiver.types)) == 4


async def test_a_reordered_event_without_a_next_one_comes_in_time() -> None:
    async with (
        Receiver() as receiver,
        Sandbox(clock=Clock.driven(), webhook_url=receiver.url, faults=["webhook:reorder:seconds=20"]) as sandbox,
        Caller(sandbox) as call,
    ):
        await call.create()
        await sandbox.clock.advance(19)
        assert receiver.types == []
        await sandbox.clock.advance(1)
        assert receiver.types == ["delivery.created"]


async def test_a_delayed_event_comes_later_and_is_stamped_then() -> None:
    async with (
        Receiver() as receiver,
        Sandbox(
            clock=Clock.driven(start=1000.0), webhook_url=receiver.url, faults=["webhook:delay:seconds=90:count=1"]
        ) as sandbox,
        Caller(sandbox) as call,
    ):
        await call.create()
        await sandbox.clock.advance(89)
        assert receiver.types == []
        await sandbox.clock.advance(1)
    (received,) = receiver.received
    assert received.headers["X-Kaspi-Timestamp"] == "1090"


async def test_a_dropped_attempt_is_followed_by_the_next() -> None:
    async with (
        Receiver() as receiver,
        Sandbox(clock=Clock.driven(), webhook_url=receiver.url, faults=["webhook:drop:count=1"]) as sandbox,
        Caller(sandbox) as call,
    ):
        await call.create()
        await sandbox.clock.advance(60)
    assert [received.json["attempt"] for received in receiver.received] == [2]
    assert sandbox.webhook_attempts[0].error == "lost on the way by a fault"
    assert sandbox.webhook_attempts[0].fault == "webhook:drop:count=1"


async def test_a_bad_signature_differs_and_the_next_attempt_is_good() -> None:
    def status_of(received: Received) -> int:
        return 200 if received.json["attempt"] > 1 else 401

    async with (
        Receiver(status_of) as receiver,
        Sandbox(clock=Clock.driven(), webhook_url=receiver.url, faults=["webhook:bad-signature:count=1"]) as sandbox,
        Caller(sandbox) as call,
    ):
        await call.create()
        await sandbox.clock.advance(60)
    good = [
        received.headers["X-Kaspi-Signature"] == signature(received, "sandbox-secret") for received in receiver.received
    ]
    assert good == [False, True]


async def test_a_skewed_clock_signs_another_time() -> None:
    async with (
        Receiver() as receiver,
        Sandbox(
            clock=Clock.driven(start=10_000.0), webhook_url=receiver.url, faults=["webhook:clock-skew:seconds=-900"]
        ) as sandbox,
        Caller(sandbox) as call,
    ):
        await call.create()
        await sandbox.drain_webhooks()
    (received,) = receiver.received
    assert received.headers["X-Kaspi-Timestamp"] == "9100"
    assert received.headers["X-Kaspi-Signature"] == signature(received, "sandbox-secret")

"""The control API under /_sandbox/: every response is also held against its own description."""

import asyncio
import socket
import time
from typing import Any
from unittest.mock import PropertyMock, patch

import aiohttp
import pytest
from aiohttp import web
from openapi_spec_validator import validate

from kaspi_delivery_async.sandbox import Clock, Journey, Sandbox, ThreadedSandbox
from tests.support.described_api import Caller, Receiver, control_description, order


def test_the_description_is_valid_openapi() -> None:
    validate(control_description().document)


async def test_deliveries_are_listed_by_status_newest_last() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        first, second, third = [await call.create() for _ in range(3)]
        await sandbox.advance(second, "accepted")
        every = await call.control("GET", "/deliveries?limit=2")
        accepted = await call.control("GET", "/deliveries?status=accepted")
    assert every.json["total"] == 3
    assert [listed["deliveryId"] for listed in every.json["deliveries"]] == [second, third]
    assert [listed["deliveryId"] for listed in accepted.json["deliveries"]] == [second]
    assert first in sandbox.deliveries


async def test_a_delivery_is_inspected_with_its_order_and_history() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create(key="order-742")
        reply = await call.control("GET", f"/deliveries/{delivery_id}")
    assert (reply.json["request"], reply.json["idempotencyKey"]) == (order(), "order-742")
    assert [entry["status"] for entry in reply.json["history"]] == ["created"]


async def test_a_delivery_is_advanced_after_the_responses_to_its_webhooks() -> None:
    async with Receiver() as receiver, Sandbox(webhook_url=receiver.url) as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create()
        body = {"status": "in_transit", "notes": "Picked up"}
        reply = await call.control("POST", f"/deliveries/{delivery_id}/advance", json=body)
    assert reply.json["status"] == "in_transit"
    assert reply.json["history"][-1]["notes"] == "Picked up"
    assert receiver.types == ["delivery.created", "delivery.accepted", "delivery.in_transit"]


async def test_an_impossible_move_is_a_conflict() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        reply = await call.control("POST", f"/deliveries/{await call.create()}/advance", json={"status": "created"})
    assert reply.status == 409


@pytest.mark.parametrize(("body", "notes"), [({"json": {"reason": "Lost"}}, "Lost"), ({}, None)])
async def test_the_courier_cancels(body: dict[str, Any], notes: str | None) -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create()
        reply = await call.control("POST", f"/deliveries/{delivery_id}/cancel", **body)
    assert reply.json["status"] == "cancelled"
    assert sandbox.deliveries[delivery_id].history[-1].notes == notes


async def test_time_is_read_and_advanced() -> None:
    async with Sandbox(clock=Clock.driven()) as sandbox, Caller(sandbox) as call:
        before = await call.control("GET", "/time")
        after = await call.control("POST", "/time/advance", json={"seconds": 90})
    assert before.json == {"now": "2024-06-11T08:10:54Z", "unix": 1718093454.0, "speed": 0.0, "nextDue": None}
    assert after.json["now"] == "2024-06-11T08:12:24Z"


async def test_faults_are_added_listed_and_cleared() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        added = await call.control("POST", "/faults", json={"fault": "create:503:count=2"})
        await call("POST", "/v1/deliveries", json=order())
        listed = await call.control("GET", "/faults")
        cleared = await call.control("DELETE", "/faults")
    assert (added.status, added.json) == (201, {"id": "1", "fault": "create:status:count=2", "left": 2})
    assert listed.json["faults"] == [{"id": "1", "fault": "create:status:count=2", "left": 1}]
    assert cleared.json["faults"] == []
    assert len(sandbox.faults) == 0


async def test_requests_are_listed_without_keys() -> None:
    async with Sandbox(api_key="very-secret") as sandbox, Caller(sandbox) as call:
        await call.create(key="order-742")
        await call("GET", "/v1/deliveries/dlv_none")
        reply = await call.control("GET", "/requests?limit=2")
    created, missed = reply.json["requests"]
    assert (created["operation"], created["status"], missed["status"]) == ("create", 201, 404)
    assert "very-secret" not in reply.body.decode()


async def test_webhook_attempts_are_listed() -> None:
    async with (
        Receiver(lambda _: 500) as receiver,
        Sandbox(webhook_url=receiver.url) as sandbox,
        Caller(sandbox) as call,
    ):
        await call.create()
        await sandbox.drain_webhooks()
        reply = await call.control("GET", "/webhook-attempts")
    (attempt,) = reply.json["attempts"]
    assert (attempt["type"], attempt["attempt"], attempt["status"]) == ("delivery.created", 1, 500)


async def test_a_reset_forgets_everything_but_the_time() -> None:
    async with (
        Receiver(lambda _: 500) as receiver,
        Sandbox(clock=Clock.driven(), webhook_url=receiver.url) as sandbox,
        Caller(sandbox) as call,
    ):
        first = await call.create(key="order-742")
        await sandbox.clock.advance(1)
        sandbox.faults.add("get:503")
        await call.control("POST", "/reset")
        seen = len(receiver.received)
        now = sandbox.clock.now()
        await sandbox.clock.advance(24 * 3600)
        assert len(receiver.received) == seen
        assert (len(sandbox.deliveries), sandbox.requests.total, len(sandbox.webhook_attempts)) == (0, 0, 0)
        assert len(sandbox.faults) == 0
        again = await call("POST", "/v1/deliveries", key="order-742", json=order())
    assert "X-Idempotent-Replay" not in again.headers
    assert again.delivery_id != first  # no id is given twice
    assert now == 1718093455.0


async def test_deliveries_are_found_by_a_part_of_their_ids() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        first, second = await call.create(externalOrderId="Shop-A-17"), await call.create(externalOrderId="Shop-B-18")
        by_order = await call.control("GET", "/deliveries?search=shop-a")
        by_id = await call.control("GET", f"/deliveries?search={second[4:]}")
    assert [each["deliveryId"] for each in by_order.json["deliveries"]] == [first]
    assert [each["deliveryId"] for each in by_id.json["deliveries"]] == [second]


async def test_an_example_is_created_as_often_as_one_asks() -> None:
    async with Receiver() as receiver, Sandbox(webhook_url=receiver.url) as sandbox, Caller(sandbox) as call:
        examples = [await call.control("POST", "/deliveries") for _ in range(2)]
        await sandbox.drain_webhooks()
    assert [each.status for each in examples] == [201, 201]
    assert [each.json["externalOrderId"] for each in examples] == ["example-1", "example-2"]
    assert examples[0].json["request"] == order(externalOrderId="example-1")
    assert receiver.types == ["delivery.created", "delivery.created"]


async def test_time_goes_to_what_falls_due_next() -> None:
    async with Sandbox(clock=Clock.driven(), journey=Journey(accept=(90, 90))) as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create()
        due = await call.control("GET", "/time")
        after = await call.control("POST", "/time/next")
        assert sandbox.deliveries[delivery_id].status == "accepted"
        await call.control("POST", "/reset")
        still = await call.control("POST", "/time/next")
    assert due.json["nextDue"] == due.json["unix"] + 90 == after.json["unix"]
    assert still.json["unix"] == after.json["unix"]


@pytest.mark.looptime
async def test_the_clock_changes_its_speed_and_does_what_falls_due_at_the_new_one() -> None:
    async with Sandbox(clock=Clock.driven(), journey=Journey(accept=(600, 600))) as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create()
        changed = await call.control("PATCH", "/time", json={"speed": 60})
        await asyncio.sleep(9)
        assert sandbox.deliveries[delivery_id].status == "created"
        await asyncio.sleep(2)
        assert sandbox.deliveries[delivery_id].status == "accepted"
        await call.control("PATCH", "/time", json={"speed": 0})
        before = sandbox.clock.now()
        await asyncio.sleep(100)
        assert sandbox.clock.now() == before
        refused = await call.control("PATCH", "/time", json={"speed": -1})
    assert (changed.json["speed"], refused.status) == (60, 400)


async def test_a_speed_that_makes_no_sense_is_refused() -> None:
    async with Sandbox() as sandbox:
        with pytest.raises(ValueError, match="speed: 0"):
            sandbox.clock.set_speed(float("inf"))


@pytest.mark.looptime
async def test_a_fault_is_taken_back_after_its_seconds() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        added = await call.control("POST", "/faults", json={"fault": "*:503", "seconds": 60})
        await asyncio.sleep(59)
        assert len(sandbox.faults) == 1
        await asyncio.sleep(2)
        assert len(sandbox.faults) == 0
        refused = await call.control("POST", "/faults", json={"fault": "*:503", "seconds": 0})
    assert (added.status, refused.status, len(sandbox.faults)) == (201, 400, 0)


async def test_what_concerns_a_delivery_is_listed_by_itself() -> None:
    async with Receiver() as receiver, Sandbox(webhook_url=receiver.url) as sandbox, Caller(sandbox) as call:
        one = await call.create(key="key-1", externalOrderId="order-1")
        other = await call.create(externalOrderId="order-12")
        await call("POST", "/v1/deliveries", key="key-1", json=order(externalOrderId="order-1"))
        await call("GET", f"/v1/deliveries/{one}")
        await call("GET", f"/v1/deliveries/{other}")
        await sandbox.drain_webhooks()
        requests = await call.control("GET", f"/requests?deliveryId={one}")
        last = await call.control("GET", f"/requests?deliveryId={one}&limit=1")
        before = await call.control("GET", f"/requests?deliveryId={one}&before={last.json['next']}")
        unkeyed = await call.control("GET", f"/requests?deliveryId={other}")
        attempts = await call.control("GET", f"/webhook-attempts?deliveryId={one}")
        unknown = await call.control("GET", "/requests?deliveryId=dlv_none")
    assert [(each["number"], each["replayed"]) for each in requests.json["requests"]] == [
        (0, False), (2, True), (3, False),
    ]  # fmt: skip
    assert [each["number"] for each in before.json["requests"]] == [0, 2]
    assert [each["operation"] for each in unkeyed.json["requests"]] == ["create", "get"]
    assert [each["deliveryId"] for each in attempts.json["attempts"]] == [one]
    assert unknown.status == 404


async def test_the_settings_show_keys_unless_they_are_hidden() -> None:
    async with Sandbox(api_key="key", webhook_secret="word") as sandbox, Caller(sandbox) as call:
        shown = await call.control("GET", "/settings")
        sandbox.hidden_settings = {"apiKey", "webhookSecret"}
        hidden = await call.control("GET", "/settings")
    assert (shown.json["apiKey"], shown.json["webhookSecret"]) == ("key", "word")
    assert (hidden.json["apiKey"], hidden.json["webhookSecret"]) == (None, None)
    assert shown.json["baseUrl"].endswith("/delivery")


@pytest.mark.looptime
async def test_changes_are_streamed_as_they_happen() -> None:
    async with (
        Sandbox(clock=Clock.driven()) as sandbox,
        Caller(sandbox) as call,
        aiohttp.ClientSession() as session,
        session.get(f"{sandbox.root_url}/_sandbox/changes") as stream,
    ):

        async def event() -> tuple[bytes, float]:
            began = asyncio.get_running_loop().time()
            return await stream.content.readuntil(b"\n\n"), asyncio.get_running_loop().time() - began

        assert stream.content_type == "text/event-stream"
        first, _ = await event()
        nothing, waited = await event()
        assert (first, nothing) == (b"event: change\ndata: {}\n\n", b": nothing new\n\n")
        assert waited == pytest.approx(10, abs=1)
        delivery_id = await call.create()
        for change in (
            lambda: asyncio.sleep(0), lambda: sandbox.advance(delivery_id, "accepted"),
            lambda: sandbox.clock.advance(5), lambda: call.control("POST", "/faults", json={"fault": "get:503"}),
            lambda: call.control("PATCH", "/settings", json={"webhookUrl": "http://127.0.0.1:9/"}),
            lambda: call.control("DELETE", "/requests"), lambda: call.control("POST", "/reset"),
        ):  # fmt: skip
            await change()
            changed, waited = await event()
            assert (changed, waited < 0.3) == (first, True)


def test_a_sandbox_stops_although_its_changes_are_followed() -> None:
    with ThreadedSandbox() as sandbox:
        host, port = "127.0.0.1", int(sandbox.root_url.rpartition(":")[2])
        with socket.create_connection((host, port), timeout=10) as follower:
            follower.sendall(b"GET /_sandbox/changes HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"200 OK" in follower.recv(1000)
            began = time.monotonic()
            sandbox.__exit__(None, None, None)
            assert time.monotonic() - began < 5
            while follower.recv(1000):
                pass  # until the end


async def test_a_reader_of_changes_that_has_gone_is_forgotten() -> None:
    async with Sandbox() as sandbox:
        _, writer = await asyncio.open_connection("127.0.0.1", int(sandbox.root_url.rpartition(":")[2]))
        writer.write(b"GET /_sandbox/changes HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.2)
        writer.transport.abort()
        sandbox.faults.add("get:503")
        await asyncio.sleep(0.2)
        sandbox.faults.add("get:502")
        await asyncio.sleep(0.2)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("GET", "/deliveries/dlv_none", None, 404),
        ("POST", "/deliveries/dlv_none/advance", {"status": "accepted"}, 404),
        ("DELETE", "/time", None, 405),
        ("GET", "/deliveries?limit=0", None, 400),
        ("GET", "/deliveries?limit=1000000", None, 400),
        ("GET", "/deliveries?limit=1&limit=2", None, 400),
        ("GET", "/requests?limit=ten", None, 400),
        ("GET", "/deliveries?status=lost", None, 400),
        ("POST", "/time/advance", {}, 400),
        ("POST", "/time/advance", {"seconds": "1"}, 400),
        ("POST", "/time/advance", {"seconds": True}, 400),
        ("POST", "/time/advance", {"seconds": -1}, 400),
        ("POST", "/time/advance", {"seconds": 10**30}, 400),
        ("POST", "/time/advance", [], 400),
        ("POST", "/faults", {"fault": 5}, 400),
        ("POST", "/faults", {"fault": "create:explode"}, 400),
    ],
)
async def test_bad_input_is_refused(method: str, path: str, body: object, status: int) -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        reply = await call.control(method, path, **({} if body is None else {"json": body}))
    assert reply.status == status
    assert set(reply.json) == {"code", "message"}


@pytest.mark.parametrize("remote", ["203.0.113.7", "not an address", None])
async def test_callers_on_other_machines_are_refused(remote: str | None) -> None:
    """Only the peer address is made up: a test has no second machine to call from."""
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        with patch.object(web.BaseRequest, "remote", PropertyMock(return_value=remote)):
            assert (await call.control("GET", "/time")).status == 403


async def test_callers_on_other_machines_may_be_let_in() -> None:
    async with Sandbox(remote_control=True) as sandbox, Caller(sandbox) as call:
        with patch.object(web.BaseRequest, "remote", PropertyMock(return_value="203.0.113.7")):
            assert (await call.control("GET", "/time")).status == 200

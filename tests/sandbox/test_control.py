"""The control API under /_sandbox/: every response is also held against its own description."""

from typing import Any
from unittest.mock import PropertyMock, patch

import pytest
from aiohttp import web
from openapi_spec_validator import validate

from kaspi_delivery_async.sandbox import Clock, Sandbox
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
    assert before.json == {"now": "2024-06-11T08:10:54Z", "unix": 1718093454.0, "speed": 0.0}
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

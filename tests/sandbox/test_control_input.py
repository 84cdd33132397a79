"""What the control API takes by name and refuses by name, what it lists in pages, and what it changes."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kaspi_delivery_async.sandbox import Clock, Sandbox
from tests.support.described_api import Caller, Receiver, control_description, order, signature


@pytest.mark.parametrize(
    ("method", "path", "body", "named"),
    [
        ("POST", "/faults", {"fault": "create:503", "count": 1}, "$.count"),
        ("POST", "/deliveries/ID/advance", {"status": "accepted", "note": "x"}, "$.note"),
        ("POST", "/deliveries/ID/advance", {"status": "lost"}, "$.status"),
        ("POST", "/deliveries/ID/cancel", {"notes": "x"}, "$.notes"),
        ("POST", "/time/advance", {"seconds": 1, "minutes": 1}, "$.minutes"),
        ("POST", "/reset", {"deliveries": True}, "$.deliveries"),
        ("PATCH", "/settings", {"webhook_url": "x"}, "$.webhook_url"),
        ("PATCH", "/settings", {"webhookUrl": "https://example.com/"}, "$.webhookUrl"),
        ("PATCH", "/settings", {"webhookUrl": 5}, "$.webhookUrl"),
        ("PATCH", "/settings", {"webhookSecret": ""}, "$.webhookSecret"),
        ("PATCH", "/settings", {"apiKey": "a b"}, "$.apiKey"),
        ("PATCH", "/settings", {"apiKeys": ["a", 5]}, "$.apiKeys"),
        ("GET", "/deliveries?orderId=1", None, "query parameter orderId"),
        ("GET", "/deliveries?externalOrderId=1&externalOrderId=2", None, "query parameter externalOrderId"),
        ("GET", "/deliveries?limit=1001", None, "query parameter limit"),
        ("GET", "/requests?before=x", None, "query parameter before"),
        ("GET", "/requests?status=200", None, "query parameter status"),
        ("POST", "/reset?hard=1", None, "query parameter hard"),
    ],
)
async def test_what_does_not_exist_is_refused_by_name(method: str, path: str, body: object, named: str) -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create()
        options: dict[str, Any] = {} if body is None else {"json": body}
        reply = await call.control(method, path.replace("ID", delivery_id), **options)
        assert (reply.status, reply.json["message"].startswith(named)) == (400, True), reply.json
        assert (len(sandbox.faults), sandbox.deliveries[delivery_id].status) == (0, "created")
        assert (sandbox.webhook_url, sandbox.webhook_secret, sandbox.api_key) == (None, "sandbox-secret", "sandbox-key")


@pytest.mark.parametrize(
    ("status", "query", "headers", "body"),
    [
        (400, "?unknown=1", {}, b""),
        (403, "", {"Origin": "https://elsewhere.example"}, b""),
        (413, "", {}, b" " * (1024 * 1024 + 1)),
        (415, "", {"Content-Type": "text/plain"}, b"status=accepted"),
        (421, "", {"Host": "elsewhere.example"}, b""),
    ],
    ids=["unknown parameter", "page of another site", "long body", "not JSON", "unknown host"],
)
async def test_what_any_operation_may_refuse_is_described_at_each(
    status: int, query: str, headers: dict[str, str], body: bytes
) -> None:
    async def sent() -> AsyncIterator[bytes]:
        yield body

    async with Sandbox() as sandbox, Caller(sandbox) as call:
        for template, operations in control_description().document["paths"].items():
            path = re.sub("{.*}", "something", template) + query
            for method in operations:
                reply = await call.control(method.upper(), path, headers=headers, data=sent() if body else None)
                assert reply.status == status


@pytest.mark.parametrize("path", ["", "/"])
async def test_the_index_lists_paths_and_state(path: str) -> None:
    async with Sandbox(clock=Clock.driven(), faults=["get:503"]) as sandbox, Caller(sandbox) as call:
        await call.create()
        index = await call.control("GET", path)
        assert (await call.control("HEAD", "/deliveries/")).status == 200
    assert (index.json["status"], index.json["deliveries"], index.json["faults"]) == ("running", 1, ["get:status"])
    assert "POST /_sandbox/deliveries/{id}/advance" in index.json["paths"]


async def test_deliveries_are_found_by_their_order_and_listed_in_pages() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        made = [await call.create(externalOrderId=f"order-{number % 3}") for number in range(7)]
        found = await call.control("GET", "/deliveries?externalOrderId=order-1")
        pages: list[str] = []
        query = "limit=3"
        while query:
            page = (await call.control("GET", f"/deliveries?{query}")).json
            pages[:0] = [listed["deliveryId"] for listed in page["deliveries"]]
            query = "" if page["next"] is None else f"limit=3&before={page['next']}"
    assert (found.json["total"], [listed["deliveryId"] for listed in found.json["deliveries"]]) == (
        2,
        [made[1], made[4]],
    )
    assert pages == made


async def test_logs_are_listed_in_pages_and_cleared_alone() -> None:
    async with Receiver() as receiver, Sandbox(webhook_url=receiver.url) as sandbox, Caller(sandbox) as call:
        for number in range(5):
            await call.create(key=f"order-{number}")
        newest = (await call.control("GET", "/requests?limit=2")).json
        older = (await call.control("GET", f"/requests?limit=10&before={newest['next']}")).json
        keys = [seen["idempotencyKey"] for seen in older["requests"] + newest["requests"]]
        await sandbox.drain_webhooks()
        assert (await call.control("DELETE", "/requests")).json == {"total": 0, "requests": [], "next": None}
        assert (await call.control("GET", "/webhook-attempts")).json["total"] == 5
        assert (await call.control("DELETE", "/webhook-attempts")).json["total"] == 0
        assert len(sandbox.deliveries) == 5
    assert (keys, older["next"]) == ([f"order-{number}" for number in range(5)], None)


async def test_receiver_secret_and_keys_are_changed() -> None:
    async with Receiver() as receiver, Sandbox(seed=7) as sandbox, Caller(sandbox) as call:
        change = {"webhookUrl": receiver.url, "webhookSecret": "rotated", "apiKey": "new", "apiKeys": ["old"]}
        changed = await call.control("PATCH", "/settings", json=change)
        assert changed.json == (await call.control("GET", "/settings")).json
        assert (changed.json["webhookUrl"], changed.json["seed"]) == (receiver.url, 7)
        assert changed.json["assumptions"]["keys-of"] == "api-key"
        assert [(await call("POST", "/v1/deliveries", json=order(), api_key=key)).status for key in ("new", "old")] == [
            201,
            201,
        ]
        assert (await call("POST", "/v1/deliveries", json=order(), api_key="sandbox-key")).status == 401
        await sandbox.drain_webhooks()
        assert receiver.received[0].headers["X-Kaspi-Signature"] == signature(receiver.received[0], "rotated")


async def test_one_fault_is_taken_back() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        first, second = [await call.control("POST", "/faults", json={"fault": "get:503"}) for _ in range(2)]
        left = await call.control("DELETE", f"/faults/{first.json['id']}")
        assert [fault["id"] for fault in left.json["faults"]] == [second.json["id"]]
        assert (await call.control("DELETE", f"/faults/{first.json['id']}")).status == 404
        assert sandbox.faults.remove("get:503")
        assert not sandbox.faults.remove("get:503")


async def test_an_event_is_sent_again_or_the_reason_named() -> None:
    async with Receiver() as receiver, Sandbox() as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create()
        event_id = f"wh_{delivery_id.removeprefix('dlv_')}_created"
        assert (await call.control("POST", f"/events/{event_id}/resend")).status == 409
        sandbox.webhook_url = receiver.url
        assert (await call.control("POST", f"/events/{event_id}/resend")).status == 202
        assert (await call.control("POST", "/events/wh_none_created/resend")).status == 404
        test = await call("POST", "/v1/webhooks/test", json={"url": receiver.url, "type": "delivery.delivered"})
        await call.control("POST", f"/events/{test.json['eventId']}/resend")
    assert [received.json["eventId"] for received in receiver.received] == [event_id, *[test.json["eventId"]] * 2]


async def test_time_does_not_advance_beyond_the_calendar() -> None:
    async with Sandbox(clock=Clock.driven(start=253_402_300_000.0)) as sandbox, Caller(sandbox) as call:
        await call.create()
        assert (await call.control("POST", "/time/advance", json={"seconds": 3600})).status == 400


@pytest.mark.parametrize("start", [-1.0, 1e12, float("nan")])
def test_a_start_beyond_the_calendar_is_refused(start: float) -> None:
    with pytest.raises(ValueError, match="start"):
        Clock(start=start)


async def test_a_cancel_may_come_without_a_content_type() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        path = f"/v1/deliveries/{await call.create()}/cancel"
        reply = await call(
            "POST", path, key="k", data=b'{"reason": "Customer cancelled"}', skip_auto_headers=["Content-Type"]
        )
        assert (reply.status, reply.json["status"]) == (200, "cancelled")
        other = f"/v1/deliveries/{await call.create()}/cancel"
        assert (await call("POST", other, data=b"{}", headers={"Content-Type": "text/plain"})).status == 415


@pytest.mark.parametrize(
    ("fault", "hit"),
    [
        ("create:503:order=order%3A1", [503, 201]),
        ("create:503:key=key-1", [503, 201]),
        ("get:503:order=order%3A1", [503, 200]),
    ],
)
async def test_a_fault_is_aimed_at_one_order_or_key(fault: str, hit: list[int]) -> None:
    async with Sandbox(faults=[] if fault.startswith("get") else [fault]) as sandbox, Caller(sandbox) as call:
        replies = [
            await call("POST", "/v1/deliveries", key=f"key-{n}", json=order(externalOrderId=f"order:{n}"))
            for n in (1, 2)
        ]
        if fault.startswith("get"):
            sandbox.faults.add(fault)
            replies = [await call("GET", f"/v1/deliveries/{reply.delivery_id}") for reply in replies]
            assert (await call("GET", "/v1/deliveries/dlv_none")).status == 404
        else:
            assert (await call("POST", "/v1/deliveries", data=b"{", key="other")).status == 415
    assert [reply.status for reply in replies] == hit


async def test_a_response_may_lack_a_field_or_have_an_unknown_status_and_an_error_no_body() -> None:
    faults = [
        "create:without:field=eta:count=1", "create:without:field=eta.pickupBy:count=1",
        "create:unknown-status:count=1", "create:without:field=status.x:count=1", "create:500:body=empty",
    ]  # fmt: skip
    async with Sandbox(faults=faults) as sandbox, Caller(sandbox) as call:
        bodies = [(await call("POST", "/v1/deliveries", json=order(), check=False)).body for _ in range(5)]
        sandbox.faults.clear()
        sandbox.faults.add("get:without")
        assert (await call("GET", "/v1/deliveries/dlv_none")).status == 404
    assert b"eta" not in bodies[0]
    assert b"pickupBy" not in bodies[1]
    assert b"returned_to_sender" in bodies[2]
    assert bodies[4] == b""


async def test_an_event_may_report_an_unknown_status() -> None:
    async with (
        Receiver() as receiver,
        Sandbox(webhook_url=receiver.url, faults=["webhook:unknown-event"]) as sandbox,
        Caller(sandbox) as call,
    ):
        await call.create()
        await sandbox.drain_webhooks()
    assert receiver.types == ["delivery.returned_to_sender"]


@pytest.mark.parametrize(("host", "url"), [(".".join("0000"), "http://127.0.0.1:"), ("::", "http://[::1]:")])
async def test_the_address_of_a_sandbox_that_listens_everywhere_is_one_that_a_client_can_use(
    host: str, url: str
) -> None:
    async with Sandbox(host=host) as sandbox, Caller(sandbox) as call:
        assert sandbox.root_url.startswith(url)
        await call.create()


@pytest.mark.parametrize("secret", ["", " ", " secret", "secret\n", None])
def test_a_secret_that_no_receiver_can_have_is_refused(secret: Any) -> None:
    with pytest.raises(ValueError, match=r"^webhook_secret:"):
        Sandbox(webhook_secret=secret)

"""The Delivery API over HTTP: responses to valid and to invalid requests."""

import io
import json
from typing import Any

import aiohttp
import pytest

from kaspi_delivery_async.sandbox import Clock, Sandbox
from tests.support.described_api import Caller, order


async def test_the_documented_example_comes_out_as_documented() -> None:
    async with Sandbox(clock=Clock.driven()) as sandbox, Caller(sandbox) as call:
        reply = await call("POST", "/v1/deliveries", json=order(), key="order-742")
    assert reply.status == 201
    delivery_id = reply.delivery_id
    assert delivery_id.startswith("dlv_")
    assert len(delivery_id) == len("dlv_01hfz18tnb7tqw")
    assert reply.json == {
        "deliveryId": delivery_id,
        "status": "created",
        "trackingUrl": f"https://track.kaspi.kz/{delivery_id}",
        "eta": {"pickupBy": "2024-06-11T10:10:54Z", "deliveryBy": "2024-06-11T18:10:54Z"},
    }


async def test_a_delivery_is_given_back_as_it_was_ordered() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create(vendorSecret="ignored")
        reply = await call("GET", f"/v1/deliveries/{delivery_id}")
    assert {name: reply.json[name] for name in order()} == order()
    assert "history" not in reply.json
    assert "vendorSecret" not in reply.json


async def test_integers_of_any_size_are_kept_exactly() -> None:
    huge = 10**40 + 1
    parcel = {"description": "Gold", "weightGrams": huge, "valueKzt": -huge}
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create(parcel=parcel)
        reply = await call("GET", f"/v1/deliveries/{delivery_id}")
    assert reply.json["parcel"] == parcel


async def test_history_comes_only_when_asked_for() -> None:
    async with Sandbox(clock=Clock.driven()) as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create()
        await sandbox.advance(delivery_id, "accepted", notes="Courier assigned")
        asked = await call("GET", f"/v1/deliveries/{delivery_id}?includeHistory=true")
        declined = await call("GET", f"/v1/deliveries/{delivery_id}?includeHistory=false")
    assert asked.json["history"] == [
        {"status": "created", "timestamp": "2024-06-11T08:10:54Z"},
        {"status": "accepted", "timestamp": "2024-06-11T08:10:54Z", "notes": "Courier assigned"},
    ]
    assert "history" not in declined.json


@pytest.mark.parametrize("query", ["includeHistory=yes", "includeHistory=", "includeHistory=true&includeHistory=true"])
async def test_a_history_flag_that_is_no_boolean_is_refused(query: str) -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        reply = await call("GET", f"/v1/deliveries/{await call.create()}?{query}")
    assert reply.status == 400
    assert "includeHistory" in reply.json["message"]


@pytest.mark.parametrize("before", ["created", "accepted"])
async def test_a_delivery_can_be_cancelled_before_pickup(before: str) -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create()
        if before != "created":
            await sandbox.advance(delivery_id, before)
        reply = await call("POST", f"/v1/deliveries/{delivery_id}/cancel", json={"reason": "Changed my mind"})
    assert (reply.status, reply.json["status"]) == (200, "cancelled")
    assert sandbox.deliveries[delivery_id].history[-1].notes == "Changed my mind"


@pytest.mark.parametrize("reached", ["in_transit", "out_for_delivery", "delivered", "cancelled"])
async def test_a_delivery_cannot_be_cancelled_later(reached: str) -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create()
        await sandbox.advance(delivery_id, reached)
        reply = await call("POST", f"/v1/deliveries/{delivery_id}/cancel")
    assert (reply.status, reply.json["code"]) == (409, "conflict")
    assert sandbox.deliveries[delivery_id].status == reached


@pytest.mark.parametrize(("method", "tail"), [("GET", ""), ("POST", "/cancel")])
async def test_an_unknown_delivery_is_not_found(method: str, tail: str) -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        reply = await call(method, f"/v1/deliveries/dlv_none{tail}")
    assert (reply.status, reply.json["code"]) == (404, "not_found")


async def test_a_missing_key_is_unauthorized() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        reply = await call("POST", "/v1/deliveries", api_key="", json=order())
    assert (reply.status, reply.json["code"]) == (401, "unauthorized")
    assert not sandbox.deliveries


async def test_an_empty_key_is_never_good() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        sandbox.api_key = ""
        assert (await call("POST", "/v1/deliveries", json=order())).status == 401


async def test_a_disabled_key_is_forbidden() -> None:
    async with Sandbox(disabled_keys={"old-key"}) as sandbox, Caller(sandbox) as call:
        reply = await call("GET", "/v1/deliveries/dlv_1", api_key="old-key")
    assert reply.status == 403


async def test_a_rotated_key_replaces_the_old_one() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        old, sandbox.api_key = sandbox.api_key, "new-key"
        assert (await call("POST", "/v1/deliveries", api_key=old, json=order())).status == 401
        assert (await call("POST", "/v1/deliveries", api_key="new-key", json=order())).status == 201


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/deliveries", "POST"),
        ("DELETE", "/v1/deliveries/dlv_1", "GET"),
        ("GET", "/v1/deliveries/dlv_1/cancel", "POST"),
        ("PUT", "/v1/webhooks/test", "POST"),
        ("HEAD", "/v1/deliveries/dlv_1", "GET"),
    ],
)
async def test_another_method_is_refused_with_the_allowed_one(method: str, path: str, allowed: str) -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        reply = await call(method, path)
    assert (reply.status, reply.headers["Allow"]) == (405, allowed)


@pytest.mark.parametrize("path", ["/v1", "/v1/deliveries/", "/v1/deliveries/a/b", "/v2/deliveries", ""])
async def test_a_path_that_is_none_is_not_found(path: str) -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        reply = await call("POST", path, json=order())
    assert reply.status == (404 if path != "/v1/deliveries/" else 405)


async def test_outside_both_apis_nothing_is_found() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        reply = await call("GET", "/../elsewhere")
    assert reply.status == 404


async def test_requests_that_reach_no_operation_are_recorded() -> None:
    """As where the base URL lacks its path, or a body is too large: the log shows what the client did."""
    too_large = b" " * (1024 * 1024 + 1)
    async with Sandbox() as sandbox, Caller(sandbox) as call, aiohttp.ClientSession() as session:
        async with session.post(f"{sandbox.root_url}/v1/deliveries", data=b"lost") as response:
            assert (response.status, (await response.json())["code"]) == (404, "not_found")
        await call("POST", "/v1/deliveries", data=io.BytesIO(too_large), headers={"Idempotency-Key": "large"})
        await call.control("GET", "/nothing")
        await call.control("POST", "/reset", data=io.BytesIO(too_large))
        assert [str(seen) for seen in sandbox.requests] == [
            "POST /v1/deliveries 404",
            "POST /delivery/v1/deliveries 413 key=large",
        ]
        assert (sandbox.requests[0].body, sandbox.requests[1].body) == (b"lost", b"")


def without(path: str) -> dict[str, Any]:
    """Make an order that lacks the field at a dotted path."""
    body = order()
    *parents, last = path.split(".")
    inner = body
    for parent in parents:
        inner = inner[parent]
    del inner[last]
    return body


def with_value(path: str, value: object) -> dict[str, Any]:
    """Make an order that has something else at a dotted path."""
    body = order()
    *parents, last = path.split(".")
    inner = body
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    return body


REQUIRED = [
    "externalOrderId", "pickup", "pickup.address", "pickup.contact", "pickup.contact.name", "pickup.contact.phone",
    "dropoff", "dropoff.address", "dropoff.contact", "dropoff.contact.name", "dropoff.contact.phone",
    "parcel", "parcel.description", "parcel.weightGrams", "parcel.valueKzt",
]  # fmt: skip


@pytest.mark.parametrize("path", REQUIRED)
async def test_a_missing_field_is_named(path: str) -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        reply = await call("POST", "/v1/deliveries", json=without(path))
    assert (reply.status, reply.json) == (400, {"code": "bad_request", "message": f"$.{path}: is required"})


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("externalOrderId", 742, "expected a string, got a number"),
        ("externalOrderId", "", "must not be empty"),
        ("pickup", [], "expected an object, got an array"),
        ("pickup.contact.phone", 7.5, "expected a string, got a number"),
        ("dropoff.contact", None, "expected an object, got null"),
        ("dropoff.notes", None, "expected a string, got null"),
        ("parcel", "box", "expected an object, got a string"),
        ("parcel.weightGrams", True, "expected an integer, got a boolean"),
        ("parcel.weightGrams", 800.0, "expected an integer, got a number"),
        ("parcel.valueKzt", {}, "expected an integer, got an object"),
    ],
)
async def test_a_wrong_value_is_named_and_not_repeated(path: str, value: object, complaint: str) -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        reply = await call("POST", "/v1/deliveries", json=with_value(path, value))
    assert (reply.status, reply.json["message"]) == (400, f"$.{path}: {complaint}")


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "$: expected an object, got an empty body"),
        (b"[]", "$: expected an object, got an array"),
        (b"7", "$: expected an object, got a number"),
        (b'{"a":', "$: the body is not valid JSON"),
        (b"\xff\xfe", "$: the body is not valid JSON"),
        (b'{"externalOrderId": "\\ud800"}', "$: the body is not valid JSON"),
        (b'{"externalOrderId": NaN}', "$: the body is not valid JSON"),
        (b'{"externalOrderId": 1e999}', "$: the body is not valid JSON"),
        (b'{"x":' + b"[" * 200 + b"]" * 200 + b"}", "$: the body is not valid JSON: nested deeper than 128 levels"),
        (b'{"x":' + b"[" * 9000, "$: the body is not valid JSON"),
        (b'{"x":' + b"9" * 9000 + b"}", "$: the body is not valid JSON"),
    ],
)
async def test_a_body_that_is_no_order_is_refused(body: bytes, complaint: str) -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        reply = await call("POST", "/v1/deliveries", headers=JSON, data=body)
    assert reply.status == 400
    assert reply.json["message"].startswith(complaint)


async def test_many_containers_side_by_side_are_no_depth() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        await call.create(extra=[{} for _ in range(300)])


async def test_another_content_type_is_refused() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        reply = await call("POST", "/v1/deliveries", headers={"Content-Type": "text/plain"}, data=json.dumps(order()))
    assert reply.status == 415


async def test_a_content_type_may_have_parameters() -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        reply = await call("POST", "/v1/deliveries", headers=headers, data=json.dumps(order()))
    assert reply.status == 201


@pytest.mark.parametrize(("size", "status"), [(1024 * 1024, 400), (1024 * 1024 + 1, 413)])
async def test_a_body_has_at_most_a_mebibyte(size: int, status: int) -> None:
    async def body() -> Any:
        yield b" " * size

    async with Sandbox() as sandbox, Caller(sandbox) as call:
        reply = await call("POST", "/v1/deliveries", headers=JSON, data=body())
    assert reply.status == status


async def test_a_body_in_a_broken_encoding_is_refused() -> None:
    headers = {**JSON, "Content-Encoding": "gzip"}
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        reply = await call("POST", "/v1/deliveries", headers=headers, data=b"no gzip")
    assert reply.status == 400


async def test_a_caller_that_expects_100_continue_receives_it() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        reply = await call("POST", "/v1/deliveries", json=order(), expect100=True)
    assert reply.status == 201


async def test_a_reason_that_is_no_string_is_refused() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        reply = await call("POST", f"/v1/deliveries/{await call.create()}/cancel", json={"reason": 5})
    assert (reply.status, reply.json["message"]) == (400, "$.reason: expected a string, got a number")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"type": "delivery.created"}, "$.url"),
        ({"url": "http://127.0.0.1:1/"}, "$.type"),
        ({"url": "http://127.0.0.1:1/", "type": "delivery.lost"}, "$.type"),
        ({"url": "ftp://127.0.0.1/", "type": "delivery.created"}, "$.url"),
        ({"url": "http:///path", "type": "delivery.created"}, "$.url"),
        ({"url": "http://127.0.0.1:99999/", "type": "delivery.created"}, "$.url"),
        ({"url": "http://127.0.0.1/a b", "type": "delivery.created"}, "$.url"),
        ({"url": "", "type": "delivery.created"}, "$.url"),
    ],
)
async def test_a_bad_test_webhook_is_refused_by_field(body: dict[str, str], path: str) -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        reply = await call("POST", "/v1/webhooks/test", json=body)
    assert reply.status == 400
    assert reply.json["message"].startswith(path)
    assert not sandbox.webhook_attempts


async def test_requests_are_recorded_with_their_responses() -> None:
    async with Sandbox(clock=Clock.driven()) as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create(key="order-742")
        await call("GET", f"/v1/deliveries/{delivery_id}?includeHistory=true")
        await call("GET", "/v1/nothing")
    created, got, lost = sandbox.requests
    assert (created.method, created.path, created.operation, created.status) == (
        "POST", "/delivery/v1/deliveries", "create", 201,
    )  # fmt: skip
    assert created.headers["idempotency-key"] == "order-742"
    assert json.loads(created.body) == order()
    assert created.at == sandbox.deliveries[delivery_id].history[0].at
    assert (got.path, got.operation) == (f"/delivery/v1/deliveries/{delivery_id}?includeHistory=true", "get")
    assert (lost.operation, lost.status) == (None, 404)
    assert sandbox.requests.total == 3


async def test_records_show_no_key_phone_or_address() -> None:
    async with Sandbox(api_key="very-secret") as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create()
    shown = repr(sandbox.requests[0]) + repr(sandbox.deliveries[delivery_id])
    for private in ("very-secret", "+7 701", "Satpayev"):
        assert private not in shown


async def test_only_the_newest_requests_are_kept() -> None:
    async with Sandbox(keep=3) as sandbox, Caller(sandbox) as call:
        for number in range(5):
            await call("GET", f"/v1/deliveries/{number}")
    assert [seen.path[-1] for seen in sandbox.requests] == ["2", "3", "4"]
    assert sandbox.requests.total == 5

"""Idempotency keys: replays, conflicts, and the 24 hours of their life."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspi_delivery_async.sandbox import Clock, Sandbox
from kaspi_delivery_async.sandbox.state.idempotency_keys import fingerprint
from tests.support.described_api import Caller, order

DAY = 24 * 3600


async def test_the_same_key_again_gets_the_original_response_byte_for_byte() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        first = await call("POST", "/v1/deliveries", key="order-742", json=order())
        await sandbox.advance(first.delivery_id, "delivered")
        again = await call("POST", "/v1/deliveries", key="order-742", json=order())
    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers["X-Idempotent-Replay"] == "true"
    assert "X-Idempotent-Replay" not in first.headers
    assert len(sandbox.deliveries) == 1


async def test_without_a_key_every_create_makes_a_delivery() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        assert await call.create() != await call.create()
    assert len(sandbox.deliveries) == 2


async def test_spaces_and_order_of_fields_do_not_change_a_payload() -> None:
    reordered = json.dumps(dict(reversed(order().items())), indent=3)
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        await call.create(key="order-742")
        headers = {"Content-Type": "application/json"}
        again = await call("POST", "/v1/deliveries", key="order-742", headers=headers, data=reordered)
    assert again.status == 201
    assert len(sandbox.deliveries) == 1


@pytest.mark.parametrize(("first", "second"), [("a", "b"), (1, 1.0), (1, True), (10**30, 10**30 + 1), ([], {})])
async def test_the_same_key_with_another_payload_is_a_conflict(first: object, second: object) -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        await call.create(key="order-742", extra=first)
        reply = await call("POST", "/v1/deliveries", key="order-742", json=order(extra=second))
    assert (reply.status, reply.json["code"]) == (409, "conflict")
    assert len(sandbox.deliveries) == 1


async def test_a_key_belongs_to_one_path() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create(key="order-742")
        reply = await call("POST", f"/v1/deliveries/{delivery_id}/cancel", key="order-742")
    assert reply.status == 409
    assert sandbox.deliveries[delivery_id].status == "created"


async def test_a_key_belongs_to_one_api_key() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        first = await call.create(key="order-742")
        sandbox.api_key = "another"
        assert await call.create(key="order-742") != first


async def test_a_cancel_is_replayed() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        path = f"/v1/deliveries/{await call.create()}/cancel"
        first = await call("POST", path, key="order-742-cancel")
        again = await call("POST", path, key="order-742-cancel", json={})
    assert (again.status, again.body) == (200, first.body)
    assert again.headers["X-Idempotent-Replay"] == "true"


async def test_a_refused_call_does_not_use_its_key_up() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        refused = await call("POST", "/v1/deliveries", key="order-742", json=order(externalOrderId=""))
        assert refused.status == 400
        await call.create(key="order-742")


async def test_a_key_lives_for_24_hours() -> None:
    async with Sandbox(clock=Clock.driven()) as sandbox, Caller(sandbox) as call:
        first = await call.create(key="order-742")
        await sandbox.clock.advance(DAY - 1)
        assert await call.create(key="order-742") == first
        await sandbox.clock.advance(1)
        assert await call.create(key="order-742") != first
        assert await call.create(key="order-742") != first


@pytest.mark.parametrize("key", ["", " ", "a b", "заказ", "x" * 256])
async def test_a_key_that_is_none_is_refused(key: str) -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        reply = await call("POST", "/v1/deliveries", key=key, json=order())
    assert reply.status == 400
    assert reply.json["message"].startswith("Idempotency-Key:")
    assert not sandbox.deliveries


async def test_the_longest_key_is_taken() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        await call.create(key="~" * 255)
    assert next(iter(sandbox.deliveries.values())).idempotency_key == "~" * 255


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(VALUES, VALUES)
def test_payloads_share_a_fingerprint_exactly_if_they_are_the_same_json(one: object, other: object) -> None:
    """`repr` with sorted keys distinguishes 1, 1.0 and True, as JSON does."""

    def exact(value: object) -> str:
        if isinstance(value, dict):
            return "{" + ",".join(f"{name!r}:{exact(value[name])}" for name in sorted(value)) + "}"
        return "[" + ",".join(map(exact, value)) + "]" if isinstance(value, list) else repr(value)

    path = ("v1", "deliveries")
    same = fingerprint("POST", path, one) == fingerprint("POST", path, other)
    assert same == (exact(one) == exact(other))

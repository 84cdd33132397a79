"""Ten clients with one classic bug each: all fail on the sandbox's default settings within fifty deliveries."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable

import pytest

from kaspi_delivery_async.sandbox import Clock, Sandbox
from tests.support.described_api import Caller, order

PATH = "/v1/deliveries"

Client = Callable[[Caller, Sandbox], Awaitable[bool]]
"""Creates some deliveries, and returns whether all went as its author believes."""


async def that_sends_its_key_as_a_bearer_token(call: Caller, sandbox: Sandbox) -> bool:
    reply = await call("POST", PATH, json=order(), api_key="", headers={"Authorization": "Bearer sandbox-key"})
    return reply.status == 201


async def that_posts_a_form(call: Caller, sandbox: Sandbox) -> bool:
    return (await call("POST", PATH, data={"externalOrderId": "order-742"})).status == 201


async def that_makes_a_key_for_each_attempt(call: Caller, sandbox: Sandbox) -> bool:
    for _ in range(2):  # the script was started twice
        await call("POST", PATH, json=order(), key=str(uuid.uuid4()))
    return len(sandbox.deliveries) == 1


async def that_has_one_key_for_all(call: Caller, sandbox: Sandbox) -> bool:
    replies = [await call("POST", PATH, json=order(externalOrderId=f"order-{n}"), key="shop") for n in range(2)]
    return all(reply.status == 201 for reply in replies)


async def that_takes_a_cyrillic_order_id_as_the_key(call: Caller, sandbox: Sandbox) -> bool:
    return (await call("POST", PATH, json=order(externalOrderId="заказ-742"), key="заказ-742")).status == 201


async def that_writes_the_time_into_the_order(call: Caller, sandbox: Sandbox) -> bool:
    for attempt in range(2):
        reply = await call("POST", PATH, json=order(createdAt=f"10:0{attempt}"), key="order-742")
    return reply.status == 201


async def that_sends_numbers_as_text(call: Caller, sandbox: Sandbox) -> bool:
    parcel = {"description": "Shoes", "weightGrams": "800", "valueKzt": "18000"}
    return (await call("POST", PATH, json=order(parcel=parcel))).status == 201


async def that_sends_kilograms(call: Caller, sandbox: Sandbox) -> bool:
    parcel = {"description": "Shoes", "weightGrams": 0.8, "valueKzt": 18000}
    return (await call("POST", PATH, json=order(parcel=parcel))).status == 201


async def that_repeats_a_create_after_a_day(call: Caller, sandbox: Sandbox) -> bool:
    for _ in range(2):
        await call("POST", PATH, json=order(), key="order-742")
        await sandbox.clock.advance(24 * 3600)
    return len(sandbox.deliveries) == 1


async def that_cancels_what_is_on_its_way(call: Caller, sandbox: Sandbox) -> bool:
    delivery_id = await call.create()
    await sandbox.advance(delivery_id, "in_transit")
    return (await call("POST", f"{PATH}/{delivery_id}/cancel")).status == 200


CARELESS: list[Client] = [
    that_sends_its_key_as_a_bearer_token,
    that_posts_a_form,
    that_makes_a_key_for_each_attempt,
    that_has_one_key_for_all,
    that_takes_a_cyrillic_order_id_as_the_key,
    that_writes_the_time_into_the_order,
    that_sends_numbers_as_text,
    that_sends_kilograms,
    that_repeats_a_create_after_a_day,
    that_cancels_what_is_on_its_way,
]


@pytest.mark.parametrize("client", CARELESS, ids=lambda client: client.__name__)
async def test_a_careless_client_fails(client: Client) -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        assert not await client(call, sandbox)


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("fault", "keys"),
    [
        ("create:rate-limit:rate=20:burst=1", [None] * 20),
        ("create:rate-limit:rate=20:burst=1", ["order-742"] * 20),
        ("create:429:retry-after=2:count=1", [None] * 20),
    ],
)
async def test_a_client_that_ignores_retry_after_is_refused_until_the_time_that_was_named(
    fault: str, keys: list[str | None]
) -> None:
    async with Sandbox(clock=Clock.real(), faults=[fault]) as sandbox, Caller(sandbox) as call:
        clock = asyncio.get_running_loop().time
        named = 0.0
        served: list[float] = []
        for number, key in enumerate(keys):
            reply = await call("POST", PATH, json=order(), key=key)
            if reply.status == 429:
                named = named or clock() + int(reply.headers["Retry-After"])
            elif number:
                served.append(clock())
            await asyncio.sleep(0.02)
        assert all(at >= named for at in served)
        assert named > 0
        await asyncio.sleep(3)
        assert (await call("POST", PATH, json=order())).status == 201

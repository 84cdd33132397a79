"""Age of an entry's key: counted from its first send, also while a connection is being opened for another one."""

import asyncio
import time

import pytest

from kaspi_delivery_async import DeliveryClient
from kaspi_delivery_async._call.state import KEY_AGE
from kaspi_delivery_async.outbox import DeliveryOutbox, OutboxState
from kaspi_delivery_async.sandbox import Sandbox
from tests.support.outbox_shop import ShiftedClock, Shop, until_state

HOUR = 3600.0


async def test_a_call_knows_how_old_its_key_is(
    shop: Shop, outbox: DeliveryOutbox, sandbox: Sandbox, clock: ShiftedClock
) -> None:
    ages: list[float] = []

    async def api_key() -> str:
        ages.append(KEY_AGE.get())
        return sandbox.api_key

    await shop.order(outbox, "order-1", "order-2")
    sent = "UPDATE kaspi_delivery_outbox_entries SET state = 'sent', first_sent_at = {} WHERE order_id = 'order-1'"
    await shop.execute(sent.format(time.time() - 22 * HOUR))
    async with DeliveryClient(api_key, base_url=sandbox.base_url) as client, outbox.relay(client, concurrency=1):
        await asyncio.gather(
            until_state(outbox, "order-1", OutboxState.CREATED), until_state(outbox, "order-2", OutboxState.CREATED)
        )

    assert sorted(ages) == [0.0, pytest.approx(22 * HOUR, abs=60)]

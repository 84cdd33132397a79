"""A client can be started and stopped any number of times; nothing is left behind."""

import asyncio
import gc
import threading
from pathlib import Path

import aiohttp
import pytest

from kaspi_delivery_async import DeliveryClient
from kaspi_delivery_async.sandbox.threaded import ThreadedSandbox
from tests.support.orders import order

DESCRIPTORS = Path("/proc/self/fd")


def census() -> dict[str, int]:
    """Count what a client could leave behind."""
    gc.collect()
    kinds = (DeliveryClient, aiohttp.ClientSession, aiohttp.BaseConnector, asyncio.AbstractEventLoop)
    # By their types: looking into a lazy object, such as the settings of Django, would set it up.
    counts = {kind.__name__: sum(issubclass(type(thing), kind) for thing in gc.get_objects()) for kind in kinds}
    return {**counts, "threads": threading.active_count(), "descriptors": len(list(DESCRIPTORS.iterdir()))}


async def use_a_client(sandbox: ThreadedSandbox) -> None:
    async with DeliveryClient(sandbox.api_key, base_url=sandbox.base_url) as client:
        await client.create_delivery(order())


async def use_many_clients(sandbox: ThreadedSandbox, starts: int) -> None:
    for _ in range(starts):
        await use_a_client(sandbox)
    assert asyncio.all_tasks() == {asyncio.current_task()}


def use_clients_on_loops_of_their_own(sandbox: ThreadedSandbox, starts: int) -> None:
    for _ in range(starts):
        asyncio.run(use_a_client(sandbox))


@pytest.mark.skipif(not DESCRIPTORS.exists(), reason="only Linux lists the descriptors of a process")
@pytest.mark.parametrize("starts", [15, pytest.param(200, marks=pytest.mark.long)])
@pytest.mark.parametrize("on", ["one loop", "loops of their own"])
def test_clients_that_come_and_go_leave_nothing_behind(on: str, starts: int) -> None:
    with ThreadedSandbox() as sandbox:
        asyncio.run(use_a_client(sandbox))
        before = census()
        if on == "one loop":
            asyncio.run(use_many_clients(sandbox, starts))
        else:
            use_clients_on_loops_of_their_own(sandbox, starts)
        after = census()
    # The sandbox's side of the last connection may still be open.
    assert after["descriptors"] <= before["descriptors"] + 1
    assert {**after, "descriptors": 0} == {**before, "descriptors": 0}

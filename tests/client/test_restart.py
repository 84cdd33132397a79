"""A service that starts again takes up all its waits at once, beside its other calls."""

import asyncio
import json
import random
from collections import Counter
from statistics import mean

import pytest

from benchmarks.month.api import response
from benchmarks.month.network import Connection, Network, Request, VirtualLoop
from kaspi_delivery_async import DeliveryClient, DeliveryStatus, Limits
from kaspi_delivery_async._tracking.follower import poll_intervals
from tests.support.orders import order

MINUTES = 1
"""From the start until all deliveries are delivered."""


class SlowApi:
    """Responds after 0.1 s; every delivery is delivered after some minutes."""

    def __init__(self) -> None:
        self.network = Network(self._serve)
        self.network.addresses = [self.network.add_host().address]
        self.gets: Counter[str] = Counter()
        self.creates: dict[str, float] = {}

    def _serve(self, connection: Connection, request: Request) -> None:
        now = asyncio.get_running_loop().time()
        delivery_id = request.path.split("/")[3].partition("?")[0] if request.method == "GET" else "dlv_new"
        if request.method == "GET":
            self.gets[delivery_id] += 1
        else:
            self.creates[json.loads(request.body)["externalOrderId"]] = now
        status = "delivered" if now >= 60 * MINUTES else "in_transit"
        connection.respond(response(200, {"deliveryId": delivery_id, "status": status}, date=0.0), after=0.1)


def polls_of_the_schedule() -> int:
    now, intervals = 0.1, poll_intervals(lambda: 0.5)
    count = 1
    while now < 60 * MINUTES:
        now += next(intervals) + 0.1
        count += 1
    return count


@pytest.mark.parametrize("waits", [250, pytest.param(10_000, marks=pytest.mark.long)])
def test_a_create_leaves_within_a_second_however_many_waits_are_taken_up(
    waits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = SlowApi()
    monkeypatch.setattr("socket.getaddrinfo", api.network.getaddrinfo)
    asked = [0.3, 3.0, 8.0, 15.0, 29.0]
    # So few that the waits queue for half a minute.
    limits = Limits(max_connections=max(1, waits // 300))

    async def run() -> None:
        monkeypatch.setattr("aiohttp.connector.monotonic", asyncio.get_running_loop().time)
        async with DeliveryClient("key", base_url="https://delivery.example", limits=limits) as client:
            following = [
                asyncio.create_task(client.wait_for_status(f"dlv_{number}", DeliveryStatus.DELIVERED))
                for number in range(waits)
            ]
            for at in asked:
                await asyncio.sleep(at - asyncio.get_running_loop().time())
                await client.create_delivery(order(f"order-{at}"))
            await asyncio.gather(*following)

    random.seed(1)
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(api.network)) as runner:
        runner.run(run())
    assert {at: api.creates[f"order-{at}"] - at < 1 for at in asked} == dict.fromkeys(asked, True)
    # No wait is polled more than the schedule says; while they queue, less.
    assert mean(api.gets.values()) <= polls_of_the_schedule()
    assert max(api.gets.values()) <= polls_of_the_schedule() + 2

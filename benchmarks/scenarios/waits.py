"""Cost of 10,000 concurrent waits, with webhooks and without: ``python -m benchmarks.scenarios.waits``.

Time is virtual, so that hours of polling pass in seconds; the waits, the hub and the polling are the
real ones, and so is the response to each poll. Each delivery takes from 20 to 60 minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import selectors
import sys
import time
import tracemalloc
from bisect import bisect_right
from typing import TYPE_CHECKING

from kaspi_delivery_async import Delivery, DeliveryStatus, DeliveryWebhookData, StatusHistory, StatusHub
from kaspi_delivery_async._tracking.follower import poll_intervals
from kaspi_delivery_async.status import SEQUENCE
from kaspi_delivery_async.tracking import wait_for_status

if TYPE_CHECKING:
    from collections.abc import Sequence


class JumpingSelector(selectors.DefaultSelector):
    """Lets time pass instead of waiting."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Jump over the wait."""
        self.now += timeout or 0.0
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs on its selector's time."""

    def __init__(self) -> None:
        """Begin at 0."""
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the virtual time, in seconds."""
        return self._jumping.now


class Api:
    """Deliveries that move by themselves; counts the polls."""

    def __init__(self, count: int, draw: random.Random) -> None:
        """Draw for each delivery when it comes to each status, in seconds from the beginning."""
        self.gets = 0
        self.journeys = [
            [0.0, *sorted(draw.uniform(10.0, 1200.0) for _ in range(3)), draw.uniform(1200.0, 3600.0)]
            for _ in range(count)
        ]

    async def get_delivery(self, delivery_id: str, *, include_history: bool) -> Delivery:
        """Return a delivery, after the 50 ms that a response takes."""
        await asyncio.sleep(0.05)
        self.gets += 1
        times = self.journeys[int(delivery_id)]
        passed = SEQUENCE[: bisect_right(times, asyncio.get_running_loop().time())]
        history = tuple(StatusHistory(status=status) for status in passed) if include_history else None
        return Delivery(delivery_id=delivery_id, status=passed[-1], history=history)

    async def send_webhooks(self, hub: StatusHub) -> None:
        """Announce every status when it is reached."""
        due = sorted(
            (at, str(number), status)
            for number, times in enumerate(self.journeys)
            for at, status in zip(times, SEQUENCE, strict=True)
        )
        for at, delivery_id, status in due:
            await asyncio.sleep(at - asyncio.get_running_loop().time())
            hub.announce(DeliveryWebhookData(delivery_id=delivery_id, status=status))


def predicted_gets(journeys: Sequence[Sequence[float]]) -> float:
    """Say how many polls the schedule makes until each delivery is at its door, with jitter at its mean."""
    total = 0
    for times in journeys:
        now, intervals = 0.05, poll_intervals(lambda: 0.5)
        total += 1
        while now < times[-1]:
            now += next(intervals) + 0.05
            total += 1
    return total / len(journeys)


async def measure(count: int, *, webhooks: bool) -> str:
    """Await every delivery, and say what it cost."""
    api, draw = Api(count, random.Random(1)), random.Random(2)
    hub = StatusHub(complete=True) if webhooks else None
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    waits = [
        asyncio.create_task(
            wait_for_status(api.get_delivery, str(number), DeliveryStatus.DELIVERED, events=hub, draw=draw.random)
        )
        for number in range(count)
    ]
    await asyncio.sleep(1.0)
    gc.collect()
    memory = (tracemalloc.get_traced_memory()[0] - before) / count
    tracemalloc.stop()
    began = time.process_time()
    sending = asyncio.create_task(api.send_webhooks(hub)) if hub else None
    await asyncio.gather(*waits)
    if sending:
        await sending
    spent = time.process_time() - began
    predicted = 1.0 if webhooks else predicted_gets(api.journeys)
    return (
        f"{count} waits with{'' if webhooks else 'out'} webhooks: {api.gets / count:.2f} GETs per delivery"
        f" ({predicted:.2f} predicted), {memory / 1024:.1f} KiB each, {spent:.0f} s of CPU in all"
    )


def main() -> None:
    """Measure both ways."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="how many deliveries are awaited")
    count = parser.parse_args().count
    for webhooks in (True, False):
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            sys.stdout.write(runner.run(measure(count, webhooks=webhooks)) + "\n")


if __name__ == "__main__":
    main()

"""The service: it creates, reads, cancels and awaits deliveries all month long, and repeats creates that fail."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import attrs

from benchmarks.contestants.samples import ORDER
from benchmarks.month.events import Fate
from kaspi_delivery_async import (
    AuthenticationError,
    CancelNotAllowedError,
    DeliveryClient,
    DeliveryStatus,
    KaspiDeliveryError,
)
from kaspi_delivery_async._transport.aiohttp_overrides import LONGEST_LIFE

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from benchmarks.month.events import Event
    from benchmarks.month.world import World
    from kaspi_delivery_async.instrumentation import CallDetails

DAY = 86_400.0
OPENS, CLOSES = 8 * 3600.0, 23 * 3600.0
"""Seconds after midnight between which orders come in."""

BUSY = frozenset({10, 14, 18})
"""Hours in which most orders come in, so that connections are in use for long."""
BUSY_RATE, QUIET_RATE = 3.0, 0.5
"""Times the mean rate."""

PATIENCE = 22 * 3600.0
"""Seconds after which an order is not sent again."""

IMPORT_PAUSE = 4.0
"""Seconds between orders that keep connections in use."""

WAIT_EVERY = 500
"""One order in so many is awaited until it is delivered, which takes hours."""


class Calls:
    """Counts calls."""

    count = 0

    def call_started(self, _call: CallDetails) -> None:
        """Count one."""
        self.count += 1


@attrs.define
class Findings:
    """What the shop saw of the client."""

    failures: int = 0
    longest_failing: float = -math.inf
    """Seconds of a good world after which a call still failed, at most."""
    worst: str = ""
    latest_wait: float = -math.inf
    """Seconds after which a wait ended at most, since the delivery was there and the world was good."""
    waits: int = 0
    lost_waits: list[str] = attrs.field(factory=list)
    """Waits that ended with an error."""


class Shop:
    """One process with one client."""

    def __init__(self, world: World, draw: random.Random) -> None:
        self.findings = Findings()
        self.calls = Calls()
        self.orders = 0
        self._world = world
        self._draw = draw
        self._tasks: set[asyncio.Task[None]] = set()
        self._client = DeliveryClient(
            lambda: self._world.api_key,
            base_url="https://delivery.example",
            instrumentation=(self.calls,),
        )

    async def run(self, *, days: float, orders: int, events: Sequence[Event]) -> None:
        """Take orders for so many days, about so many, and more while something happens; end when all are done."""
        pause = days * (CLOSES - OPENS) / orders  # on the whole: see BUSY
        loop = asyncio.get_running_loop()
        for event in events:
            self._start(self._import_orders(event))
        async with self._client:
            while loop.time() < days * DAY:
                hour = self._world.now % DAY
                is_busy = int(hour / 3600) in BUSY
                await asyncio.sleep(self._draw.expovariate((BUSY_RATE if is_busy else QUIET_RATE) / pause))
                if not OPENS < hour < CLOSES:
                    await asyncio.sleep((OPENS - hour) % DAY)
                # Now and then many at once, from a sale or an import.
                for _ in range(40 if self._draw.random() < 0.002 else 1):
                    self._take_order()
            await asyncio.gather(*self._tasks)

    async def _import_orders(self, event: Event) -> None:
        """Keep connections in use from before an event on, and when it ends."""
        clock = asyncio.get_running_loop().time
        # A connection that is in use has its longest life, which others do not reach.
        lives = 1.4 * LONGEST_LIFE / IMPORT_PAUSE if event.detail is Fate.SERVES else 0.0
        for moment, steps in ((event.at, 8 + int(lives)), (event.at + event.seconds, 25)):
            await asyncio.sleep(moment - 20 - clock())
            for _ in range(4):
                self._take_order()
            for _ in range(steps):
                self._take_order()
                await asyncio.sleep(IMPORT_PAUSE)

    def _take_order(self) -> None:
        self._start(self._order(self.orders))
        self.orders += 1

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _order(self, number: int) -> None:
        request = attrs.evolve(ORDER, external_order_id=f"order-{number}")
        created = None
        given_up_at = self._world.now + PATIENCE
        while created is None and self._world.now < given_up_at:
            try:
                # Some customers do not wait.
                async with asyncio.timeout(self._draw.uniform(0.01, 0.3) if self._draw.random() < 0.005 else None):
                    created = await self._client.create_delivery(request)
                    break
            except KaspiDeliveryError as error:
                self._note(error)
            except TimeoutError:
                pass
            await asyncio.sleep(self._draw.uniform(120, 1800))
        if created is not None:
            await self._follow(number, created.delivery_id)

    async def _follow(self, number: int, delivery_id: str) -> None:
        """Await a delivery, read it, cancel it, or leave it alone."""
        chance = self._draw.random()
        if number % WAIT_EVERY == 0:
            await self._await(delivery_id)
        elif chance < 0.3:
            await asyncio.sleep(self._draw.uniform(1, 600))
            try:
                if chance < 0.25:
                    await self._client.get_delivery(delivery_id)
                else:
                    await self._client.cancel_delivery(delivery_id)
            except CancelNotAllowedError:
                pass
            except KaspiDeliveryError as error:
                self._note(error)

    async def _await(self, delivery_id: str) -> None:
        world, findings = self._world, self.findings
        findings.waits += 1
        while True:
            try:
                await self._client.wait_for_status(delivery_id, DeliveryStatus.DELIVERED)
                break
            except AuthenticationError as error:
                # A key that is not accepted ends a wait.
                if world.good_for > 0:
                    findings.lost_waits.append(f"{delivery_id}: {error!r}")
                await asyncio.sleep(30)
            except KaspiDeliveryError as error:
                findings.lost_waits.append(f"{delivery_id}: {error!r}")
                return
        delivered_for = world.now - world.api.deliveries[delivery_id].times[-1]
        findings.latest_wait = max(findings.latest_wait, min(delivered_for, world.good_for))

    def _note(self, error: KaspiDeliveryError) -> None:
        self.findings.failures += 1
        if self._world.good_for > self.findings.longest_failing:
            self.findings.longest_failing = self._world.good_for
            self.findings.worst = f"{self._world.now:.0f} s: {error!r} after {error.attempts}"

"""The shop: a web service that orders, follows and cancels couriers and receives webhooks, and a bulk job."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar, cast

import attrs
from aiohttp import web

from kaspi_delivery_async import (
    ApiError,
    CancelNotAllowedError,
    DeliveryCancelledError,
    DeliveryClient,
    DeliveryStatus,
    KaspiDeliveryError,
    Outcome,
    StatusHub,
    WaitTimeoutError,
    WebhookVerifier,
    operations,
)
from kaspi_delivery_async._exactly_once.states import UNFINISHED
from kaspi_delivery_async.bulk import Journal, create_deliveries
from kaspi_delivery_async.webhooks import MemoryStore, WebhookInbox
from tests.simulation.machine import PROCESS
from tests.simulation.records import Timed
from tests.support.orders import order as complete_order

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from kaspi_delivery_async.models import DeliveryWebhook
    from kaspi_delivery_async.operations import Operation
    from tests.simulation.world import World

T = TypeVar("T")

SERVICE_URL, BULK_URL = "http://127.0.0.2:8000/delivery", "http://127.0.0.1:8000/delivery"
"""The vendor, by two addresses: what one process has learnt of it is not to be known to the other."""

RECEIVER = ("127.0.0.9", 9000)

KEY_LIFE = 23 * 3600.0
MAY_PASS = frozenset({401, 404, 408, 429})
"""Refusals that are not about the order."""

CALL = 30.0
"""Seconds that a call may take; the client's default."""


@attrs.define
class Note:
    """What the web service's own database holds of an order: it outlives the service."""

    order_id: str
    at: float
    """When the customer orders, on the loop's clock."""
    follows: str
    """What the service does then: poll, hub, watch, cancel or nothing."""
    first_sent_at: float | None = None
    """When it may first have left, on the wall clock."""
    api_key: str | None = None
    """Under which API key."""
    delivery_id: str | None = None
    is_refused: bool = False
    is_open: bool = False
    """Whether it is left to a webhook, as it can neither be repeated nor be said to have failed."""
    calls: int = 0
    cancelled: bool | None = None
    is_followed: bool = False

    @property
    def is_final(self) -> bool:
        return self.delivery_id is not None or self.is_refused or self.is_open


@attrs.frozen(kw_only=True)
class Plan:
    """What the shop has to do in a world, drawn from its seed."""

    notes: tuple[Note, ...]
    bulk: tuple[str, ...]
    bulk_at: float
    concurrency: int
    keeps_events: bool
    """Whether the inbox's store is the database, and not the service's memory."""


def draw_plan(draw: random.Random, *, busy_time: float) -> Plan:
    """Draw the orders of a world: a handful from customers, a handful in bulk."""
    follows = ["poll", "hub", "watch", "cancel", "nothing"]
    # Nobody orders in the last seconds, so that faults meet follow-ups too.
    notes = [
        Note(f"web-{n}", draw.uniform(0.0, busy_time * 0.8), draw.choice(follows)) for n in range(draw.randint(1, 3))
    ]
    bulk = [f"bulk-{number}" for number in range(draw.randint(0, 4))]
    if len(bulk) > 2 and draw.random() < 0.3:
        bulk.append(bulk[0])  # a line that repeats an order
    return Plan(
        notes=tuple(sorted(notes, key=lambda note: note.at)),
        bulk=tuple(bulk),
        bulk_at=draw.uniform(0.0, busy_time * 0.8),
        concurrency=draw.randint(1, 4),
        keeps_events=draw.random() < 0.5,
    )


class Service:
    """One life of the web service."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._hub = StatusHub()
        self._journal = Journal(world.file)
        self.stop = asyncio.Event()

    async def run(self) -> None:
        """Serve until `stop` is set."""
        world = self._world
        client = DeliveryClient(lambda: world.api_key, base_url=SERVICE_URL)
        verifier = WebhookVerifier([world.secret])
        store = world.file if world.plan.keeps_events else MemoryStore()
        inbox = WebhookInbox(verifier, store=store, handler=self._handle, hub=self._hub)
        runner = web.ServerRunner(web.Server(cast("Any", inbox.aiohttp)), shutdown_timeout=1.0)
        async with client, self._journal, inbox:
            await runner.setup()
            try:
                await web.TCPSite(runner, *RECEIVER).start()
                async with asyncio.TaskGroup() as group:
                    flows = [group.create_task(self._serve_order(client, note)) for note in world.plan.notes]
                    await self.stop.wait()
                    for flow in flows:
                        flow.cancel()
            finally:
                await runner.cleanup()

    async def _serve_order(self, client: DeliveryClient, note: Note) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, note.at - loop.time()))
        draw = random.Random(f"{self._world.seed}/{note.order_id}/{note.calls}")
        while not note.is_final:
            await self._create(client, note)
            if not note.is_final:
                await asyncio.sleep(draw.uniform(1.0, 40.0))
        if note.delivery_id is not None and not note.is_followed:
            note.is_followed = True
            await self._follow(client, note, note.delivery_id, draw)

    async def _create(self, client: DeliveryClient, note: Note) -> None:
        """Call once, as somebody does who has read the documentation."""
        world = self._world
        api_key = world.api_key
        if note.api_key not in {None, api_key}:
            note.is_open = True  # under another API key the vendor may not know the idempotency key
            return
        is_first = note.first_sent_at is None
        age = 0.0 if note.first_sent_at is None else max(0.001, world.wall_clock() - note.first_sent_at)
        if age >= KEY_LIFE:
            note.is_open = True
            return
        if is_first:
            note.first_sent_at, note.api_key = world.wall_clock(), api_key
        note.calls += 1
        operation = operations.create_delivery(complete_order(note.order_id))
        try:
            created = await self._timed("create", note.order_id, self._send(client, operation, age))
        except KaspiDeliveryError as error:
            world.say(note.order_id, f"create failed: {type(error).__name__}, {error.outcome}")
            world.texts += [str(error), repr(error)]
            if is_first and error.outcome is not Outcome.UNKNOWN and world.has_courier(note.order_id):
                world.violate(
                    "outcomes are honest", f"{note.order_id} is said to be {error.outcome}, and has a courier"
                )
            if error.outcome is not Outcome.UNKNOWN and is_first:
                note.first_sent_at = note.api_key = None
                note.is_refused = isinstance(error, ApiError) and error.status not in MAY_PASS and error.status < 500
            elif world.api_key != api_key or (isinstance(error, ApiError) and error.replayed):
                note.is_open = True
        else:
            note.delivery_id = created.delivery_id
            world.say(note.order_id, f"created as {created.delivery_id}")

    async def _send(self, client: DeliveryClient, operation: Operation[T], age: float) -> T:
        return (await client.send(operation, key_age=age)).value

    async def _follow(self, client: DeliveryClient, note: Note, delivery_id: str, draw: random.Random) -> None:
        try:
            if note.follows == "cancel":
                await asyncio.sleep(draw.uniform(0.0, 40.0))
                await self._cancel(client, note, delivery_id)
            elif note.follows == "watch":
                await self._watch(client, delivery_id)
            elif note.follows != "nothing":
                await self._wait(client, delivery_id, hub=self._hub if note.follows == "hub" else None)
        except WaitTimeoutError:
            self._world.say(note.order_id, "the wait took too long")
        except KaspiDeliveryError as error:
            self._world.say(note.order_id, f"{note.follows} failed: {type(error).__name__}")
            self._world.texts += [str(error), repr(error)]

    async def _wait(self, client: DeliveryClient, delivery_id: str, *, hub: StatusHub | None) -> None:
        wait = client.wait_for_status(delivery_id, DeliveryStatus.DELIVERED, timeout=400.0, events=hub)
        try:
            delivery = await self._timed("wait" if hub is None else "wait with a hub", delivery_id, wait, limit=400.0)
        except DeliveryCancelledError:
            self._world.sightings.append((delivery_id, [DeliveryStatus.CANCELLED]))
        else:
            self._world.sightings.append((delivery_id, [delivery.status]))
            if (status := self._world.vendor.deliveries[delivery_id].status) != "delivered":
                self._world.violate("no wait ends early", f"{delivery_id} is {status}")

    async def _watch(self, client: DeliveryClient, delivery_id: str) -> None:
        seen: list[DeliveryStatus] = []
        self._world.sightings.append((delivery_id, seen))
        note_status = seen.append
        async with aclosing(client.watch(delivery_id, timeout=400.0, events=self._hub)) as changes:
            async for change in changes:
                note_status(change.status)

    async def _cancel(self, client: DeliveryClient, note: Note, delivery_id: str) -> None:
        operation = operations.cancel_delivery(delivery_id, "changed my mind")
        try:
            cancelled = await self._timed("cancel", delivery_id, self._send(client, operation, 0.0))
        except CancelNotAllowedError:
            note.cancelled = False
        else:
            note.cancelled = cancelled.status == DeliveryStatus.CANCELLED

    async def _timed(self, what: str, subject: str, work: Awaitable[T], *, limit: float = CALL) -> T:
        loop = asyncio.get_running_loop()
        start = loop.time()
        try:
            return await work
        finally:
            ended = Timed(
                what=what, subject=subject, began=start, seconds=loop.time() - start, limit=limit,
                ended_at=self._world.vendor_time(),
            )  # fmt: skip
            self._world.timed.append(ended)

    async def _handle(self, event: DeliveryWebhook) -> None:
        world, process = self._world, PROCESS.get()
        attempt = world.begin_handling(event.event_id, process)
        draw = random.Random(f"{world.seed}/{event.event_id}/{attempt}")
        try:
            await _work(draw, may_fail=not world.is_calm)
            if (event.data.external_order_id or "").startswith("bulk"):
                await self._journal.confirm(event)
        except BaseException:
            world.end_handling(event.event_id, succeeded=False)
            raise
        world.confirm(event.data.external_order_id or "", event.data.delivery_id)
        world.end_handling(event.event_id, succeeded=True)


async def _work(draw: random.Random, *, may_fail: bool) -> None:
    """Do what a handler does; it may fail, or take longer than it may."""
    is_slow, fails = draw.random() < 0.03, draw.random() < 0.1
    await asyncio.sleep(draw.uniform(0.0, 45.0 if is_slow and may_fail else 1.0))
    if fails and may_fail:
        raise RuntimeError("the handler has a bad day")


async def run_bulk(world: World) -> None:
    """One life of the bulk job: it goes through its input, and ends."""
    orders = [complete_order(order_id) for order_id in world.plan.bulk]
    client = DeliveryClient(world.api_key, base_url=BULK_URL)  # a job reads it once
    is_open: dict[str | None, bool] = {}
    async with client, Journal(world.file) as journal:
        run = create_deliveries(client, orders, journal=journal, concurrency=world.plan.concurrency)
        async with aclosing(run) as results:
            async for result in results:
                world.results.append(result)
                world.texts += [repr(result)]
                world.say("bulk", f"{result.order_id} is {result.state} {result.delivery_id or result.error or ''}")
                # A line that repeats an order, and one that is left to a webhook, has no call that failed.
                if result.delivery_id is None:
                    is_open[result.order_id] = result.state in UNFINISHED and result.error_type is not None
    # A vendor that keeps its failures under the key keeps an order open for a day; it is reported so.
    world.bulk_is_done = world.is_calm or not any(is_open.values())

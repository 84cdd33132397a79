"""Run of the demo: sandbox, webhook receiver and client on one event loop, and a view of them."""

import asyncio
import logging
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from importlib.resources import as_file, files

import attrs

from kaspi_delivery_async import operations
from kaspi_delivery_async.cli.demo.progress import Board
from kaspi_delivery_async.cli.demo.snapshot import Scene, Traffic, problems
from kaspi_delivery_async.cli.demo.views import View
from kaspi_delivery_async.cli.signals import stop_signals
from kaspi_delivery_async.cli.streams import say
from kaspi_delivery_async.client import DeliveryClient
from kaspi_delivery_async.errors import KaspiDeliveryError, WebhookVerificationError
from kaspi_delivery_async.models import DeliveryRequest, DeliveryStatus
from kaspi_delivery_async.order_files import read_orders
from kaspi_delivery_async.sandbox import Clock, Journey, Sandbox
from kaspi_delivery_async.sandbox.page.entry import page_problem
from kaspi_delivery_async.tracking import StatusHub
from kaspi_delivery_async.webhooks import MemoryStore, Receipt, WebhookInbox, WebhookVerifier
from kaspi_delivery_async.webhooks.receivers.aiohttp import aiohttp_handler
from kaspi_delivery_async.webhooks.receivers.loopback import serve_on_loopback
from kaspi_delivery_async.webhooks.verifier import Headers

JOURNEY = Journey(accept=(300.0, 1800.0), pickup=(2700.0, 4500.0), transit=(1800.0, 4500.0), last_mile=(900.0, 2700.0))
"""A delivery takes about 3 hours of the sandbox's time, and at least 45 minutes are left to cancel an accepted one."""

FAULTS = (
    "create:commit-then-drop:0.25:count=4",
    "create:503:0.2:count=3",
    "cancel:commit-then-drop:count=1",
    "webhook:duplicate:0.1:count=5",
    "webhook:drop:0.1:count=5",
    "webhook:bad-signature:0.1:count=3",
)
"""What goes wrong; a create or cancel that is cut off after the work was done is the case that costs a courier."""

_REFRESH = 1 / 8  # seconds between two looks
_PATIENCE = 30.0  # seconds that a delivery may be late before it counts as lost


@attrs.define
class Received:
    """Counts of the webhooks received."""

    verified: int = 0
    repeated: int = 0
    """Verified ones whose event was already stored."""
    refused: int = 0


def bundled_orders() -> list[DeliveryRequest]:
    """Read the orders of the demo: made-up people at plausible addresses of Almaty, Astana and Shymkent."""
    with as_file(files("kaspi_delivery_async.cli.demo").joinpath("orders.csv")) as path:
        return [line.order for line in read_orders(path) if isinstance(line.order, DeliveryRequest)]


async def perform(view: View, *, speed: float, seed: int, keep: bool = False) -> bool:
    """Deliver the bundled orders and show it; return whether all ended as expected, on Ctrl-C if ``keep``."""
    with _quiet_log():
        return await _perform(view, speed=speed, seed=seed, keep=keep)


async def _perform(view: View, *, speed: float, seed: int, keep: bool) -> bool:
    hub = StatusHub()
    board = Board(bundled_orders())
    sandbox = Sandbox(clock=Clock.sped_up(speed), journey=JOURNEY, faults=FAULTS, seed=seed)
    inbox = WebhookInbox(WebhookVerifier([sandbox.webhook_secret]), store=MemoryStore(), hub=hub)
    received = Received()

    async def receive(body: bytes, headers: Headers) -> Receipt:
        try:
            receipt = await inbox.receive(body, headers)
        except WebhookVerificationError:
            received.refused += 1
            raise
        received.verified += 1
        received.repeated += receipt.duplicate
        return receipt

    async with inbox, serve_on_loopback(aiohttp_handler(receive)) as url:
        sandbox.webhook_url = url
        async with sandbox, DeliveryClient(sandbox.api_key, base_url=sandbox.base_url, instrumentation=()) as client:
            patience = sum(longest for _, longest in JOURNEY.legs().values()) / speed + _PATIENCE
            view.announce(f"{sandbox.root_url}/_sandbox/", problem=page_problem())
            work = asyncio.create_task(_deliver_all(client, board, hub, patience=patience))
            try:
                is_good = await _show(view, work, sandbox, received, board)
            finally:
                work.cancel()
                await asyncio.wait([work])
            if keep:
                say(f"{sandbox.root_url}/_sandbox/ stays; Ctrl-C ends it")
                with stop_signals() as stopped:
                    await stopped.wait()
            return is_good


@contextmanager
def _quiet_log() -> Generator[None]:
    """Keep refused webhooks and abandoned calls off the screen: the demo shows the former, and makes up all of them."""
    logger = logging.getLogger("kaspi_delivery_async")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


async def _show(view: View, work: asyncio.Task[None], sandbox: Sandbox, received: Received, board: Board) -> bool:
    clock = asyncio.get_running_loop().time
    start = clock()
    with view.screen():
        while not work.done():
            view.show(_scene(sandbox, received, board, elapsed=clock() - start))
            await asyncio.wait([work], timeout=_REFRESH)
        work.result()
        scene = _scene(sandbox, received, board, elapsed=clock() - start)
        view.show(scene)
    found = problems(scene)
    view.conclude(scene, found)
    return not found


async def _deliver_all(client: DeliveryClient, board: Board, hub: StatusHub, *, patience: float) -> None:
    async with asyncio.TaskGroup() as tasks:
        for entry in list(board.entries.values()):
            tasks.create_task(_deliver(client, entry.order, board, hub, patience=patience))


async def _deliver(
    client: DeliveryClient, order: DeliveryRequest, board: Board, hub: StatusHub, *, patience: float
) -> None:
    """Create one delivery and follow it to its end; the first one to be accepted is cancelled."""
    order_id = order.external_order_id
    try:
        response = await client.send(operations.create_delivery(order))
        board.created(order_id, response)
        delivery_id = response.value.delivery_id
        async for change in client.watch(delivery_id, timeout=patience, events=hub):
            board.changed(order_id, change)
            if change.status == DeliveryStatus.ACCEPTED and board.take_for_cancelling(order_id):
                await client.cancel_delivery(delivery_id, "the customer changed their mind")
    except KaspiDeliveryError as error:
        board.failed(order_id, str(error))


def _scene(sandbox: Sandbox, received: Received, board: Board, *, elapsed: float) -> Scene:
    requests = list(sandbox.requests)
    return Scene(
        base_url=sandbox.base_url,
        speed=sandbox.clock.speed,
        elapsed=elapsed,
        entries=tuple(board.entries.values()),
        news=board.news,
        deliveries=Counter(record.external_order_id for record in sandbox.deliveries.values()),
        traffic=Traffic(
            requests=sandbox.requests.total,
            creates=sum(request.operation == "create" for request in requests),
            faults=sum(request.fault is not None for request in requests),
            webhooks_sent=sandbox.webhook_attempts.total,
            webhooks_verified=received.verified,
            webhooks_repeated=received.repeated,
            webhooks_refused=received.refused,
        ),
    )

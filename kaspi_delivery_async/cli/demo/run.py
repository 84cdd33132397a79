"""Performs the demo: sandbox, webhook receiver and client on one event loop, and a view that looks on."""

import asyncio
from collections import Counter

from kaspi_delivery_async import operations
from kaspi_delivery_async.cli.demo.orders import bundled_orders
from kaspi_delivery_async.cli.demo.progress import Board
from kaspi_delivery_async.cli.demo.receiver import Receiver
from kaspi_delivery_async.cli.demo.snapshot import Scene, Traffic, problems
from kaspi_delivery_async.cli.demo.views import View, choose_view
from kaspi_delivery_async.client import DeliveryClient
from kaspi_delivery_async.errors import KaspiDeliveryError
from kaspi_delivery_async.models import DeliveryRequest, DeliveryStatus
from kaspi_delivery_async.sandbox import Clock, Journey, Sandbox
from kaspi_delivery_async.tracking import StatusHub
from kaspi_delivery_async.webhooks import WebhookVerifier

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


async def perform(*, speed: float, seed: int, as_json: bool) -> bool:
    """Deliver the bundled orders and show it; return whether all ended as expected."""
    hub = StatusHub()
    board = Board(bundled_orders())
    sandbox = Sandbox(clock=Clock.sped_up(speed), journey=JOURNEY, faults=FAULTS, seed=seed)
    async with Receiver(WebhookVerifier([sandbox.webhook_secret]), hub) as receiver:
        sandbox.webhook_url = receiver.url
        async with sandbox, DeliveryClient(sandbox.api_key, base_url=sandbox.base_url) as client:
            patience = sum(longest for _, longest in JOURNEY.legs().values()) / speed + _PATIENCE
            work = asyncio.create_task(_deliver_all(client, board, hub, patience=patience))
            try:
                return await _show(choose_view(as_json=as_json), work, sandbox, receiver, board)
            finally:
                work.cancel()
                await asyncio.wait([work])


async def _show(view: View, work: asyncio.Task[None], sandbox: Sandbox, receiver: Receiver, board: Board) -> bool:
    clock = asyncio.get_running_loop().time
    start = clock()
    with view.screen():
        while not work.done():
            view.show(_scene(sandbox, receiver, board, elapsed=clock() - start))
            await asyncio.wait([work], timeout=_REFRESH)
        work.result()
        scene = _scene(sandbox, receiver, board, elapsed=clock() - start)
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


def _scene(sandbox: Sandbox, receiver: Receiver, board: Board, *, elapsed: float) -> Scene:
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
            webhooks_verified=receiver.verified,
            webhooks_repeated=receiver.repeated,
            webhooks_refused=receiver.refused,
        ),
    )

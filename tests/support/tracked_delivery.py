"""An API of one delivery whose statuses are given, and the waits of tests for it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from kaspi_delivery_async import (
    Delivery,
    DeliveryStatus,
    DeliveryWebhookData,
    KaspiDeliveryError,
    Outcome,
    StatusHistory,
    StatusHub,
)
from kaspi_delivery_async.status import SEQUENCE
from kaspi_delivery_async.tracking import wait_for_status, watch

CREATED, ACCEPTED, IN_TRANSIT, OUT_FOR_DELIVERY, DELIVERED = SEQUENCE
CANCELLED = DeliveryStatus.CANCELLED
UNKNOWN = DeliveryStatus("returned")


class Api:
    """Responds with one status or error after the other, the last one for ever; remembers when it was asked."""

    def __init__(self, *responses: DeliveryStatus | KaspiDeliveryError, history: Sequence[DeliveryStatus] = ()) -> None:
        self.responses = list(responses)
        self.history = tuple(StatusHistory(status=status) for status in history)
        self.asked: list[float] = []

    async def __call__(self, delivery_id: str, *, include_history: bool) -> Delivery:
        assert include_history
        self.asked.append(asyncio.get_running_loop().time())
        response = self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]
        if isinstance(response, KaspiDeliveryError):
            raise response
        return Delivery(delivery_id=delivery_id, status=response, history=self.history)


def now() -> float:
    return asyncio.get_running_loop().time()


def announce(hub: StatusHub, status: DeliveryStatus, *, delivery_id: str = "dlv_1") -> None:
    hub.announce(DeliveryWebhookData(delivery_id=delivery_id, status=status))


def api_error(kind: Callable[..., KaspiDeliveryError], status: int, **more: Any) -> KaspiDeliveryError:
    return kind("refused", status=status, outcome=Outcome.REJECTED, **more)


async def wait(api: Api, status: DeliveryStatus = DELIVERED, **settings: Any) -> Delivery:
    return await wait_for_status(api, "dlv_1", status, **({"draw": lambda: 0.0} | settings))


async def statuses(api: Api, **settings: Any) -> list[DeliveryStatus]:
    return [change.status async for change in watch(api, "dlv_1", **({"draw": lambda: 0.0} | settings))]

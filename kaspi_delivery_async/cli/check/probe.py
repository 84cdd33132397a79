"""Asks the API about a delivery that cannot exist: what comes back tells whether this set-up works."""

import time
from collections.abc import Callable, Mapping

import attrs

from kaspi_delivery_async import operations
from kaspi_delivery_async.client import DeliveryClient
from kaspi_delivery_async.errors import KaspiDeliveryError
from kaspi_delivery_async.models import Delivery
from kaspi_delivery_async.operations import Operation
from kaspi_delivery_async.options import RetryPolicy

NO_DELIVERY = "connection-check"
"""An id such as the API never gives; in its logs it says what the request was for."""

NO_KEY = "connection-check-without-a-key"
"""A key such as the API never gives."""


@attrs.frozen(kw_only=True)
class Reply:
    """What a question led to."""

    error: KaspiDeliveryError | None
    """What the client made of it; None if the API told of a delivery."""
    date: str = ""
    """The answer's own ``Date``; empty where there is none."""
    came_at: float
    """When it came, in Unix time by the clock of this machine."""


@attrs.frozen(kw_only=True)
class _Question(Operation[Delivery]):
    """A `get_delivery` that remembers the date of its answer: errors do not carry it."""

    dates: list[str] = attrs.field(factory=list[str])

    def parse(self, status: int, headers: Mapping[str, str], body: bytes) -> Delivery:
        self.dates.append(headers.get("Date", ""))
        return super().parse(status, headers, body)


async def ask(client: DeliveryClient, *, wall: Callable[[], float] = time.time) -> Reply:
    """Ask once, without retries: they would hide what is to be found out."""
    question = _Question(**attrs.asdict(operations.get_delivery(NO_DELIVERY), recurse=False))
    error: KaspiDeliveryError | None = None
    try:
        await client.with_options(retry=RetryPolicy(max_attempts=1)).send(question)
    except KaspiDeliveryError as failure:
        error = failure
    return Reply(error=error, date=next(iter(question.dates), ""), came_at=wall())


async def ask_without_key(client: DeliveryClient) -> Reply:
    """Ask the same server under a key that cannot be good."""
    async with DeliveryClient(NO_KEY, base_url=client.base_url) as stranger:
        return await ask(stranger)

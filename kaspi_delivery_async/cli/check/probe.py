"""Probe of the API: a request for a delivery that cannot exist, whose response shows whether this set-up works."""

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
"""An id that the API never assigns; in its logs it shows the purpose of the request."""

NO_KEY = "connection-check-without-a-key"
"""A key that the API never assigns."""


@attrs.frozen(kw_only=True)
class ProbeResult:
    """The result of a probe."""

    error: KaspiDeliveryError | None
    """The error of the call; None if the API returned a delivery."""
    date: str = ""
    """The ``Date`` of the response; empty if it has none."""
    received_at: float
    """When it was received, in Unix time by the clock of this machine."""


@attrs.frozen(kw_only=True)
class _DatedOperation(Operation[Delivery]):
    """A `get_delivery` that remembers the date of its response: errors do not carry it."""

    dates: list[str] = attrs.field(factory=list[str])

    def parse(self, status: int, headers: Mapping[str, str], body: bytes) -> Delivery:
        self.dates.append(headers.get("Date", ""))
        return super().parse(status, headers, body)


async def probe(client: DeliveryClient, *, wall: Callable[[], float] = time.time) -> ProbeResult:
    """Send the request once, without retries, which would hide problems."""
    operation = _DatedOperation(**attrs.asdict(operations.get_delivery(NO_DELIVERY), recurse=False))
    error: KaspiDeliveryError | None = None
    try:
        await client.with_options(retry=RetryPolicy(max_attempts=1)).send(operation)
    except KaspiDeliveryError as failure:
        error = failure
    return ProbeResult(error=error, date=next(iter(operation.dates), ""), received_at=wall())


async def probe_without_key(client: DeliveryClient) -> ProbeResult:
    """Send the request to the same server, under a key that it cannot accept."""
    async with DeliveryClient(NO_KEY, base_url=client.base_url) as stranger:
        return await probe(stranger)

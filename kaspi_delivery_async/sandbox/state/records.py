"""What the sandbox remembers, as frozen values: deliveries, requests seen, webhook attempts."""

from typing import cast

import attrs

from kaspi_delivery_async.sandbox import wire_format


@attrs.frozen(kw_only=True)
class StatusEntry:
    """One line of a delivery's history."""

    status: str
    at: float
    """Unix seconds on the sandbox clock."""
    notes: str | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class DeliveryRecord:
    """One delivery as the service knows it; times are Unix seconds on the sandbox clock."""

    delivery_id: str
    external_order_id: str
    history: tuple[StatusEntry, ...]
    """Every status in order of happening; the last one is the present one."""
    idempotency_key: str | None
    pickup_by: float
    deliver_by: float
    request_json: bytes = attrs.field(repr=False)
    """The accepted order, documented fields only, as compact JSON: a tenth of the memory of the parsed one."""

    @property
    def status(self) -> str:
        """The present status."""
        return self.history[-1].status

    @property
    def request(self) -> dict[str, object]:
        """The accepted order, documented fields only."""
        return cast("dict[str, object]", wire_format.loads(self.request_json))

    @property
    def tracking_url(self) -> str:
        """The page a customer would look at. Source: RF."""
        return f"https://track.kaspi.kz/{self.delivery_id}"


@attrs.frozen(kw_only=True)
class Event:
    """Something that is reported to a receiver. Source: CD, WH."""

    event_id: str
    type: str
    delivery_id: str
    external_order_id: str
    status: str
    timestamp: float
    """When the status was reached: Unix seconds on the sandbox clock."""
    url: str | None = attrs.field(default=None, repr=False)
    """Where to send it; ``None`` for the registered receiver."""


@attrs.frozen(kw_only=True)
class PendingEvent:
    """An event that no receiver has accepted yet."""

    event: Event
    attempt: int
    """The number of the next attempt, 1 for the first."""
    first_at: float
    """When the first attempt was due: Unix seconds on the sandbox clock."""
    due: float
    """When this one is."""

"""What the demo knows at a moment, and whether it ended well: plain data and pure functions."""

from collections.abc import Mapping, Sequence

import attrs

from kaspi_delivery_async.models import DeliveryRequest, DeliveryStatus
from kaspi_delivery_async.status import is_terminal
from kaspi_delivery_async.tracking import StatusChange


@attrs.frozen(kw_only=True)
class Entry:
    """One order, and what is known of its delivery."""

    order: DeliveryRequest
    expected: DeliveryStatus = DeliveryStatus.DELIVERED
    """How it is to end."""
    delivery_id: str | None = None
    tracking_url: str | None = None
    attempts: int = 0
    """How often the create was sent."""
    replayed: bool = False
    """Whether a repeated create met the delivery that an earlier attempt had made."""
    changes: tuple[StatusChange, ...] = ()
    """The statuses it has been through."""
    problem: str | None = None
    """The error that ended it early."""

    @property
    def order_id(self) -> str:
        """The merchant's own id."""
        return self.order.external_order_id

    @property
    def status(self) -> DeliveryStatus | None:
        """Where the delivery stands; None before it is known."""
        return self.changes[-1].status if self.changes else None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.problem is not None or (self.status is not None and is_terminal(self.status))


@attrs.frozen(kw_only=True)
class Traffic:
    """What went over the wires, counted."""

    requests: int
    """Requests that the sandbox received."""
    creates: int
    """Those of them that were to create a delivery."""
    faults: int
    """Requests that a fault was made to happen to."""
    webhooks_sent: int
    """Attempts to hand over an event."""
    webhooks_verified: int
    webhooks_repeated: int
    """Genuine, and known already."""
    webhooks_refused: int


@attrs.frozen(kw_only=True)
class Scene:
    """The whole demo at a moment."""

    base_url: str
    speed: float
    elapsed: float
    """Seconds since it began."""
    entries: tuple[Entry, ...]
    news: Sequence[tuple[str, StatusChange]]
    """Every change so far in the order of its arrival, with the order's id."""
    deliveries: Mapping[str, int]
    """How many deliveries the sandbox holds for each order id."""
    traffic: Traffic


def problems(scene: Scene) -> list[str]:
    """List what did not end as expected, a sentence each; an empty list is success."""
    found: list[str] = []
    for entry in scene.entries:
        if entry.problem is not None:
            found.append(f"{entry.order_id}: {entry.problem}")
        elif entry.status != entry.expected:
            found.append(f"{entry.order_id}: {entry.expected} was expected, it is {entry.status or 'not created'}")
        count = scene.deliveries.get(entry.order_id, 0)
        if count != 1:
            found.append(f"{entry.order_id}: the sandbox holds {count} deliveries for it instead of one")
    if all(entry.expected != DeliveryStatus.CANCELLED for entry in scene.entries):
        found.append("no delivery was cancelled, though one was to be")
    return found

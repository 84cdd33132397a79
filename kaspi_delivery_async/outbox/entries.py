"""Entries of the outbox, its status, and the report of a reconciliation."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

import attrs

from kaspi_delivery_async.models import DeliveryStatus


class OutboxState(StrEnum):
    """State of an entry."""

    PENDING = "pending"
    """Nothing of it has left; a relay sends it when it is due. It can be withdrawn."""
    SENT = "sent"
    """It may have left, and no response is known yet; a relay sends it again under the same key."""
    CREATED = "created"
    """The API has made the delivery. Final."""
    REJECTED = "rejected"
    """The API refused the order; no delivery exists. Final."""
    IN_DOUBT = "in_doubt"
    """It may have arrived, and no response came within 23 hours: it is never sent again by itself. A webhook that names
    the order confirms it."""
    WITHDRAWN = "withdrawn"
    """It was withdrawn before anything left. Final."""


FINAL = frozenset({OutboxState.CREATED, OutboxState.REJECTED, OutboxState.WITHDRAWN})
"""States that stay."""

NOT_CONFIRMED = frozenset({OutboxState.PENDING, OutboxState.SENT, OutboxState.IN_DOUBT})
"""States in which an event that names the order makes it created."""


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _certain_moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _status(text: str | None) -> DeliveryStatus | None:
    return None if text is None else DeliveryStatus(text)


@attrs.frozen(kw_only=True)
class OutboxEntry:
    """An order of the outbox, and the delivery that was made for it. Times are in UTC."""

    order_id: str
    """In its canonical form, as it is sent."""
    state: OutboxState = attrs.field(converter=OutboxState)
    idempotency_key: str
    delivery_id: str | None
    tracking_url: str | None
    status: DeliveryStatus | None = attrs.field(converter=_status)
    """The delivery's status; None until one is known. In `on_status`, the status that is reported."""
    attempts: int
    """How often a relay has called the API for it."""
    error: str | None
    """Message of the last error, without personal data."""
    enqueued_at: datetime = attrs.field(converter=_certain_moment)
    first_sent_at: datetime | None = attrs.field(converter=_moment)
    """When it may first have left; the age of its idempotency key counts from here."""
    updated_at: datetime = attrs.field(converter=_certain_moment)
    not_before: datetime | None = attrs.field(converter=_moment)
    """When it may first leave; None if at once."""

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> Self:
        """Make an entry of a row of the table."""
        values: dict[str, Any] = {name: row[name] for name in ENTRY_FIELDS}
        return cls(**values)


ENTRY_FIELDS = tuple(field.name for field in attrs.fields(OutboxEntry))


@attrs.frozen(kw_only=True)
class OutboxPause:
    """A relay sends nothing for now."""

    relay: str
    """Name of the relay: its host and process id."""
    reason: str
    """What has to be put right, or that the API is rate limiting; without personal data."""
    since: datetime = attrs.field(converter=_certain_moment)
    until: datetime = attrs.field(converter=_certain_moment)
    """When it tries again."""


@attrs.frozen(kw_only=True)
class OutboxStatus:
    """What an outbox holds, and what its relays do."""

    environment: str | None
    """Host of the API that the orders are for; None until the first relay ran."""
    counts: Mapping[OutboxState, int]
    """Number of entries in each state, also where it is 0."""
    oldest_age: Mapping[OutboxState, float | None]
    """Seconds since the oldest entry of each state was enqueued; None where there is none."""
    relays: int
    """Number of relays that are running."""
    pauses: tuple[OutboxPause, ...]
    """Relays that send nothing for now, and why."""


@attrs.frozen(kw_only=True)
class OpenEntry:
    """An entry about which the API could not be asked, or whose delivery it does not know."""

    entry: OutboxEntry
    age: float
    """Seconds since it may first have left."""
    look_up: str
    """What a person has to look up."""


@attrs.frozen(kw_only=True)
class ReconcileReport:
    """Result of a reconciliation."""

    asked: int
    """Deliveries that the API was asked about by their ids."""
    confirmed: int
    """Entries out of doubt."""
    changed: int
    """Deliveries that had a new status."""
    open: tuple[OpenEntry, ...]
    """What only a person can clear up, the oldest first: the API has no look-up by order id."""
    status: OutboxStatus
    """The outbox afterwards, by state and age."""

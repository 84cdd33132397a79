"""Events of an inbox as plain data: received, leased, updated, dead; and their keys."""

import hashlib
from enum import StrEnum

import attrs

from kaspi_delivery_async._wire.text import storable
from kaspi_delivery_async.errors import WebhookVerificationError
from kaspi_delivery_async.models import DeliveryWebhook
from kaspi_delivery_async.webhooks.verifier import read_event

LONGEST_ERROR = 2000
"""Characters that are kept of a handler's error."""


class EventState(StrEnum):
    """The state of an event in the inbox."""

    WAITING = "waiting"
    """To be handled, now or at its next attempt; or being handled under a lease."""
    HANDLED = "handled"
    """The handler has returned."""
    DEAD = "dead"
    """A dead letter: the handler kept failing, or the message could not be read."""


@attrs.frozen(kw_only=True)
class Message:
    """A verified message, to be stored."""

    key: str
    """Unique; made from the event's id: at most 64 characters of ASCII."""
    body: bytes = attrs.field(repr=False)
    received_at: float
    """Unix seconds."""
    event: DeliveryWebhook | None
    """Its event; None if it cannot be read."""
    error: str | None = None
    """Why it cannot be read; it is stored as a dead letter then."""


@attrs.frozen(kw_only=True)
class Lease:
    """An event that one worker alone may handle, until the lease ends."""

    number: int
    """Its number in the store."""
    worker: str
    attempt: int
    """Counts the attempts to handle it, this one included."""
    body: bytes = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class EventUpdate:
    """The result of an attempt to handle an event."""

    state: EventState
    delay: float = 0.0
    """Seconds until a waiting event is handled again."""
    error: str | None = None
    """What the handler raised."""


@attrs.frozen(kw_only=True)
class DeadLetter:
    """An event that is not tried again; `WebhookInbox.replay` makes it due again."""

    number: int
    """Its number in the store, by which it is replayed."""
    received_at: float
    """When it was first received: Unix seconds."""
    attempts: int
    """Number of attempts; 0 for a message that cannot be read."""
    duplicates: int
    """Number of duplicates received."""
    error: str
    """What the handler raised last, or why the message cannot be read."""
    body: bytes = attrs.field(repr=False)
    """The message's body, byte for byte."""

    @property
    def event(self) -> DeliveryWebhook | None:
        """The message's event; None if it cannot be read."""
        try:
            return read_event(self.body)
        except WebhookVerificationError:
            return None


@attrs.frozen(kw_only=True)
class InboxTotals:
    """Counts of an inbox. Handled events are counted for as long as they are kept, 7 days."""

    waiting: int = 0
    """Events to be handled, those being handled included."""
    handled: int = 0
    dead: int = 0
    """Dead letters."""
    duplicates: int = 0
    """Duplicates received; none of them is handled again."""
    attempts: int = 0
    """Attempts to handle an event."""
    oldest_received_at: float | None = None
    """When the oldest waiting event was received: Unix seconds; None if none waits."""


def event_key(event_id: str) -> str:
    """Return the key of an event: a digest, as nothing is documented of an id's length or characters."""
    return hashlib.sha256(event_id.encode()).hexdigest()


def unreadable_key(body: bytes) -> str:
    """Return the key of a message whose event id cannot be read."""
    return hashlib.sha256(b"unreadable\0" + body).hexdigest()


def error_text(error: BaseException) -> str:
    """Return an error's class and text as any database can hold them."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - whatever it is, the event's end has to be written down
        text = "(its text could not be had)"
    return storable(f"{type(error).__name__}: {text}"[:LONGEST_ERROR])


@attrs.frozen(kw_only=True)
class Receipt:
    """Confirms that a message is stored, so that it may be acknowledged."""

    event: DeliveryWebhook
    duplicate: bool
    """Whether the event had been received before; then it is not handled again."""

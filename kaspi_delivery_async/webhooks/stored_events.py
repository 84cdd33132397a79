"""What the inbox knows of an event, as plain data: as it came, as it is handed to a worker, as it ended."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING

import attrs

from kaspi_delivery_async.errors import WebhookVerificationError
from kaspi_delivery_async.webhooks.verifier import read_event

if TYPE_CHECKING:
    from kaspi_delivery_async.models import DeliveryWebhook


LONGEST_ERROR = 2000
"""Characters that are kept of a handler's error."""


class EventState(StrEnum):
    """Where an event stands in the inbox."""

    WAITING = "waiting"
    """It is to be handled, now or at its next attempt; or it is being handled under a lease."""
    HANDLED = "handled"
    """The handler has returned."""
    DEAD = "dead"
    """A dead letter: the handler kept failing, or the message could not be read."""


@attrs.frozen(kw_only=True)
class Message:
    """A genuine message, to be stored."""

    key: str
    """What makes it unique: made from the event's id, at most 64 characters of ASCII."""
    body: bytes = attrs.field(repr=False)
    received_at: float
    """Unix seconds."""
    event: DeliveryWebhook | None
    """What it says; None if it cannot be read."""
    error: str | None = None
    """Why it cannot be read: it is kept as a dead letter."""


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
    """What becomes of an event after an attempt to handle it."""

    state: EventState
    due_at: float = 0.0
    """When a waiting event is handled again: Unix seconds."""
    error: str | None = None
    """What the handler raised."""


@attrs.frozen(kw_only=True)
class DeadLetter:
    """An event that was given up; `WebhookInbox.replay` handles it anew."""

    number: int
    """Its number in the store, by which it is replayed."""
    received_at: float
    """When it came first: Unix seconds."""
    attempts: int
    """How often the handler was tried; 0 for a message that cannot be read."""
    duplicates: int
    """How often it came again."""
    error: str
    """What the handler raised last, or why the message cannot be read."""
    body: bytes = attrs.field(repr=False)
    """The message as it came."""

    @property
    def event(self) -> DeliveryWebhook | None:
        """What the message says; None if it cannot be read."""
        try:
            return read_event(self.body)
        except WebhookVerificationError:
            return None


@attrs.frozen(kw_only=True)
class InboxTotals:
    """How much an inbox holds, and how it fares. Handled events are counted for as long as they are kept."""

    waiting: int = 0
    """Events to be handled, those being handled included."""
    handled: int = 0
    dead: int = 0
    """Dead letters."""
    duplicates: int = 0
    """Messages that came again and were not handled again."""
    attempts: int = 0
    """Attempts to handle an event."""
    oldest_received_at: float | None = None
    """When the oldest waiting event came: Unix seconds; None if none waits."""


def event_key(event_id: str) -> str:
    """Return the key of an event: a digest, as nothing is documented of an id's length or characters."""
    return hashlib.sha256(event_id.encode()).hexdigest()


def unreadable_key(body: bytes) -> str:
    """Return the key of a message that tells no event id."""
    return hashlib.sha256(b"unreadable\0" + body).hexdigest()


def error_text(error: BaseException) -> str:
    """Write an error down as any database can keep it."""
    text = f"{type(error).__name__}: {error}"[:LONGEST_ERROR]
    return text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


@attrs.frozen(kw_only=True)
class Receipt:
    """A message was stored; the vendor may be told so."""

    event: DeliveryWebhook
    duplicate: bool
    """Whether the event had come before; then nothing more is done."""

"""What an inbox asks of the place that keeps its events. Times are Unix seconds, and come from the caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from kaspi_delivery_async.models import DeliveryWebhookData
    from kaspi_delivery_async.webhooks.stored_events import DeadLetter, EventUpdate, InboxTotals, Lease, Message


class Store(Protocol):
    """Keeps events until they are handled, and after that for as long as a duplicate may come.

    An event is handled under a lease: it belongs to one worker until a time, and to whoever comes
    next if it was not settled until then. What is asked in the name of a worker that has lost its
    lease is ignored. Any method may raise; nothing has happened then.
    """

    async def add(self, message: Message) -> bool:
        """Store a message; return False, and count a duplicate, if its key is known."""
        ...

    async def lease(self, *, worker: str, now: float, until: float, limit: int) -> Sequence[Lease]:
        """Give the worker the events that have been due longest, at most ``limit``, and count an attempt for each."""
        ...

    async def renew(self, leases: Collection[Lease], *, until: float) -> None:
        """Extend leases."""
        ...

    async def release(self, leases: Collection[Lease], *, now: float) -> None:
        """Give leases back: the events are due at once, and the attempts do not count."""
        ...

    async def update(self, lease: Lease, result: EventUpdate) -> None:
        """Write down what became of an event, and end its lease."""
        ...

    async def dead_letters(self, *, limit: int) -> Sequence[DeadLetter]:
        """List the oldest dead letters, at most ``limit``."""
        ...

    async def replay(self, numbers: Collection[int] | None, *, now: float) -> int:
        """Make dead letters due anew, all of them if ``numbers`` is None; return how many."""
        ...

    async def totals(self) -> InboxTotals:
        """Count."""
        ...

    async def prune(self, *, before: float) -> int:
        """Forget events that were handled and came before a time; return how many."""
        ...

    async def follow(self, announce: Callable[[DeliveryWebhookData], None]) -> None:
        """Announce every event that any process stores, until cancelled; return at once where that is not possible."""
        ...

    async def close(self) -> None:
        """Let go of files and connections; what is asked later opens them again."""
        ...

"""The storage protocol of `WebhookInbox`. Stores measure time themselves, by a clock that all their users share."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from kaspi_delivery_async.models import DeliveryWebhookData
from kaspi_delivery_async.webhooks.stored_events import DeadLetter, EventUpdate, InboxTotals, Lease, Message


class Store(Protocol):
    """Keeps events until they are handled, and after that for as long as a duplicate may come.

    An event is handled under a lease: it belongs to one worker for some seconds, and then to the next
    one that asks, unless it was updated before. Calls in the name of a worker that has lost its lease
    are ignored. Any method may raise; it has no effect then.
    """

    async def open(self) -> None:
        """Open files or connections, which every other method does as well; raises `ConfigurationError`."""
        ...

    async def add(self, message: Message) -> bool:
        """Store a message; return False, and count a duplicate, if its key is known."""
        ...

    async def lease(self, *, worker: str, seconds: float, limit: int) -> Sequence[Lease]:
        """Lease the events that have been due longest to a worker, at most ``limit``; count an attempt for each."""
        ...

    async def renew(self, leases: Collection[Lease], *, seconds: float) -> None:
        """Extend leases: they end ``seconds`` from now."""
        ...

    async def release(self, leases: Collection[Lease]) -> None:
        """Give leases back: the events are due at once, and the attempts do not count."""
        ...

    async def update(self, lease: Lease, result: EventUpdate) -> None:
        """Record the result of handling an event, and end its lease."""
        ...

    async def dead_letters(self, *, limit: int) -> Sequence[DeadLetter]:
        """List the oldest dead letters, at most ``limit``."""
        ...

    async def replay(self, numbers: Collection[int] | None) -> int:
        """Make dead letters due, all of them if ``numbers`` is None; return how many."""
        ...

    async def totals(self) -> InboxTotals:
        """Count events, attempts and duplicates."""
        ...

    async def prune(self, *, before: float) -> int:
        """Delete events that were handled and received before a time, in Unix seconds; return how many."""
        ...

    async def follow(self, announce: Callable[[DeliveryWebhookData], None]) -> None:
        """Announce every event that any process stores, until cancelled; return at once if no other process can."""
        ...

    async def close(self) -> None:
        """Close files and connections; later calls open them again."""
        ...


@runtime_checkable
class SharedStore(Protocol):
    """A store that knows for how long no event of another process can be missed."""

    async def follow_all(
        self,
        announce: Callable[[DeliveryWebhookData], None],
        nothing_missed: Callable[[], AbstractContextManager[None]],
    ) -> None:
        """Do what `Store.follow` does, in the context ``nothing_missed`` while every event is sure to be announced."""
        ...


async def follow(
    store: Store,
    announce: Callable[[DeliveryWebhookData], None],
    nothing_missed: Callable[[], AbstractContextManager[None]],
) -> None:
    """Follow a store of either kind."""
    if isinstance(store, SharedStore):
        await store.follow_all(announce, nothing_missed)
    else:
        await store.follow(announce)

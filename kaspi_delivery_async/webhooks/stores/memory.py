"""Keeps an inbox's events in memory: for tests, and for services that may lose what was not yet handled."""

import asyncio
import heapq
from collections.abc import Callable, Collection, Iterator

import attrs

from kaspi_delivery_async.models import DeliveryWebhookData
from kaspi_delivery_async.webhooks.stored_events import DeadLetter, EventState, EventUpdate, InboxTotals, Lease, Message
from kaspi_delivery_async.webhooks.stores.protocol import Store


@attrs.define
class _Row:
    number: int
    message: Message
    state: EventState = EventState.DEAD
    due_at: float = 0.0
    worker: str | None = None
    attempts: int = 0
    duplicates: int = 0
    error: str | None = None


class MemoryStore(Store):
    """A `Store` within one process; its events are gone when the process ends. Its clock is the event loop's."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}
        self._waiting: dict[int, _Row] = {}
        # (due_at, number); an entry whose row has another due_at by now is out of date.
        self._due: list[tuple[float, int]] = []
        self._last_number = 0

    async def open(self) -> None:
        pass

    async def add(self, message: Message) -> bool:
        known = self._rows.get(message.key)
        if known is not None:
            known.duplicates += 1
            return False
        self._last_number += 1
        row = self._rows[message.key] = _Row(number=self._last_number, message=message, error=message.error)
        if message.error is None:
            self._wait(row)
        return True

    async def lease(self, *, worker: str, seconds: float, limit: int) -> list[Lease]:
        leases: list[Lease] = []
        while len(leases) < limit and self._due and self._due[0][0] <= _now():
            due_at, number = heapq.heappop(self._due)
            row = self._waiting.get(number)
            if row is not None and row.due_at == due_at:
                row.worker, row.attempts = worker, row.attempts + 1
                self._wait(row, seconds)
                leases.append(Lease(number=number, worker=worker, attempt=row.attempts, body=row.message.body))
        return leases

    async def renew(self, leases: Collection[Lease], *, seconds: float) -> None:
        for row in self._held(leases):
            self._wait(row, seconds)

    async def release(self, leases: Collection[Lease]) -> None:
        for row in self._held(leases):
            row.worker, row.attempts = None, row.attempts - 1
            self._wait(row)

    async def update(self, lease: Lease, result: EventUpdate) -> None:
        for row in self._held([lease]):
            row.worker, row.error = None, result.error
            if result.state is EventState.WAITING:
                self._wait(row, result.delay)
            else:
                row.state = result.state
                del self._waiting[row.number]

    async def dead_letters(self, *, limit: int) -> list[DeadLetter]:
        return [
            DeadLetter(
                number=row.number,
                received_at=row.message.received_at,
                attempts=row.attempts,
                duplicates=row.duplicates,
                error=row.error or "",
                body=row.message.body,
            )
            for row in self._in(EventState.DEAD)[:limit]
        ]

    async def replay(self, numbers: Collection[int] | None) -> int:
        chosen = [row for row in self._in(EventState.DEAD) if numbers is None or row.number in numbers]
        for row in chosen:
            row.attempts = 0
            self._wait(row)
        return len(chosen)

    async def totals(self) -> InboxTotals:
        rows = self._rows.values()
        return InboxTotals(
            waiting=len(self._waiting),
            handled=len(self._in(EventState.HANDLED)),
            dead=len(self._in(EventState.DEAD)),
            duplicates=sum(row.duplicates for row in rows),
            attempts=sum(row.attempts for row in rows),
            oldest_received_at=min((row.message.received_at for row in self._waiting.values()), default=None),
        )

    async def prune(self, *, before: float) -> int:
        old = [row for row in self._in(EventState.HANDLED) if row.message.received_at < before]
        for row in old:
            del self._rows[row.message.key]
        return len(old)

    async def follow(self, announce: Callable[[DeliveryWebhookData], None]) -> None:
        pass

    async def close(self) -> None:
        pass

    def _wait(self, row: _Row, seconds: float = 0.0) -> None:
        row.state, row.due_at = EventState.WAITING, _now() + seconds
        self._waiting[row.number] = row
        heapq.heappush(self._due, (row.due_at, row.number))

    def _in(self, state: EventState) -> list[_Row]:
        return [row for row in self._rows.values() if row.state is state]

    def _held(self, leases: Collection[Lease]) -> Iterator[_Row]:
        """Find the rows whose leases are still the workers' own."""
        for lease in leases:
            row = self._waiting.get(lease.number)
            if row is not None and (row.worker, row.attempts) == (lease.worker, lease.attempt):
                yield row


def _now() -> float:
    return asyncio.get_running_loop().time()

"""Group commit: concurrent writes share one transaction, because a transaction costs more than its rows."""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

T = TypeVar("T")
R = TypeVar("R")

LARGEST_GROUP = 500
"""Items of one write: databases bound the number of parameters of a statement."""


class GroupCommit(Generic[T, R]):
    """Collects items while a write is in progress, and writes them with the next one; for one event loop.

    A lone item is written at once; under load the groups grow, so that no queue does.
    """

    def __init__(
        self,
        write: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
        *,
        on_abandoned: Callable[[T, R], None] | None = None,
    ) -> None:
        """Write by ``write``, which returns one result for each item, in order; its error is every item's.

        ``on_abandoned`` is called with each item that was written although its task had been cancelled.
        """
        self._write = write
        self._on_abandoned = on_abandoned
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def submit(self, item: T) -> R:
        """Return the item's result when it is written. Cancelling this does not take the item back."""
        return await self.add(item)

    def add(self, item: T) -> asyncio.Future[R]:
        """Have an item written; the future is its result."""
        written: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, written))
        if self._writing is None or self._writing.done():
            # In a context of its own: it writes for others than the first as well.
            self._writing = asyncio.create_task(self._run(), context=Context())
        return written

    async def flush(self) -> None:
        """Wait until all is written."""
        if self._writing is not None:
            await asyncio.wait([self._writing])

    async def _run(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:LARGEST_GROUP], self._waiting[LARGEST_GROUP:]
            try:
                results = await self._write([item for item, _ in group])
            except Exception as error:  # noqa: BLE001 - it goes to those who submitted
                for _, written in group:
                    if not written.done():
                        written.set_exception(error)
            else:
                for (item, written), result in zip(group, results, strict=True):
                    if not written.done():
                        written.set_result(result)
                    elif self._on_abandoned is not None:
                        self._on_abandoned(item, result)

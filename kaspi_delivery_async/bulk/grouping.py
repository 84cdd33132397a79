"""Writes many small things at once: whoever comes while a write is under way shares the next one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

T = TypeVar("T")
R = TypeVar("R")

LARGEST_GROUP = 500
"""Items of one write: databases bound the number of parameters of a statement."""


class GroupedWrites(Generic[T, R]):
    """Group commit: one transaction for all that waits, one transaction at a time."""

    def __init__(self, write: Callable[[Sequence[T]], Awaitable[Sequence[R]]]) -> None:
        """Take the function that writes a group and returns a result for each item, in the same order."""
        self._write = write
        self._next: list[T] = []
        self._newest: asyncio.Task[Sequence[R]] | None = None

    async def add(self, item: T) -> R:
        """Return when the item is written; raises what the write raised. Cancelling it does not undo the write."""
        if self._newest is None or not 0 < len(self._next) < LARGEST_GROUP:
            self._next = []
            self._newest = asyncio.create_task(self._write_group(self._next, after=self._newest))
        position, written = len(self._next), self._newest
        self._next.append(item)
        return (await asyncio.shield(written))[position]

    async def finish(self) -> None:
        """Wait until all is written."""
        if self._newest is not None:
            await asyncio.wait([self._newest])

    async def _write_group(self, group: list[T], *, after: asyncio.Task[Sequence[R]] | None) -> Sequence[R]:
        if after is not None:
            await asyncio.wait([after])
        if self._next is group:
            self._next = []
        return await self._write(group)

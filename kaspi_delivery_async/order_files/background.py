"""Reads an iterable in a thread of its own: a slow file or a silent pipe never holds up the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

T = TypeVar("T")

AHEAD = 256
"""Items that are read ahead, at most."""

_BATCH = 64
"""Items that the thread hands over at once, if it can: changing threads takes longer than reading a line."""


async def read_in_background(read: Callable[[Callable[[], None]], Iterable[T]]) -> AsyncGenerator[T]:
    """Yield the items that ``read`` returns, and raise what iterating over them raises.

    Closing the generator returns at once, even while the thread waits for the next item: the thread ends when that
    comes, or with the process.

    Args:
        read: Called in the thread with a function; it calls that before it waits for input, so that all items up to
            there are yielded.

    """
    reader = _Reader(read)
    # A daemon: a pipe that stays silent must not keep the process alive.
    threading.Thread(target=reader.run, name="kaspi-order-file", daemon=True).start()
    try:
        while await reader.has_more():
            yield reader.take()
    finally:
        reader.stop()
    if reader.failure is not None:
        raise reader.failure


class _Reader(Generic[T]):
    """What the thread and the event loop share."""

    def __init__(self, read: Callable[[Callable[[], None]], Iterable[T]]) -> None:
        self._read = read
        self._loop = asyncio.get_running_loop()
        self._ready: deque[T] = deque()
        self._news = asyncio.Event()
        self._room = threading.Semaphore(AHEAD)
        self._is_waiting = self._has_ended = self._is_stopped = False
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            for item in self._read(self._wake):
                self._room.acquire()
                if self._is_stopped:
                    return
                self._ready.append(item)
                if len(self._ready) >= _BATCH:
                    self._wake()
        except BaseException as error:  # noqa: BLE001 - it is raised on the event loop
            self.failure = error
        self._has_ended = True
        self._wake()

    def _wake(self) -> None:
        if self._is_waiting and (self._ready or self._has_ended):
            self._is_waiting = False
            with suppress(RuntimeError):  # of an event loop that has ended
                self._loop.call_soon_threadsafe(self._news.set)

    async def has_more(self) -> bool:
        while not self._ready:
            self._news.clear()
            self._is_waiting = True
            # The thread may have looked at the flag just before.
            if self._has_ended or self._ready:
                return bool(self._ready)
            await self._news.wait()
        return True

    def take(self) -> T:
        self._room.release()
        return self._ready.popleft()

    def stop(self) -> None:
        self._is_stopped = True
        self._room.release()

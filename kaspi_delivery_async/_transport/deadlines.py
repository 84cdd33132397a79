"""Timeouts of exchanges. Those with the same timeout share one timer, because one timer per exchange is expensive."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType

LAST_TURNS = 16
"""Turns of the event loop that an exchange gets after its time: what has arrived by then is read (1 MiB, about)."""


class Deadlines:
    """Deadlines on one event loop that allow the same time: the first to begin is the first to end."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._running: dict[Deadline, float] = {}
        """In the order of their ends."""
        self._has_timer = False

    def begin(self, start: float) -> Deadline:
        """Return a deadline that counts from ``start``, now or a moment ago on the loop's clock."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("the client can only be called from within a task")
        deadline = Deadline(task, self._running)
        end = self._running[deadline] = start + self.seconds
        if not self._has_timer:
            self._await(asyncio.get_running_loop(), end)
        return deadline

    def _await(self, loop: asyncio.AbstractEventLoop, end: float) -> None:
        # The timer is not kept, for it would keep the loop; it is never cancelled, only found to be early.
        self._has_timer = True
        loop.call_at(end, self._expire)

    def _expire(self) -> None:
        self._has_timer = False
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._running:
            deadline, end = next(iter(self._running.items()))
            if end > now:
                self._await(loop, end)
                return
            del self._running[deadline]
            deadline.expire(loop)


class Deadline:
    """Raises TimeoutError if its ``with`` block takes longer than `Deadlines` allow.

    As `asyncio.timeout` does, it cancels the task, and distinguishes its own cancellation from others.
    """

    __slots__ = ("_cancelling", "_has_ended", "_is_past", "_running", "_task")

    def __init__(self, task: asyncio.Task[Any], running: dict[Deadline, float]) -> None:
        self._task = task
        self._cancelling = task.cancelling()
        self._running = running
        self._is_past = False
        self._has_ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._is_past:
            self._has_ended = True
            self._running.pop(self, None)
        elif self._task.uncancel() <= self._cancelling and isinstance(error, asyncio.CancelledError):
            raise TimeoutError from error

    def expire(self, loop: asyncio.AbstractEventLoop, turns: int = LAST_TURNS) -> None:
        """Cancel the task, unless it ends in the next turns of the loop.

        After the loop was blocked, timers run before the tasks that are to read what has arrived in the meantime.
        """
        if self._has_ended:
            return
        if turns:
            loop.call_soon(self.expire, loop, turns - 1)
        else:
            self._is_past = True
            self._task.cancel()

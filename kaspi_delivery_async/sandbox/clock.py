"""The one clock the sandbox lives by: real, sped up, or driven by hand."""

import asyncio
import heapq
import itertools
import math
import time
from collections.abc import Awaitable, Callable
from typing import Self

DRIVEN_START = 1_718_093_454.0
"""2024-06-11T08:10:54Z: with it, the times of the documented example come out. Source: CD."""

# A timer may fire a hair early by the clock's own arithmetic; it must not be armed again for that hair.
_GRAIN = 0.001


class Clock:
    """Time of the sandbox, in Unix seconds, and what is due at which time.

    It runs on the event loop's ``time()``, so a loop with virtual time carries it along. Whatever its pace,
    `advance` moves it ahead by hand.

    What the *client* lives by stays in the client's time, whatever the pace of this clock: the 5 seconds a webhook
    receiver has, latency and stall faults, ``Retry-After`` and rate limits.
    """

    def __init__(
        self, *, speed: float = 1.0, start: float | None = None, wall: Callable[[], float] = time.time
    ) -> None:
        """Make a clock that has not begun to run; the sandbox starts it.

        Args:
            speed: Seconds of this clock per second of the event loop; 0 stands still.
            start: What it shows at the beginning, in Unix seconds; ``None`` for the wall clock's time.
            wall: The wall clock.

        Raises:
            ValueError: ``speed`` is negative or not finite.

        """
        if not 0 <= speed < math.inf:
            raise ValueError(f"the speed of a clock is 0 (driven by hand) or a positive number, not {speed!r}")
        self.speed = speed
        self._start = start
        self._wall = wall
        self._life: tuple[asyncio.AbstractEventLoop, Callable[[], Awaitable[None]]] | None = None
        self._base = 0.0
        self._began_at = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._advancing = asyncio.Lock()

    @classmethod
    def real(cls) -> Self:
        """Make a clock that keeps the time of day."""
        return cls()

    @classmethod
    def sped_up(cls, speed: float) -> Self:
        """Make a clock on which ``speed`` seconds pass in each real second."""
        return cls(speed=speed)

    @classmethod
    def driven(cls, start: float = DRIVEN_START) -> Self:
        """Make a clock that moves only by `advance`: with one seed, everything repeats to the second."""
        return cls(speed=0.0, start=start)

    def now(self) -> float:
        """Tell the time of the sandbox in Unix seconds.

        Raises:
            RuntimeError: The sandbox is not running.

        """
        return self._base + self.speed * (self._running()[0].time() - self._began_at)

    def wall(self) -> float:
        """Tell the time of day, in Unix seconds, that clients of the sandbox are taken to see."""
        return self._wall()

    def stamp(self) -> float:
        """Tell the time to sign a webhook with, in Unix seconds.

        A receiver compares it with its own clock, so it is the wall clock's; a driven clock, which exists so that
        things repeat, gives its own time, and a receiver under test is given `now` to compare with.
        """
        return self.now() if self.speed == 0 else self._wall()

    def call_at(self, when: float, callback: Callable[[], None]) -> None:
        """Have something done when the clock shows ``when``; things due at one time are done in the order of asking."""
        entry = (when, next(self._numbers), callback)
        heapq.heappush(self._due, entry)
        if self._due[0] is entry:
            self._arm()

    async def advance(self, seconds: float) -> None:
        """Move ahead by hand, doing everything that falls due, in order.

        It returns when all of it has settled: webhooks are answered, or have failed and wait for their next attempt.
        So a receiver must not await it.

        Raises:
            ValueError: ``seconds`` is negative or not finite.
            RuntimeError: The sandbox is not running.

        """
        if not 0 <= seconds < math.inf:
            raise ValueError(f"a clock advances by 0 or more seconds, not by {seconds!r}")
        _, settle = self._running()
        async with self._advancing:
            target = self.now() + seconds
            await settle()
            while self._due and self._due[0][0] <= target:
                when, _, callback = heapq.heappop(self._due)
                self._jump_to(when)
                callback()
                await settle()
            self._jump_to(target)
            self._arm()

    def begin(self, *, settle: Callable[[], Awaitable[None]], not_before: float | None = None) -> None:
        """Start to run. The sandbox calls this; ``settle`` waits for everything under way to end.

        Raises:
            RuntimeError: Another running sandbox already uses this clock.

        """
        if self._life is not None:
            raise RuntimeError("this clock already belongs to a running sandbox: give each its own Clock")
        loop = asyncio.get_running_loop()
        self._life = loop, settle
        self._advancing = asyncio.Lock()
        self._began_at = loop.time()
        self._base = self._wall() if self._start is None else self._start
        if not_before is not None:
            self._base = max(self._base, not_before)

    def forget(self) -> None:
        """Drop everything that was to be done."""
        self._due.clear()
        self._arm()

    def end(self) -> None:
        """Stop running. The sandbox calls this."""
        self.forget()
        self._life = None

    def _running(self) -> tuple[asyncio.AbstractEventLoop, Callable[[], Awaitable[None]]]:
        if self._life is None:
            raise RuntimeError("the sandbox is not running: its clock starts with `async with Sandbox(...)`")
        return self._life

    def _jump_to(self, when: float) -> None:
        if when > self.now():
            self._base, self._began_at = when, self._running()[0].time()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._life is not None and self._due and self.speed > 0:
            wait = max(0.0, (self._due[0][0] - self.now()) / self.speed)
            self._timer = self._life[0].call_later(wait, self._run_due)

    def _run_due(self) -> None:
        horizon = self.now() + _GRAIN
        while self._due and self._due[0][0] <= horizon:
            heapq.heappop(self._due)[2]()
        self._arm()

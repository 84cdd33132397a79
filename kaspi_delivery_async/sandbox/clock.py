"""The sandbox's clock: real time, accelerated, or advanced by hand."""

import asyncio
import heapq
import itertools
import math
import time
from collections.abc import Awaitable, Callable
from typing import Self

import attrs

from kaspi_delivery_async.sandbox.wire_format import LATEST

DRIVEN_START = 1_718_093_454.0
"""2024-06-11T08:10:54Z: with it, the times of the documented example come out. Source: CD."""

# A timer may fire a hair early by the clock's own arithmetic; it must not be armed again for that hair.
_GRAIN = 0.001

_TOGETHER = 1.0
"""Seconds: what falls due within them is started at once when time is advanced by hand, as on a running clock."""


@attrs.frozen
class _Life:
    """What a clock needs of the sandbox that it runs in."""

    loop: asyncio.AbstractEventLoop
    drain: Callable[[], Awaitable[None]]
    moved: Callable[[], None]


def _time_of_day() -> float:
    return time.time()  # looked up at each call: tests replace it


class Clock:
    """Time of the sandbox, in Unix seconds, and what is due at which time.

    It runs on the event loop's ``time()``, so a loop with virtual time carries it along. Whatever its pace,
    `advance` moves it ahead by hand.

    What belongs to the *client's* time is not accelerated: the 5 seconds a webhook receiver has, latency and stall
    faults, ``Retry-After`` and rate limits.
    """

    def __init__(
        self,
        *,
        speed: float = 1.0,
        start: float | None = None,
        wall: Callable[[], float] = _time_of_day,
        wall_stamps: bool | None = None,
    ) -> None:
        """Make a clock that has not begun to run; the sandbox starts it.

        Args:
            speed: Seconds of this clock per second of the event loop; 0 stands still.
            start: What it shows at the beginning, in Unix seconds; ``None`` for the wall clock's time.
            wall: The wall clock.
            wall_stamps: Whether webhooks are signed with the wall clock's time, as a receiver with a clock of its own
                requires; ``None`` signs with this clock's time if it is driven by hand, so that everything repeats.

        Raises:
            ValueError: ``speed`` is negative or not finite, or ``start`` is not a time before the year 10000.

        """
        if not 0 <= speed < math.inf:
            raise ValueError(f"speed: 0 (driven by hand) or a positive number, not {speed!r}")
        if start is not None and not 0 <= start <= LATEST:
            raise ValueError(f"start: Unix seconds from 0 to {LATEST:.0f}, not {start!r}")
        self.speed: float = speed
        self._start = start
        self._wall = wall
        self._wall_stamps = speed > 0 if wall_stamps is None else wall_stamps
        self._life: _Life | None = None
        self._origin = (0.0, 0.0)
        """What this clock showed at which time of the event loop; one value, because threads read it."""
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
        """Return the time of the sandbox in Unix seconds.

        Raises:
            RuntimeError: The sandbox is not running.

        """
        shown, at = self._origin
        return shown + self.speed * (self._running().loop.time() - at)

    def wall(self) -> float:
        """Return the time of day, in Unix seconds, that clients of the sandbox are taken to see."""
        return self._wall()

    def stamp(self) -> float:
        """Return the time to sign a webhook with, in Unix seconds: the wall clock's, or that of a driven clock.

        A receiver compares it with its own clock. With a driven clock, give the receiver under test `now` to compare
        with, or make the clock with ``wall_stamps=True``.
        """
        return self._wall() if self._wall_stamps else self.now()

    @property
    def next_due(self) -> float | None:
        """When something happens by itself next, in Unix seconds of this clock; None if nothing does."""
        return self._due[0][0] if self._due else None

    def set_speed(self, speed: float) -> None:
        """Have ``speed`` seconds pass in each real second from now on; 0 stands still.

        Raises:
            ValueError: ``speed`` is negative or not finite.
            RuntimeError: The sandbox is not running.

        """
        if not 0 <= speed < math.inf:
            raise ValueError(f"speed: 0 (driven by hand) or a positive number, not {speed!r}")
        self._origin = (self.now(), self._running().loop.time())
        self.speed = speed
        self._arm()

    def call_at(self, when: float, callback: Callable[[], None]) -> None:
        """Call something when the clock shows ``when``; things due at one time are called in the order of asking."""
        entry = (when, next(self._numbers), callback)
        heapq.heappush(self._due, entry)
        if self._due[0] is entry:
            self._arm()

    async def advance(self, seconds: float) -> None:
        """Move ahead by hand, doing everything that falls due, in order.

        It returns when the webhook attempts that fell due have ended, or failed and wait for their next time. So a
        receiver must not await it.

        Raises:
            ValueError: ``seconds`` is negative or not finite, or leads beyond the year 9999.
            RuntimeError: The sandbox is not running.

        """
        if not 0 <= seconds < math.inf:
            raise ValueError(f"a clock advances by 0 or more seconds, not by {seconds!r}")
        life = self._running()
        async with self._advancing:
            target = self.now() + seconds
            if target > LATEST:
                raise ValueError(f"a clock does not advance beyond the year 9999, as {seconds!r} seconds would")
            await life.drain()
            while self._due and self._due[0][0] <= target:
                horizon = min(target, self._due[0][0] + _TOGETHER)
                while self._due and self._due[0][0] <= horizon:
                    when, _, callback = heapq.heappop(self._due)
                    self._jump_to(when)
                    callback()
                await life.drain()
            self._jump_to(target)
            self._arm()
        life.moved()

    def begin(
        self,
        *,
        drain: Callable[[], Awaitable[None]],
        moved: Callable[[], None],
        not_before: float | None = None,
    ) -> None:
        """Start to run. The sandbox calls this.

        Args:
            drain: Waits for the webhook attempts that have been started.
            moved: Called after the clock was advanced by hand.
            not_before: What the clock showed when the sandbox last ran.

        Raises:
            RuntimeError: Another running sandbox already uses this clock.

        """
        if self._life is not None:
            raise RuntimeError("this clock already belongs to a running sandbox: give each its own Clock")
        loop = asyncio.get_running_loop()
        self._life = _Life(loop, drain, moved)
        self._advancing = asyncio.Lock()
        start = self._wall() if self._start is None else self._start
        self._origin = (start if not_before is None else max(start, not_before), loop.time())

    def forget(self) -> None:
        """Drop everything that was to be done."""
        self._due.clear()
        self._arm()

    def end(self) -> None:
        """Stop running. The sandbox calls this."""
        self.forget()
        self._life = None

    def _running(self) -> _Life:
        if self._life is None:
            raise RuntimeError("the sandbox is not running: its clock starts with `async with Sandbox(...)`")
        return self._life

    def _jump_to(self, when: float) -> None:
        if when > self.now():
            self._origin = (when, self._running().loop.time())

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._life is not None and self._due and self.speed > 0:
            wait = max(0.0, (self._due[0][0] - self.now()) / self.speed)
            self._timer = self._life.loop.call_later(wait, self._run_due)

    def _run_due(self) -> None:
        horizon = self.now() + _GRAIN
        while self._due and self._due[0][0] <= horizon:
            heapq.heappop(self._due)[2]()
        self._arm()

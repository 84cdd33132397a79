"""Gives each request its turn to leave, by the rules of `Pace`; shared by all clients of one API key and host."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary, WeakValueDictionary

import attrs

from kaspi_delivery_async._call.throttle import PATIENCE, Pace
from kaspi_delivery_async.errors import DeadlineExceededError

if TYPE_CHECKING:
    from kaspi_delivery_async.options import Limits


@attrs.define(eq=False)
class _Waiter:
    turn: asyncio.Future[None]
    limits: Limits
    deadline: float


class Queue:
    """Those who wait for their turn on one event loop, first come, first served."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._waiters: deque[_Waiter] = deque()
        self._under_way = 0
        self._turns = 0
        """How many were given."""
        self._gate: asyncio.TimerHandle | None = None
        """Opens when the pace allows the next request."""
        self._patience: asyncio.TimerHandle | None = None

    def try_enter(self, now: float, limits: Limits) -> bool:
        """Take a turn if one is free."""
        if self._waiters or self._pace.delay(now, under_way=self._under_way, limits=limits) != 0:
            return False
        self._depart(now, limits)
        return True

    async def enter(self, limits: Limits, *, deadline: float, urgent: bool) -> None:
        """Wait for a turn; whoever got one calls `leave` when its request has ended.

        ``urgent`` goes before the others: a request that was turned away once must not starve.
        Raises `DeadlineExceededError` if no turn comes before ``deadline``: at once where that is
        certain already.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self.try_enter(now, limits):
            return
        if self._pace.closed_until >= deadline:
            raise _too_late(self._pace.closed_until - now)
        waiter = _Waiter(loop.create_future(), limits, deadline)
        if urgent:
            self._waiters.appendleft(waiter)
        else:
            self._waiters.append(waiter)
        self._serve()
        self._be_patient()
        expiry = loop.call_at(deadline, self._turn_away, waiter, deadline)
        try:
            await waiter.turn
        except BaseException:
            if waiter.turn.done() and not waiter.turn.cancelled() and waiter.turn.exception() is None:
                self.leave()  # the turn came, and nobody is left to use it
            raise
        finally:
            expiry.cancel()

    def leave(self) -> None:
        """End a turn, and give it to the next."""
        self._under_way -= 1
        if self._waiters:
            self._serve()

    def succeed(self, duration: float, *, limits: Limits) -> None:
        """Account for a good answer that took ``duration`` seconds."""
        self._pace.succeed(duration, contended=bool(self._waiters), limits=limits)

    def throttle(self, retry_after: float | None, *, draw: float) -> None:
        """Account for a 429, and turn away those whose deadline will pass during the pause."""
        now = asyncio.get_running_loop().time()
        self._pace.throttle(now, retry_after=retry_after, draw=draw)
        for waiter in self._waiters:
            if self._pace.closed_until >= waiter.deadline:
                self._turn_away(waiter, now)

    def _turn_away(self, waiter: _Waiter, now: float) -> None:
        if not waiter.turn.done():
            waiter.turn.set_exception(_too_late(self._pace.closed_until - now))

    def _serve(self) -> None:
        if self._gate is not None:
            self._gate.cancel()
            self._gate = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._waiters:
            waiter = self._waiters[0]
            if not waiter.turn.done():
                delay = self._pace.delay(now, under_way=self._under_way, limits=waiter.limits)
                if delay != 0:
                    self._gate = None if delay is None else loop.call_later(delay, self._serve)
                    return
                self._depart(now, waiter.limits)
                waiter.turn.set_result(None)
            self._waiters.popleft()

    def _depart(self, now: float, limits: Limits) -> None:
        self._under_way += 1
        self._turns += 1
        if limits.rate is not None:
            self._pace.depart(now, rate=limits.rate)

    def _be_patient(self) -> None:
        if self._patience is None and self._pace.probing:
            loop = asyncio.get_running_loop()
            self._patience = loop.call_later(PATIENCE, self._lose_patience, self._turns)

    def _lose_patience(self, turns: int) -> None:
        self._patience = None
        if self._waiters and self._turns == turns:
            self._pace.lose_patience(limits=self._waiters[0].limits)
            self._serve()
        if self._waiters:
            self._be_patient()


class Limiter:
    """One API key at one host: the pace that all its requests share, and a queue for each event loop."""

    def __init__(self) -> None:
        self.pace = Pace()
        self._queues: WeakKeyDictionary[asyncio.AbstractEventLoop, Queue] = WeakKeyDictionary()

    def queue(self) -> Queue:
        """Return the running loop's queue."""
        loop = asyncio.get_running_loop()
        queue = self._queues.get(loop)
        if queue is None:
            queue = self._queues[loop] = Queue(self.pace)
        return queue

    def outlive_its_clients(self) -> None:
        """Stay until the pause is over: the running loop's timer holds on to it."""
        asyncio.get_running_loop().call_at(self.pace.closed_until, self._come_back)

    def _come_back(self) -> None:
        """Do nothing: it has only been waited for."""


# A limit belongs to a key and a host, whichever client meets it, so this one registry is shared
# by the whole process. A limiter lives as long as a client that uses it, or a pause that it makes.
_limiters: WeakValueDictionary[tuple[bytes, str], Limiter] = WeakValueDictionary()


def shared_limiter(api_key: str, base_url: str) -> Limiter:
    """Return the process's limiter for this key at this URL's host; only a digest of the key is kept."""
    identity = (hashlib.sha256(api_key.encode()).digest(), urlsplit(base_url).netloc)
    limiter = _limiters.get(identity)
    if limiter is None:
        limiter = _limiters[identity] = Limiter()
    return limiter


def _too_late(closed_for: float) -> DeadlineExceededError:
    if closed_for > 0:
        return DeadlineExceededError(
            "the API asked for a pause that outlasts this call; come back after `.retry_after` seconds",
            retry_after=closed_for,
        )
    return DeadlineExceededError("no turn to send came within the call's time; lower the load or raise `total`")

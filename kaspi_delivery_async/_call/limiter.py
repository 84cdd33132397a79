"""Queues requests until the concurrency and rate limits let them be sent; shared by all clients of a key and host."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict, deque
from enum import IntEnum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary, WeakValueDictionary

import attrs

from kaspi_delivery_async._call.retry_budget import FULL_BUDGET
from kaspi_delivery_async._call.throttle import PATIENCE, Throttle
from kaspi_delivery_async.errors import DeadlineExceededError

if TYPE_CHECKING:
    from kaspi_delivery_async.options import Limits

KEPT = 4096
"""Keys and hosts whose limits are remembered although no client uses them just now."""


class Priority(IntEnum):
    """Which requests go first; those of the same kind that were turned away once before the others."""

    CANCEL = 1
    """It is of use only until the pickup."""
    WRITE = 3
    READ = 5


FAIR_TURN = 8
"""One turn in so many goes to the request that has waited longest, whatever its priority: so nothing starves."""


@attrs.define(eq=False)
class _Waiter:
    turn: asyncio.Future[None]
    limits: Limits
    deadline: float
    since: float


class Queue:
    """Queue of the requests waiting on one event loop; first in, first out within a rank."""

    def __init__(self, throttle: Throttle) -> None:
        self._throttle = throttle
        self._waiters: dict[int, deque[_Waiter]] = {}
        """By rank, the least of which goes first; none is empty."""
        self._in_flight = 0
        self._turns = 0
        """How many were given."""
        self._next_turn: asyncio.TimerHandle | None = None
        self._patience: asyncio.TimerHandle | None = None

    def try_enter(self, now: float, limits: Limits) -> bool:
        """Take a turn if one is free."""
        if self._waiters or self._throttle.delay(now, self._in_flight, limits) != 0:
            return False
        self._depart(now, limits)
        return True

    async def enter(self, limits: Limits, *, deadline: float, priority: Priority, again: bool = False) -> None:
        """Wait for a turn, ``again`` after an earlier attempt; call `leave` when the request that got it has ended.

        Raises `DeadlineExceededError` if no turn comes before ``deadline``: at once where that is
        certain already.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self.try_enter(now, limits):
            return
        if self._throttle.paused_until >= deadline:
            raise _too_late(self._throttle.paused_until - now)
        waiter = _Waiter(loop.create_future(), limits, deadline, now)
        self._waiters.setdefault(priority - again, deque()).append(waiter)
        self._serve()
        self._expect_turn()
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
        self._in_flight -= 1
        if self._waiters:
            self._serve()

    def succeed(self, duration: float, *, limits: Limits) -> None:
        """Account for a healthy response that took ``duration`` seconds."""
        throttle = self._throttle
        if self._waiters or throttle.budget.tokens < FULL_BUDGET:
            throttle.succeed(duration, contended=bool(self._waiters), limits=limits)
        if throttle.one_at_a_time:
            throttle.resume(asyncio.get_running_loop().time())

    def throttle(self, retry_after: float | None, *, draw: float) -> None:
        """Account for a 429, and turn away the requests whose deadline will pass during the pause."""
        now = asyncio.get_running_loop().time()
        self._throttle.throttle(now, retry_after=retry_after, draw=draw)
        for waiters in self._waiters.values():
            for waiter in waiters:
                if self._throttle.paused_until >= waiter.deadline:
                    self._turn_away(waiter, now)

    def _turn_away(self, waiter: _Waiter, now: float) -> None:
        if not waiter.turn.done():
            waiter.turn.set_exception(_too_late(self._throttle.paused_until - now))

    def _serve(self) -> None:
        if self._next_turn is not None:
            self._next_turn.cancel()
            self._next_turn = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        while (waiter := self._first()) is not None:
            delay = self._throttle.delay(now, self._in_flight, waiter.limits)
            if delay != 0:
                self._next_turn = None if delay is None else loop.call_later(delay, self._serve)
                return
            self._depart(now, waiter.limits)
            waiter.turn.set_result(None)

    def _first(self) -> _Waiter | None:
        """Return the waiter whose turn is next, and forget those that have ended."""
        for rank, waiters in list(self._waiters.items()):
            while waiters and waiters[0].turn.done():
                waiters.popleft()
            if not waiters:
                del self._waiters[rank]
        if not self._waiters:
            return None
        if self._turns % FAIR_TURN == 0:
            return min((waiters[0] for waiters in self._waiters.values()), key=lambda waiter: waiter.since)
        return self._waiters[min(self._waiters)][0]

    def _depart(self, now: float, limits: Limits) -> None:
        self._in_flight += 1
        self._turns += 1
        if limits.rate is not None:
            self._throttle.depart(now, rate=limits.rate)

    def _expect_turn(self) -> None:
        if self._patience is None and self._throttle.probing:
            loop = asyncio.get_running_loop()
            self._patience = loop.call_later(PATIENCE, self._widen_after_stall, self._turns)

    def _widen_after_stall(self, turns: int) -> None:
        self._patience = None
        first = self._first()
        if first is not None and self._turns == turns:
            self._throttle.widen_after_stall(limits=first.limits)
            self._serve()
        if self._waiters:
            self._expect_turn()


class Limiter:
    """One API key at one host: the throttle that all its requests share, and a queue for each event loop."""

    def __init__(self) -> None:
        self.throttle = Throttle()
        self._queues: WeakKeyDictionary[asyncio.AbstractEventLoop, Queue] = WeakKeyDictionary()

    def queue(self) -> Queue:
        """Return the running loop's queue."""
        loop = asyncio.get_running_loop()
        queue = self._queues.get(loop)
        if queue is None:
            queue = self._queues[loop] = Queue(self.throttle)
        return queue


# Pauses, rates and budgets belong to a key and a host in the process, not to a client, a loop or a run: a service may
# make a client for each of its requests. So a limiter outlives its clients; the oldest go when there are very many.
_limiters: WeakValueDictionary[tuple[bytes, str], Limiter] = WeakValueDictionary()
_kept: OrderedDict[tuple[bytes, str], Limiter] = OrderedDict()


def shared_limiter(api_key: str, base_url: str) -> Limiter:
    """Return the process's limiter for this key at this URL's host; only a digest of the key is kept."""
    identity = (hashlib.sha256(api_key.encode()).digest(), urlsplit(base_url).netloc)
    limiter = _limiters.get(identity)
    if limiter is None:
        limiter = _limiters[identity] = Limiter()
    _kept[identity] = limiter
    _kept.move_to_end(identity)
    if len(_kept) > KEPT:
        _kept.popitem(last=False)
    return limiter


def _too_late(paused_for: float) -> DeadlineExceededError:
    if paused_for > 0:
        return DeadlineExceededError(
            "the API is rate limiting this key for longer than this call may take; retry after `.retry_after` seconds",
            retry_after=paused_for,
        )
    return DeadlineExceededError(
        "the call timed out waiting for a free slot; send fewer requests at once, or raise `Timeout.total`"
    )

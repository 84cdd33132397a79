"""The world around the service: it makes the events happen, and knows since when everything is good again."""

from __future__ import annotations

import asyncio
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast
from unittest.mock import patch

from benchmarks.month.api import Api, response
from benchmarks.month.events import Event, Fate, Kind, Page, RetryAfter
from benchmarks.month.network import Network

if TYPE_CHECKING:
    import random
    from collections.abc import Generator, Sequence

    from benchmarks.month.network import Connection, Host, Request

EPOCH = 1_780_272_000.0
"""Midnight in June 2026, when the month begins."""

LONGEST_THROTTLING = 300.0


class World:
    """Hosts, names, keys and clocks."""

    def __init__(self, draw: random.Random) -> None:
        self.network = Network(self._serve)
        self.api = Api(draw)
        self.api_key = "key-0"
        """The key that the service knows."""
        self.left: dict[str, float] = {}
        """When the name left each host that serves on."""
        self._good_since = 0.0
        self._stays_away_until = 0.0
        """When the last pause is over that a response asked for, on the monotonic clock."""
        self._suspended = 0.0
        self._step = 0.0
        self._rotations = 0
        self._page: Page | None = None
        """What every request gets instead of the API's response."""
        self._host = self.network.add_host()
        self.network.addresses = [self._host.address]

    @property
    def now(self) -> float:
        """Seconds from the beginning of the month, those in which the machine was suspended included."""
        return asyncio.get_running_loop().time() + self._suspended

    def wall_clock(self) -> float:
        """Return what the machine's clock says."""
        return EPOCH + self.now + self._step

    @property
    def good_for(self) -> float:
        """Seconds for which nothing outside has been in the way of a call; negative if something is."""
        return min(self.now - self._good_since, asyncio.get_running_loop().time() - self._stays_away_until)

    @contextmanager
    def instead_of_this_one(self) -> Generator[None, None, None]:
        """Have the client see this world's clocks and names."""
        loop = asyncio.get_running_loop()
        with (
            patch("time.time", self.wall_clock),
            patch("socket.getaddrinfo", self.network.getaddrinfo),
            patch("aiohttp.connector.monotonic", loop.time),
        ):
            yield

    def _serve(self, connection: Connection, request: Request) -> None:
        host, date = connection.host, EPOCH + self.now
        host.last_request_at = self.now
        if host.fate is Fate.FAILS:
            connection.respond(response(503, "", date=date), after=0.05)
        elif self._page is not None:
            self._respond(connection, self._page, date)
        elif not self.api.serve(connection, request, now=self.now, date=date):
            self._good_since = max(self._good_since, self.now)

    def _respond(self, connection: Connection, page: Page, date: float) -> None:
        asked = None if page.retry_after is None else page.retry_after.text(date)
        if page.retry_after is not None:
            # The jitter of a pause is at most a twentieth of it.
            until = asyncio.get_running_loop().time() + 1.05 * page.retry_after.seconds
            self._stays_away_until = max(self._stays_away_until, until)
        connection.respond(response(page.status, page.body, date=date, retry_after=asked), after=0.05)

    async def turn(self, events: Sequence[Event]) -> None:
        """Make the events happen."""
        happenings = {
            Kind.MOVE: self._move,
            Kind.FAILOVER: self._fail_over,
            Kind.NAMES: self._lose_names,
            Kind.PAGE: self._show_page,
            Kind.THROTTLE: self._throttle,
            Kind.ROTATION: self._rotate,
            Kind.CLOCK: self._step_clock,
            Kind.SUSPENSION: self._suspend,
            Kind.ROUTE: self._break_route,
            Kind.CUT: self._cut,
            Kind.RESET: self._reset,
        }
        for event in events:
            await asyncio.sleep(event.at - asyncio.get_running_loop().time())
            await happenings[event.kind](event)
            self._good_since = self.now

    async def _bad_for(self, seconds: float) -> None:
        self._good_since = math.inf
        await asyncio.sleep(seconds)

    def _move_name(self) -> Host:
        """Let the name lead to another host; return the one that it has left."""
        old, self._host = self._host, self.network.add_host()
        self.network.addresses = [self._host.address]
        return old

    async def _move(self, event: Event) -> None:
        old = self._move_name()
        self.left[old.address] = self.now
        await asyncio.sleep(event.seconds)
        old.meet(cast("Fate", event.detail))

    async def _fail_over(self, event: Event) -> None:
        self._host.meet(cast("Fate", event.detail))
        await self._bad_for(event.seconds)
        self._move_name()

    async def _lose_names(self, event: Event) -> None:
        self.network.has_names, self.network.is_silent = not event.detail, not event.detail
        await self._bad_for(event.seconds)
        self.network.has_names, self.network.is_silent = True, False

    async def _show_page(self, event: Event) -> None:
        self._page = cast("Page", event.detail)
        await self._bad_for(event.seconds)
        self._page = None

    async def _throttle(self, event: Event) -> None:
        self._page = Page(status=429, body="", retry_after=cast("RetryAfter", event.detail))
        await self._bad_for(min(event.seconds, LONGEST_THROTTLING))
        self._page = None

    async def _rotate(self, event: Event) -> None:
        self._rotations += 1
        old, new = self.api_key, f"key-{self._rotations}"
        self.api.api_keys.add(new)
        if event.detail:
            self.api.loses_responses = True
            await self._bad_for(5)
            self.api_key = new
            await self._bad_for(5)
            self.api.loses_responses = False
            self._good_since = self.now
            await asyncio.sleep(event.seconds)
            self.api.api_keys.discard(old)
        else:
            self.api.api_keys.discard(old)
            await self._bad_for(20)
            self.api_key = new

    async def _step_clock(self, event: Event) -> None:
        self._step += cast("float", event.detail)

    async def _suspend(self, event: Event) -> None:
        await self._cut(event)
        self._suspended += cast("float", event.detail)

    async def _break_route(self, event: Event) -> None:
        dead = self.network.add_host()
        dead.meet(Fate.SWALLOWS)
        self.network.addresses = [dead.address, self._host.address]
        await asyncio.sleep(event.seconds)
        self.network.addresses = [self._host.address]

    async def _cut(self, _event: Event) -> None:
        for connection in self.network.connections:
            connection.is_cut = True

    async def _reset(self, _event: Event) -> None:
        for connection in self.network.connections:
            connection.reset()

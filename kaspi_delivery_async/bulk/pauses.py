"""Pauses of a bulk run: how long each lasts, and how many in a row end the run."""

import asyncio
import logging
from collections.abc import Callable

from kaspi_delivery_async.bulk.results import Paused
from kaspi_delivery_async.errors import KaspiDeliveryError

PAUSES = 10
"""Pauses in a row, with no order ended in between, after which the run ends."""

LONGEST_PAUSE = 3600.0
"""Seconds of a pause at most, whatever the API asks for; then it is tried again."""

SHORTEST_PAUSES = (0.1, 5.0)
"""Seconds of the first of several pauses in a row, doubled for each, and at most: for a 429 that names no time."""

_logger = logging.getLogger(__name__)


class Pauses:
    """The pauses of one run; setting ``stopping`` ends every wait."""

    def __init__(self, stopping: asyncio.Event, on_pause: Callable[[Paused], object] | None) -> None:
        """Begin without a pause; ``on_pause`` is called for each that the API asks for."""
        self._stopping = stopping
        self._on_pause = on_pause
        self._in_a_row = 0
        self._until = 0.0

    def begin(self, cause: KaspiDeliveryError, seconds: float) -> bool:
        """Pause for ``seconds`` or longer; return False if there were too many pauses in a row."""
        now = asyncio.get_running_loop().time()
        is_new = now >= self._until
        if is_new:
            self._in_a_row += 1
            if self._in_a_row > PAUSES:
                return False
        first, longest = SHORTEST_PAUSES
        shortest = min(longest, first * 2 ** (self._in_a_row - 1))
        self._until = max(self._until, now + min(LONGEST_PAUSE, max(seconds, shortest)))
        if is_new and seconds > 0:
            _logger.warning("rate limited: pausing for %.0f s", self._until - now)
            if self._on_pause is not None:
                self._on_pause(Paused(seconds=self._until - now, cause=cause))
        return True

    def end_row(self) -> None:
        """Count from the beginning, because an order ended."""
        self._in_a_row = 0

    async def let_pass(self) -> bool:
        """Wait until no pause is in force; False if the run ends."""
        while (left := self._until - asyncio.get_running_loop().time()) > 0 and not self._stopping.is_set():
            await self.rest(left)
        return not self._stopping.is_set()

    async def rest(self, seconds: float) -> None:
        """Wait, unless the run ends."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass

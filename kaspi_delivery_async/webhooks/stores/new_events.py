"""Announces the events that other processes store, by looking for rows with higher numbers."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kaspi_delivery_async.errors import WebhookVerificationError
from kaspi_delivery_async.webhooks.stores import statements
from kaspi_delivery_async.webhooks.verifier import read_event

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy import Connection

    from kaspi_delivery_async.models import DeliveryWebhookData

POLL = 0.5
"""Seconds between looks."""

PAGE = 500

_logger = logging.getLogger(__name__)


class NewEvents:
    """Reads the rows that have come since the last look."""

    def __init__(
        self,
        read: Callable[[Callable[[Connection], list[tuple[int, bytes]]]], Awaitable[list[tuple[int, bytes]]]],
        announce: Callable[[DeliveryWebhookData], None],
        *,
        overlap: int,
    ) -> None:
        """Set up.

        Args:
            read: Runs a transaction.
            announce: Called with each event.
            overlap: How far below the highest number a row may still appear, because its transaction ends later;
                rows in that range may be announced twice.

        """
        self._read = read
        self._announce = announce
        self._overlap = overlap
        self._newest: int | None = None

    async def look(self) -> None:
        """Announce what is new since the last look; the first one only notes where the new rows begin."""
        while True:
            rows = await self._read(self._page)
            for _, body in rows:
                try:
                    event = read_event(body)
                except WebhookVerificationError:
                    continue  # a dead letter
                self._announce(event.data)
            if len(rows) < PAGE:
                return

    async def poll(self, seconds: float = POLL) -> None:
        """Look again and again, until cancelled."""
        while True:
            try:
                await self.look()
            except Exception:
                _logger.exception("the inbox cannot be searched for new events; trying again")
            await asyncio.sleep(seconds)

    def _page(self, connection: Connection) -> list[tuple[int, bytes]]:
        newest: int = connection.execute(statements.newest()).scalar_one()
        if self._newest is None:
            self._newest = newest
        elif newest < self._newest:  # another file, or another database
            self._newest = 0
        after = self._newest if newest == self._newest else max(0, self._newest - self._overlap)
        rows = [(number, body) for number, body in connection.execute(statements.newer(after=after, limit=PAGE))]
        self._newest = max([self._newest, *(number for number, _ in rows)])
        return rows

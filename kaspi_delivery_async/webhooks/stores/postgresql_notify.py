"""LISTEN/NOTIFY: announces the events that other processes store in the same PostgreSQL database."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kaspi_delivery_async._database.postgresql import connect
from kaspi_delivery_async.errors import InvalidRequestError
from kaspi_delivery_async.models import DeliveryWebhookData, from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from kaspi_delivery_async._database.postgresql import AsyncpgConnection
    from kaspi_delivery_async.models import DeliveryWebhook
    from kaspi_delivery_async.webhooks.stores.new_events import NewEvents

CHANNEL = "kaspi_delivery_events"

LONGEST_PAYLOAD = 7999
"""Bytes that PostgreSQL accepts."""

RECONNECTION = 5.0
"""Seconds between attempts to listen again."""

CHECK = 10.0
"""Seconds between checks that the connection still responds."""

CHECK_LIMIT = 5.0
"""Seconds that a check may take."""

_logger = logging.getLogger(__name__)


def payload(event: DeliveryWebhook | None) -> str | None:
    """Return the notification of an event; None without one, or if it is too long for PostgreSQL.

    A task that waits for its delivery finds out by polling then.
    """
    if event is None:
        return None
    data = event.data
    text = to_json(DeliveryWebhookData(delivery_id=data.delivery_id, status=data.status, timestamp=data.timestamp))
    return text.decode() if len(text) <= LONGEST_PAYLOAD else None


async def follow(
    url: str,
    announce: Callable[[DeliveryWebhookData], None],
    events: NewEvents,
    nothing_missed: Callable[[], AbstractContextManager[None]],
) -> None:
    """Announce every event that is stored, until cancelled; connect again whenever the connection is lost.

    It is in the context ``nothing_missed`` while every event is sure to be announced.
    """

    def notified(_connection: object, _process: int, _channel: str, payload: str) -> None:
        try:
            data = from_json(DeliveryWebhookData, payload)
        except InvalidRequestError as error:
            _logger.warning("a notification on the channel %s is none of ours: %s", CHANNEL, error)
        else:
            announce(data)

    while True:
        try:
            await _listen(url, notified, events, nothing_missed)
        except _PooledError:
            _logger.warning("a connection pooler hides notifications of PostgreSQL; looking for new events instead")
            await events.poll()
        except Exception:
            _logger.exception("PostgreSQL cannot be listened to; trying again in %g s", RECONNECTION)
        else:
            _logger.warning("the connection to PostgreSQL was lost; listening again in %g s", RECONNECTION)
        await asyncio.sleep(RECONNECTION)


class _PooledError(Exception):
    """A pooler stands between us and PostgreSQL, and may give each transaction another connection."""


async def _listen(
    url: str,
    notified: Callable[[object, int, str, str], None],
    events: NewEvents,
    nothing_missed: Callable[[], AbstractContextManager[None]],
) -> None:
    """Listen until the connection is lost, or silent."""
    lost = asyncio.Event()

    def end(_connection: object) -> None:
        lost.set()

    connection = await connect(url)
    try:
        if await _is_pooled(connection):
            raise _PooledError
        connection.add_termination_listener(end)
        await connection.add_listener(CHANNEL, notified)
        # Also what was stored while nobody listened.
        await events.look()
        with nothing_missed():
            while not await _is_set_within(CHECK, lost):
                await connection.fetchval("SELECT 1", timeout=CHECK_LIMIT)
                await events.look()
    finally:
        connection.terminate()


async def _is_set_within(seconds: float, event: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


async def _is_pooled(connection: AsyncpgConnection) -> bool:
    # A pooler makes up the process id that it gives its clients at the start.
    return bool(await connection.fetchval("SELECT pg_backend_pid()") != connection.get_server_pid())

"""Tells the processes that share a PostgreSQL database of each event that one of them stores."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kaspi_delivery_async._database.postgresql import connect
from kaspi_delivery_async.errors import InvalidRequestError
from kaspi_delivery_async.models import DeliveryWebhookData, from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from kaspi_delivery_async.models import DeliveryWebhook

CHANNEL = "kaspi_delivery_events"

LONGEST_PAYLOAD = 7999
"""Bytes that PostgreSQL takes."""

RECONNECTION = 5.0
"""Seconds between attempts to listen again."""

_logger = logging.getLogger(__name__)


def payload(event: DeliveryWebhook | None) -> str | None:
    """Write down what listeners are told of an event; None if there is nothing to tell.

    Nor if it is too long for PostgreSQL: who waits for its delivery finds out by polling then.
    """
    if event is None:
        return None
    data = event.data
    text = to_json(DeliveryWebhookData(delivery_id=data.delivery_id, status=data.status, timestamp=data.timestamp))
    return text.decode() if len(text) <= LONGEST_PAYLOAD else None


async def follow(dsn: str, announce: Callable[[DeliveryWebhookData], None]) -> None:
    """Announce every event that is stored, until cancelled; connect again whenever the connection is lost."""

    def hear(_connection: object, _process: int, _channel: str, payload: str) -> None:
        try:
            data = from_json(DeliveryWebhookData, payload)
        except InvalidRequestError as error:
            _logger.warning("a notification on the channel %s is none of ours: %s", CHANNEL, error)
        else:
            announce(data)

    while True:
        try:
            await _listen(dsn, hear)
        except Exception:
            _logger.exception("PostgreSQL cannot be listened to; trying again in %g s", RECONNECTION)
        else:
            _logger.warning("the connection to PostgreSQL was lost; listening again in %g s", RECONNECTION)
        await asyncio.sleep(RECONNECTION)


async def _listen(dsn: str, hear: Callable[[object, int, str, str], None]) -> None:
    """Listen until the connection is lost."""
    lost = asyncio.Event()

    def end(_connection: object) -> None:
        lost.set()

    connection = await connect(dsn)
    try:
        connection.add_termination_listener(end)
        await connection.add_listener(CHANNEL, hear)
        await lost.wait()
    finally:
        connection.terminate()

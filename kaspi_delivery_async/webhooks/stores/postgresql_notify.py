"""LISTEN/NOTIFY: announces the events that other processes store in the same PostgreSQL database."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kaspi_delivery_async._database.listening import PooledError, listen
from kaspi_delivery_async.errors import InvalidRequestError
from kaspi_delivery_async.models import DeliveryWebhookData, from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from kaspi_delivery_async.models import DeliveryWebhook
    from kaspi_delivery_async.webhooks.stores.new_events import NewEvents

CHANNEL = "kaspi_delivery_events"

LONGEST_PAYLOAD = 7999
"""Bytes that PostgreSQL accepts."""

RECONNECTION = 5.0
"""Seconds between attempts to listen again."""

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
            await listen(url, CHANNEL, notified, look=events.look, while_listening=nothing_missed)
        except PooledError:
            _logger.warning("a connection pooler hides notifications of PostgreSQL; looking for new events instead")
            await events.poll()
        except Exception:
            _logger.exception("PostgreSQL cannot be listened to; trying again in %g s", RECONNECTION)
        else:
            _logger.warning("the connection to PostgreSQL was lost; listening again in %g s", RECONNECTION)
        await asyncio.sleep(RECONNECTION)

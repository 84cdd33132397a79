"""LISTEN on a channel of PostgreSQL, for as long as its connection lasts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kaspi_delivery_async._database.postgresql import connect

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager

    from kaspi_delivery_async._database.postgresql import AsyncpgConnection

CHECK = 10.0
"""Seconds between checks that the connection still responds."""

CHECK_LIMIT = 5.0
"""Seconds that a check may take."""


class PooledError(Exception):
    """A pooler stands between us and PostgreSQL, and may give each transaction another connection."""


async def listen(
    url: str,
    channel: str,
    notified: Callable[[object, int, str, str], None],
    *,
    look: Callable[[], Awaitable[object]],
    while_listening: Callable[[], AbstractContextManager[None]],
) -> None:
    """Listen until the connection is lost, or silent; raises `PooledError` where that cannot work.

    Args:
        url: The database.
        channel: The channel.
        notified: Called with each notification: connection, process, channel, payload.
        look: Called when listening has begun, for what came while nobody listened, and at each check.
        while_listening: Context in which every notification is sure to come.

    """
    lost = asyncio.Event()

    def end(_connection: object) -> None:
        lost.set()

    connection = await connect(url)
    try:
        if await _is_pooled(connection):
            raise PooledError
        connection.add_termination_listener(end)
        await connection.add_listener(channel, notified)
        await look()
        with while_listening():
            while not await _is_set_within(CHECK, lost):
                await connection.fetchval("SELECT 1", timeout=CHECK_LIMIT)
                await look()
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

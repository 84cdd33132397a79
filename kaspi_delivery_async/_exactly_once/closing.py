"""Endings that have to be reached, however often the caller is cancelled meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


async def finished(task: asyncio.Task[None], *, on_cancelled: Callable[[], object]) -> None:
    """Wait for a task that has to end, however often the waiting is cancelled; only then let a cancellation through."""
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancellation = error
            on_cancelled()
    if cancellation is not None:
        if not task.cancelled():
            task.exception()  # it counts as seen
        raise cancellation
    await task

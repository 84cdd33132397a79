"""One resource per event loop, opened when it is first needed and closed together with its loop."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from kaspi_delivery_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

T = TypeVar("T")


@attrs.define(eq=False)
class _Slot(Generic[T]):
    """One event loop's resource."""

    opening: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    lifetime: AsyncGenerator[T, None] | None = None
    resource: T | None = None


class PerLoop(Generic[T]):
    """Keeps a resource that belongs to an event loop, for an object that outlives its loops."""

    def __init__(
        self, opened: Callable[[], Awaitable[T]], close: Callable[[T], Awaitable[None]], abandon: Callable[[T], None]
    ) -> None:
        """Set up; nothing is opened yet.

        Args:
            opened: Opens a resource.
            close: Closes it, on its loop.
            abandon: Lets go of one whose loop was closed first.

        """
        self._open = opened
        self._close = close
        self._abandon = abandon
        self._slots: dict[asyncio.AbstractEventLoop, _Slot[T]] = {}
        self._process = os.getpid()

    async def get(self) -> T:
        """Return the running loop's resource; raises `ConfigurationError` in a fork of a process that had one."""
        loop = asyncio.get_running_loop()
        while True:
            slot = self._slots.get(loop)
            if slot is None or self._process != os.getpid():
                slot = self._new_slot()
            if slot.resource is not None:
                return slot.resource
            async with slot.opening:
                # Otherwise it was opened meanwhile, or opened and closed.
                if slot.resource is None and self._slots.get(loop) is slot:
                    slot.lifetime = self._live(slot)
                    return await anext(slot.lifetime)

    async def close(self, only: T | None = None) -> None:
        """Close the running loop's resource, if there is one; with ``only``, if it is that one."""
        slot = self._slots.get(asyncio.get_running_loop())
        if slot is None or self._process != os.getpid():
            return
        async with slot.opening:
            if slot.lifetime is not None and (only is None or slot.resource is only):
                await slot.lifetime.aclose()

    def _new_slot(self) -> _Slot[T]:
        if self._process != os.getpid():
            if self._slots:
                raise ConfigurationError(
                    "this process was forked from one that had the database open, and cannot use its connection; "
                    "open it after the fork, or close it before"
                )
            self._process = os.getpid()
        for loop in [loop for loop in self._slots if loop.is_closed()]:
            slot = self._slots.pop(loop)
            if slot.resource is not None:
                self._abandon(slot.resource)
        return self._slots.setdefault(asyncio.get_running_loop(), _Slot())

    async def _live(self, slot: _Slot[T]) -> AsyncGenerator[T, None]:
        """Hold a resource open.

        An event loop that ends, as `asyncio.run` ends it, first closes the asynchronous generators that it has seen.
        """
        resource = slot.resource = await self._open()
        try:
            yield resource
        finally:
            self._slots.pop(asyncio.get_running_loop(), None)
            await self._close(resource)

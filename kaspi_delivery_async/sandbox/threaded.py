"""A sandbox in a thread of its own, for tests of any kind: synchronous ones, and those on any event loop."""

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from kaspi_delivery_async.sandbox.clock import Clock
from kaspi_delivery_async.sandbox.sandbox import Sandbox
from kaspi_delivery_async.sandbox.state.records import DeliveryRecord

T = TypeVar("T")


class ThreadedSandbox(Sandbox):
    """A `Sandbox` that serves from its own thread; use it as ``with ThreadedSandbox() as sandbox:``.

    Its coroutines may be awaited on any asyncio event loop, and `run` carries one out without a
    loop. Time is real; ``clock.advance`` moves it ahead.
    """

    def __init__(self, **settings: Any) -> None:
        """Describe a sandbox; it takes what `Sandbox` takes, but for ``clock``."""
        self._home = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._home.run_forever, name="kaspi-sandbox", daemon=True)
        super().__init__(clock=_ReachableClock(self._home), **settings)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self.run(self.start())
        except BaseException:
            self._end_thread()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.run(self.stop())
        finally:
            self._end_thread()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Carry out a coroutine on the sandbox's event loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._home).result()

    async def advance(self, delivery_id: str, status: str, *, notes: str | None = None) -> DeliveryRecord:
        """Do as `Sandbox.advance`."""
        return await _at(self._home, super().advance(delivery_id, status, notes=notes))

    async def drain_webhooks(self) -> None:
        """Do as `Sandbox.drain_webhooks`."""
        await _at(self._home, super().drain_webhooks())

    async def reset(self) -> None:
        """Do as `Sandbox.reset`."""
        await _at(self._home, super().reset())

    def _end_thread(self) -> None:
        self._home.call_soon_threadsafe(self._home.stop)
        self._thread.join()
        self._home.close()


class _ReachableClock(Clock):
    def __init__(self, home: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._home = home

    async def advance(self, seconds: float) -> None:
        await _at(self._home, super().advance(seconds))


async def _at(home: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> T:
    if asyncio.get_running_loop() is home:
        return await coroutine
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, home))

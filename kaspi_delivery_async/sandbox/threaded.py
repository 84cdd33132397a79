"""A sandbox in a thread of its own, for tests of any kind: synchronous ones, and those on any event loop."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from kaspi_delivery_async.sandbox.clock import Clock
from kaspi_delivery_async.sandbox.sandbox import Sandbox
from kaspi_delivery_async.sandbox.state.records import DeliveryRecord

T = TypeVar("T")


class ThreadedSandbox(Sandbox):
    """A `Sandbox` that serves from its own thread; use it as ``with ThreadedSandbox() as sandbox:``.

    ``async with``, or `start` and `stop`, do the same. Its coroutines may be awaited on any asyncio event loop, and
    `run` carries one out without a loop.
    """

    def __init__(self, *, clock: Clock | None = None, **settings: Any) -> None:
        """Describe a sandbox; it takes what `Sandbox` takes."""
        self._home = _Home()
        super().__init__(clock=_ReachableClock(clock or Clock.real(), self._home), **settings)

    def __enter__(self) -> Self:
        self._home.begin()
        try:
            self.run(super().start())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Carry out a coroutine on the sandbox's event loop and wait for it.

        Raises:
            RuntimeError: The sandbox is not running.

        """
        return self._home.submit(coroutine).result()

    async def start(self) -> None:
        """Do as `Sandbox.start`, in a thread of its own."""
        self._home.begin()
        try:
            await self._home.carry_out(super().start())
        except BaseException:
            await asyncio.to_thread(self._stop)
            raise

    async def stop(self) -> None:
        """Do as `Sandbox.stop`, and end the thread."""
        await asyncio.to_thread(self._stop)

    def _stop(self) -> None:
        self._home.end(super().stop)

    async def advance(self, delivery_id: str, status: str, *, notes: str | None = None) -> DeliveryRecord:
        """Do as `Sandbox.advance`."""
        return await self._home.carry_out(super().advance(delivery_id, status, notes=notes))

    async def resend(self, event_id: str) -> None:
        """Do as `Sandbox.resend`."""
        await self._home.carry_out(super().resend(event_id))

    async def drain_webhooks(self) -> None:
        """Do as `Sandbox.drain_webhooks`."""
        await self._home.carry_out(super().drain_webhooks())

    async def reset(self) -> None:
        """Do as `Sandbox.reset`."""
        await self._home.carry_out(super().reset())


class _Home:
    """The thread of a sandbox, and its event loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ending = threading.Lock()

    def begin(self) -> None:
        if self._thread is not None:
            raise RuntimeError("a sandbox starts once: make a new one (state_file keeps the state)")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="kaspi-sandbox", daemon=True)
        self._thread.start()

    def end(self, stop: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Carry out ``stop``, then end the thread; the second of two callers waits for the first."""
        with self._ending:
            if self._loop is None or self._thread is None:
                return
            try:
                self.submit(stop()).result()
            finally:
                loop, self._loop = self._loop, None
                loop.call_soon_threadsafe(loop.stop)
                self._thread.join()
                loop.close()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> "asyncio.Future[T] | Any":
        if self._loop is None:
            coroutine.close()
            raise RuntimeError("the sandbox is not running: use `with ThreadedSandbox(...)`")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    async def carry_out(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Await a coroutine of the sandbox on whatever event loop is running."""
        if asyncio.get_running_loop() is self._loop:
            return await coroutine
        result: T = await asyncio.wrap_future(self.submit(coroutine))
        return result


class _ReachableClock(Clock):
    """A clock like another one, which any thread may advance."""

    def __init__(self, like: Clock, home: _Home) -> None:
        self.__dict__.update(like.__dict__)
        self._home = home

    async def advance(self, seconds: float) -> None:
        await self._home.carry_out(super().advance(seconds))

"""Ctrl-C and SIGTERM: end a command at once, or gently where it has work in flight."""

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")


class InterruptedBySignalError(Exception):
    """A signal ended the command."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number
        """As shells count signals."""


class StopEvent(asyncio.Event):
    """Set by the first signal."""

    number: int | None = None
    """The signal's number."""

    def raise_if_signalled(self) -> None:
        """Raise `InterruptedBySignalError` if a signal came."""
        if self.number is not None:
            raise InterruptedBySignalError(self.number)


@contextmanager
def stop_signals() -> Generator[StopEvent]:
    """Have the first Ctrl-C or SIGTERM set an event; each further one cancels the current task."""
    task = asyncio.current_task()
    stop = StopEvent()

    def handle(number: int) -> None:
        if stop.number is None:
            stop.number = number
            stop.set()
        elif task is not None:
            task.cancel()

    with _handling(handle):
        yield stop


def run_until_signalled(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` on an event loop until it ends.

    Ctrl-C and SIGTERM cancel it, and raise `InterruptedBySignalError` in the end.
    """

    async def run() -> T:
        task = asyncio.ensure_future(work)
        numbers: list[int] = []

        def handle(number: int) -> None:
            numbers.append(number)
            task.cancel()

        with _handling(handle):
            try:
                return await task
            except asyncio.CancelledError:
                if numbers:
                    raise InterruptedBySignalError(numbers[0]) from None
                raise

    return asyncio.run(run())


@contextmanager
def _handling(handle: Callable[[int], None]) -> Generator[None]:
    """Have ``handle`` called on the running event loop with the number of each signal."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread receives signals
        return
    loop = asyncio.get_running_loop()

    def relay(number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(handle, number)

    before = {number: signal.signal(number, relay) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

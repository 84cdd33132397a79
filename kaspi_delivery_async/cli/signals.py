"""Ctrl-C and SIGTERM: end a command at once, or gently where it has work in flight."""

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")


class InterruptedBySignalError(Exception):
    """A signal ended the command."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


class StopEvent(asyncio.Event):
    """Set by the first signal."""

    def __init__(self, *, is_gentle: bool) -> None:
        super().__init__()
        self.number: int | None = None
        """The signal's number."""
        self.is_gentle = is_gentle
        """Whether the first signal only sets the event. Otherwise, and from the second on, it cancels the task."""

    @property
    def exit_code(self) -> int | None:
        """The exit code of a command that a signal ended."""
        return None if self.number is None else 128 + self.number  # as shells count signals


@contextmanager
def stop_signals(*, is_gentle: bool = True) -> Generator[StopEvent]:
    """Have Ctrl-C and SIGTERM set an event or cancel the current task, for as long as the context lasts.

    A task that was cancelled leaves the context with `InterruptedBySignalError`.
    """
    task = asyncio.current_task()
    stop = StopEvent(is_gentle=is_gentle)

    def handle(number: int) -> None:
        is_first = stop.number is None
        stop.number = stop.number or number
        stop.set()
        if task is None or (stop.is_gentle and is_first):
            return
        task.cancel()
        if stop.is_gentle:  # cancelled only once, a bulk run lets its orders in flight end
            asyncio.get_running_loop().call_soon(task.cancel)

    with _handling(handle):
        try:
            yield stop
        except asyncio.CancelledError:
            if stop.exit_code is not None:
                raise InterruptedBySignalError(stop.exit_code) from None
            raise


def run_until_signalled(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` on an event loop; raises `InterruptedBySignalError` if Ctrl-C or SIGTERM cancels it."""

    async def run() -> T:
        with stop_signals(is_gentle=False):
            return await work

    return asyncio.run(run())


@contextmanager
def _handling(handle: Callable[[int], None]) -> Generator[None]:
    """Have ``handle`` called on the running event loop with the number of each signal."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread receives signals
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        _add_handler(loop, number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            with suppress(NotImplementedError):
                loop.remove_signal_handler(number)
            signal.signal(number, handler)


def _add_handler(loop: asyncio.AbstractEventLoop, number: int, handle: Callable[[int], None]) -> None:
    def relay(number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(handle, number)

    try:
        # It wakes the loop, whichever thread the signal reaches.
        loop.add_signal_handler(number, handle, number)
    except NotImplementedError:  # on Windows, where signals wake every loop
        signal.signal(number, relay)

"""Ends a command that runs until it is told to stop."""

import asyncio
import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress


@contextmanager
def stop_signals() -> Generator[asyncio.Event]:
    """Turn Ctrl-C and SIGTERM into an event for as long as the context lasts."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    with suppress(NotImplementedError):  # on Windows, where Ctrl-C cancels the task instead
        for number in signals:
            loop.add_signal_handler(number, stopped.set)
    try:
        yield stopped
    finally:
        with suppress(NotImplementedError):
            for number in signals:
                loop.remove_signal_handler(number)

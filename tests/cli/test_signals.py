"""Signals during a command: they reach the event loop whichever thread they come to, and on loops that take none."""

import asyncio
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from kaspi_delivery_async.cli.signals import stop_signals


async def test_a_signal_that_reaches_another_thread_wakes_an_idle_loop() -> None:
    with stop_signals() as stop, ThreadPoolExecutor() as threads:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # of this thread, so that another one gets it
        try:
            threads.submit(_unblock_and_kill)
            async with asyncio.timeout(5):
                await stop.wait()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    assert stop.exit_code == 128 + signal.SIGTERM


async def test_signals_come_on_a_loop_that_takes_no_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows."""

    def refuse(*_: Any) -> None:
        raise NotImplementedError

    before = signal.getsignal(signal.SIGTERM)
    for method in ("add_signal_handler", "remove_signal_handler"):
        monkeypatch.setattr(asyncio.get_running_loop(), method, refuse)
    with stop_signals() as stop:
        signal.raise_signal(signal.SIGTERM)
        await stop.wait()

    assert stop.exit_code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before


def _unblock_and_kill() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    time.sleep(0.1)  # the loop is idle by then
    os.kill(os.getpid(), signal.SIGTERM)

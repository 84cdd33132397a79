"""Event loops whose clock jumps over every wait, with real sockets."""

import asyncio
import selectors
from typing import Any

import looptime

PATIENCE = 40
"""Empty polls after which the kernel gets a moment; looptime makes 42 before it lets time jump."""

MOMENT = 0.002
"""Real seconds."""


class PatientSelector(selectors.DefaultSelector):
    """Waits for what is still on its way through the kernel, as on a busy machine, before virtual time jumps."""

    def __init__(self) -> None:
        super().__init__()
        self._empty = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[Any] = super().select(timeout)
        self._empty = 0 if ready or timeout != 0 else self._empty + 1
        if self._empty == PATIENCE:
            ready = super().select(MOMENT)
        return ready


class UnhurriedLoop(asyncio.SelectorEventLoop):
    """Waits for the threads of its executor without a limit, which virtual time would reach before any thread ends."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        await super().shutdown_default_executor()


def new_event_loop(*, start: float = 0.0) -> asyncio.AbstractEventLoop:
    """Return a loop on virtual time."""
    return looptime.patch_event_loop(UnhurriedLoop(PatientSelector()), start=start)

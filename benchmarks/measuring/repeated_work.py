"""Repeats one piece of work, so that its instructions can be counted.

``python -m benchmarks.measuring.repeated_work KIND WHOSE TIMES``
"""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import TYPE_CHECKING

from benchmarks.contestants.clients import CONTESTANTS
from benchmarks.scenarios import codec
from benchmarks.servers.memory_loop import BASE_URL, MemoryLoop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

WARM_UP = 200


async def repeat_call(operation: str, contestant: str, times: int) -> None:
    """Make a contestant's calls, one after another."""
    async with CONTESTANTS[contestant](BASE_URL) as calls:
        call: Callable[[], Awaitable[object]] = getattr(calls, operation)
        for _ in range(WARM_UP):
            await call()
        _freeze_garbage()
        for _ in range(times):
            await call()


def repeat(work: Callable[[], object], times: int) -> None:
    """Call a function."""
    for _ in range(WARM_UP):
        work()
    _freeze_garbage()
    for _ in range(times):
        work()


def _freeze_garbage() -> None:
    """Hide what start-up made from the garbage collector; what the work itself leaves behind is still collected."""
    gc.collect()
    gc.freeze()


def main() -> None:
    """Do what the command line says."""
    kind, whose, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
    match kind:
        case "decode":
            repeat(codec.decoders()[whose], times)
        case "encode":
            repeat(codec.encoders()[whose], times)
        case _:
            with asyncio.Runner(loop_factory=MemoryLoop) as runner:
                runner.run(repeat_call(kind, whose, times))


if __name__ == "__main__":
    main()

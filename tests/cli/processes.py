"""The command line as a process of its own."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

COMMAND = (sys.executable, "-W", "error", "-m", "kaspi_delivery_async.cli")
"""`kaspi-delivery` such that every warning, that of a leaked socket too, shows on stderr."""


@asynccontextmanager
async def started(*arguments: str) -> AsyncGenerator[Process]:
    """Start a command; what remains of it in the end is killed."""
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, *arguments),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def first_line(process: Process) -> bytes:
    """Wait for the process to begin its output."""
    assert process.stdout is not None
    return await process.stdout.readline()

"""The command line as a process of its own."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import IO

import pytest

COMMAND = (sys.executable, "-W", "error", "-m", "kaspi_delivery_async.cli")
"""`kaspi-delivery` such that every warning, that of a leaked socket too, shows on stderr."""


FULL = Path("/dev/full")
NO_SPACE = "standard output cannot be written: No space left on device"

needs_full_device = pytest.mark.skipif(not FULL.exists(), reason="only Linux has a device that is always full")


def unmeasured() -> dict[str, str]:
    """Return the environment without what makes a process write its coverage at its end."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


@asynccontextmanager
async def started(*arguments: str, env: dict[str, str] | None = None) -> AsyncGenerator[Process]:
    """Start a command; what remains of it in the end is killed."""
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, *arguments),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        env=env,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def run_into(output: IO[bytes] | int, *arguments: str, buffered: bool = True) -> tuple[int | None, str]:
    """Run a command whose stdout is ``output``; return its exit code and what it says on stderr."""
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, *arguments),
        stdin=DEVNULL,
        stdout=output,
        stderr=PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "" if buffered else "1"},
    )
    _, err = await process.communicate()
    return process.returncode, err.decode()


@contextmanager
def unread_pipe() -> Generator[int]:
    """Give the writing end of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        yield writing
    finally:
        os.close(writing)


def full_pipe() -> tuple[int, int]:
    """Return both ends of a pipe that takes no more until it is read."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, bytes(4096))
    os.set_blocking(writing, True)
    return reading, writing


async def first_line(process: Process) -> bytes:
    """Wait for the process to begin its output."""
    assert process.stdout is not None
    return await process.stdout.readline()

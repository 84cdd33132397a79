"""A program of ``examples/services`` as a process: started with every warning an error, stopped by a signal."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from kaspi_delivery_async.sandbox import Sandbox

SERVICES = Path(__file__).parents[2] / "examples" / "services"
START_SECONDS = 60.0

ALWAYS_TOLERATED = ("Executing <", "Enable tracemalloc")
"""What asyncio's debug mode reports on a busy machine; the second line of warnings that are tolerated themselves."""


def free_port() -> int:
    """Find a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


class Service:
    """A running program and what it has written."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path, tolerated: Sequence[str]) -> None:
        self._process = process
        self._log = log
        self._tolerated = (*ALWAYS_TOLERATED, *tolerated)

    @property
    def output(self) -> str:
        return self._log.read_text(encoding="utf-8")

    async def wait_for_output(self, text: str, *, times: int = 1) -> None:
        """Wait until it has written this text; fail if it ends before."""
        async with asyncio.timeout(START_SECONDS):
            while self.output.count(text) < times:
                assert self._process.returncode is None, self.output
                await asyncio.sleep(0.05)

    async def wait_until_it_listens(self, port: int) -> None:
        """Wait until it accepts connections."""
        async with asyncio.timeout(START_SECONDS):
            while True:
                assert self._process.returncode is None, self.output
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionRefusedError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    return

    @property
    def complaints(self) -> list[str]:
        """The lines that report a warning or an error."""
        signs = ("Traceback", "Warning", "WARNING", "ERROR", "never retrieved", "never awaited", "Unclosed")
        return [
            line
            for line in self.output.splitlines()
            if any(sign in line for sign in signs) and not any(text in line for text in self._tolerated)
        ]

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code, negative for a signal that ended it."""
        self._process.send_signal(number)
        async with asyncio.timeout(START_SECONDS):
            return await self._process.wait()


@asynccontextmanager
async def running(
    sandbox: Sandbox, directory: Path, module: str, *arguments: str, tolerated: Sequence[str] = (), **environ: str
) -> AsyncGenerator[Service]:
    """Run ``python -m module`` where the examples are, as a customer of ``sandbox``; kill what is left in the end.

    Every warning is an error, except those whose message begins with one of ``tolerated``: libraries' own.
    """
    log = directory / f"{module}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-X", "dev", "-W", "error", *(f"-Wdefault:{warning}" for warning in tolerated)),
            *("-m", module, *arguments),
            cwd=directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={
                **os.environ,
                "PYTHONPATH": str(SERVICES),
                "KASPI_API_KEY": sandbox.api_key,
                "KASPI_BASE_URL": sandbox.base_url,
                "KASPI_WEBHOOK_SECRET": sandbox.webhook_secret,
                "KASPI_STORE": str(directory / "events.sqlite"),
                **environ,
            },
        )
    try:
        yield Service(process, log, tolerated)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

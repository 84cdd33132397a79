"""A Dask scheduler and workers as processes of their own, which can be killed, stopped and retired."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self


class DaskCluster:
    """A scheduler on a loopback port; `add` starts a worker."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        self.workers: list[Process] = []
        self._directory = directory
        self._environment = {**os.environ, **environment}

    async def __aenter__(self) -> Self:
        port = self.address.rpartition(":")[2]
        self.scheduler = await self._start(
            "dask_scheduler", "--host", "127.0.0.1", "--port", port, "--dashboard-address", "127.0.0.1:0"
        )
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", int(port))
                writer.close()
                return self
            await asyncio.sleep(0.05)

    async def __aexit__(self, *_: object) -> None:
        for process in (*self.workers, self.scheduler):
            if process.returncode is None:
                process.kill()
        for process in (*self.workers, self.scheduler):
            await process.wait()

    async def add(self, **environment: str) -> Process:
        """Start a worker; it joins when it has come up."""
        arguments = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(self._directory))
        worker = await self._start("dask_worker", self.address, *arguments, **environment)
        self.workers.append(worker)
        return worker

    @property
    def alive(self) -> list[Process]:
        """The workers that have not ended."""
        return [worker for worker in self.workers if worker.returncode is None]

    async def _start(self, program: str, *arguments: str, **environment: str) -> Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"distributed.cli.{program}", *arguments),
            cwd=self._directory,
            env={**self._environment, **environment},
            stdout=DEVNULL,
            stderr=DEVNULL,
        )


async def torment(cluster: DaskCluster, executor: Any, draw: Any, *, stop_for: float) -> None:
    """Kill, stop, continue, add and retire workers at random, for ever; there are at most four, and one is left."""
    async with AsyncExitStack() as stopped:
        while True:
            await asyncio.sleep(draw.uniform(0.2, 2))
            alive = cluster.alive
            action = draw.choice(["kill", "stop", "add", "retire", "add"])
            if action == "add" or executor.workers < 2:  # workers take seconds to come up
                if len(alive) < 4:
                    await cluster.add()
                continue
            worker = draw.choice(alive)
            if action == "kill":
                worker.kill()
            elif action == "stop":
                worker.send_signal(signal.SIGSTOP)
                resume = asyncio.create_task(_continue_after(worker, draw.uniform(0.5, stop_for)))
                stopped.callback(resume.cancel)
            else:
                with suppress(Exception):  # it may be stopped, or gone
                    async with asyncio.timeout(2):
                        await executor._client.retire_workers(n=1)


async def _continue_after(worker: Process, seconds: float) -> None:
    await asyncio.sleep(seconds)
    with suppress(ProcessLookupError):
        worker.send_signal(signal.SIGCONT)


@asynccontextmanager
async def in_background(work: Any) -> AsyncGenerator[None]:
    """Run something beside the body."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

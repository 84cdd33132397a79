"""Processes that receive and handle webhook events, to be killed by `tests.support.inbox_chaos`."""

import asyncio
import contextlib
import logging
import multiprocessing
import os
import random
import time
from collections.abc import Iterable
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

import attrs

from kaspi_delivery_async import DeliveryWebhook, RetryPolicy
from kaspi_delivery_async._database import postgresql
from kaspi_delivery_async.webhooks import WebhookInbox, WebhookVerifier, worker
from kaspi_delivery_async.webhooks.receivers.loopback import serve_on_loopback
from tests.support.faulty_proxy import FaultyProxy
from tests.support.webhook_messages import SECRET

# What lasts seconds in a service lasts a fraction of that here.
LEASE = 3.0
CONSTANTS: tuple[tuple[Any, str, float], ...] = (
    (worker, "LEASE", LEASE),
    (worker, "RENEWAL", LEASE / 6),
    (worker, "CLEAN_UP", LEASE / 4),
    (worker, "POLL", 0.1),
    (postgresql, "CHECK_LIMIT", 1.0),
    (postgresql, "TRANSACTION_LIMIT", 2.0),
)
ATTEMPTS = RetryPolicy(max_attempts=6, base=0.05, cap=0.2)


_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__])


@attrs.define
class Handler:
    """Takes its time, or raises; writes down when it begins (+) and ends (-, or = after it succeeded)."""

    log: int
    draw: random.Random

    async def __call__(self, event: DeliveryWebhook) -> None:
        kind = event.event_id.partition("_")[0]
        self._write("+", event)
        sign = "-"
        try:
            await asyncio.sleep(LEASE * 1.2 if kind == "slow" else self.draw.random() * 0.1)
            if kind == "bad" or self.draw.random() < 0.1:
                raise ValueError("no courier")
            sign = "="
        finally:
            self._write(sign, event)

    def _write(self, sign: str, event: DeliveryWebhook) -> None:
        os.write(self.log, f"{sign} {time.monotonic():.6f} {event.event_id}\n".encode())


def _serve_in_process(store: str, seed: int, ahead: Any, output: Connection, log_file: str) -> None:
    """Receive on a port, which is sent first; write down what is handled, all into ``output``.

    ``ahead.value`` is the number of seconds by which this process's clock is ahead.
    """
    logging.basicConfig(filename=log_file, format="%(asctime)s %(process)d %(message)s")
    logging.raiseExceptions = False  # the disk is full at times
    for module, name, value in CONSTANTS:
        setattr(module, name, value)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(store, random.Random(seed), ahead, output.fileno()))


async def _serve(store: str, draw: random.Random, ahead: Any, log: int) -> None:
    def clock() -> float:
        return time.time() + float(ahead.value)

    inbox = WebhookInbox(
        WebhookVerifier([SECRET], clock=clock),
        store=store,
        handler=Handler(log, draw),
        retry=ATTEMPTS,
        clock=clock,
        draw=draw.random,
    )
    async with serve_on_loopback(inbox.aiohttp) as url, inbox:
        os.write(log, f"port {url.rpartition(':')[2].strip('/')}\n".encode())
        parent = os.getppid()
        while os.getppid() == parent:  # it goes when the run is killed
            await asyncio.sleep(1.0)


@attrs.define
class Handling:
    """The runs of the handler, read from what the processes wrote."""

    spans: dict[str, list[tuple[float, float]]] = attrs.field(factory=dict)
    succeeded: set[str] = attrs.field(factory=set)

    def add(self, lines: Iterable[str], ended_at: float) -> None:
        """Add what a process wrote before it ended; a run that has no end ended with it."""
        running: dict[str, float] = {}
        for line in lines:
            sign, time_of_it, event_id = line.split()
            at = float(time_of_it)
            if sign == "+":
                assert event_id not in running, f"{event_id} was handled twice at a time by one process"
                running[event_id] = at
            else:
                self.spans.setdefault(event_id, []).append((running.pop(event_id), at))
            if sign == "=":
                self.succeeded.add(event_id)
        for event_id, at in running.items():
            self.spans.setdefault(event_id, []).append((at, ended_at))

    @property
    def overlaps(self) -> list[str]:
        """The events that were handled twice at a time."""
        found: list[str] = []
        for event_id, spans in self.spans.items():
            spans.sort()
            found += [event_id for (_, end), (begin, _) in pairwise(spans) if begin < end]
        return found


class Receiver:
    """One of the processes, behind a proxy that outlives it."""

    def __init__(self, store: str, *, seed: int, log_file: Path, handling: Handling) -> None:
        self.http = FaultyProxy()
        self.ahead: Any = _processes.Value("d", 0.0)
        self.pid = 0
        self._store = store
        self._seed = seed
        self._log_file = log_file
        self._handling = handling

    async def __aenter__(self) -> Self:
        await self.http.__aenter__()
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.kill()
        await self.http.__aexit__(*exception)

    async def start(self) -> None:
        self._seed += 1
        read, write = _processes.Pipe(duplex=False)
        arguments = (self._store, self._seed, self.ahead, write, str(self._log_file))
        self._process = _processes.Process(target=_serve_in_process, args=arguments, daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid
        write.close()
        output = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(output), read)
        first = await output.readline()
        self._output = asyncio.create_task(output.read())
        self.http.target_port = int(first.split()[1])

    async def kill(self) -> None:
        self.http.target_port = 0
        self._process.kill()
        await asyncio.to_thread(self._process.join)
        ended_at = time.monotonic()
        self._handling.add((await self._output).decode().splitlines(), ended_at)
        self._process.close()

"""A process that receives and handles webhook events, to be killed: started by `tests.support.inbox_chaos`."""

import asyncio
import contextlib
import logging
import os
import random
import time
from multiprocessing.connection import Connection
from typing import Any

import attrs

from kaspi_delivery_async import DeliveryWebhook, RetryPolicy
from kaspi_delivery_async._database import postgresql
from kaspi_delivery_async.webhooks import WebhookInbox, WebhookVerifier, worker
from kaspi_delivery_async.webhooks.receivers.loopback import serve_on_loopback
from tests.support.webhook_messages import SECRET

# What lasts seconds in a service lasts a fraction of that here.
LEASE = 3.0
CONSTANTS: tuple[tuple[Any, str, float], ...] = (
    (worker, "LEASE", LEASE),
    (worker, "RENEWAL", LEASE / 6),
    (worker, "CLEAN_UP", LEASE / 4),
    (worker, "POLL", 0.1),
    (postgresql, "CHECK_LIMIT", 0.5),
    (postgresql, "TRANSACTION_LIMIT", 1.0),
)
ATTEMPTS = RetryPolicy(max_attempts=6, base=0.05, cap=0.2)


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


def serve(store: str, seed: int, ahead: Any, output: Connection, log_file: str) -> None:
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
        return time.time() + ahead.value

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

"""Response time of a webhook receiver whose handlers are slow: ``python -m benchmarks.scenarios.webhook_receiver``.

A real aiohttp server on loopback, in a process of its own, stores events in SQLite (or at ``--store``)
and hands them to a handler that sleeps 10 s. Events are sent at a steady rate, each at its own time
whether or not earlier ones got a response, so that a slow response is not hidden by a sender that waits.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from kaspi_delivery_async.webhooks import WebhookInbox, WebhookVerifier, sign

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from kaspi_delivery_async import DeliveryWebhook

SECRET = "benchmark"


async def handle(_event: DeliveryWebhook) -> None:
    await asyncio.sleep(10)


async def serve(store: str, port: Connection) -> None:
    inbox = WebhookInbox(WebhookVerifier([SECRET]), store=store, handler=handle)
    app = web.Application()
    app.router.add_post("/webhooks", inbox.aiohttp)
    app.cleanup_ctx.append(inbox.cleanup_ctx)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port.send(runner.addresses[0][1])
    await asyncio.Event().wait()


def serve_in_process(store: str, port: Connection) -> None:
    asyncio.run(serve(store, port))


async def send(session: aiohttp.ClientSession, url: str, number: int) -> float:
    data = {"deliveryId": f"dlv_{number}", "externalOrderId": f"order-{number}", "status": "delivered"}
    event = {"eventId": f"wh_{number}", "type": "delivery.delivered", "attempt": 1, "data": data}
    body = json.dumps(event).encode()
    now = int(time.time())
    headers = {
        "Content-Type": "application/json",
        "X-Kaspi-Timestamp": str(now),
        "X-Kaspi-Signature": sign(SECRET, now, body),
    }
    began = time.perf_counter()
    async with session.post(url, data=body, headers=headers) as response:
        response.raise_for_status()
        await response.read()
    return time.perf_counter() - began


async def measure(url: str, *, rate: float, seconds: float) -> list[float]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        loop = asyncio.get_running_loop()
        began = loop.time()
        sending: list[asyncio.Task[float]] = []
        for number in range(int(rate * seconds)):
            await asyncio.sleep(began + number / rate - loop.time())
            sending.append(asyncio.create_task(send(session, url, number)))
        return list(await asyncio.gather(*sending))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=200.0, help="events per second")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to send")
    parser.add_argument("--store", help="an SQLite path or PostgreSQL URL; a temporary SQLite file if not given")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        store = arguments.store or str(Path(directory) / "events.sqlite")
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        server = context.Process(target=serve_in_process, args=(store, theirs))
        server.start()
        try:
            url = f"http://127.0.0.1:{ours.recv()}/webhooks"
            durations = asyncio.run(measure(url, rate=arguments.rate, seconds=arguments.seconds))
        finally:
            server.kill()
            server.join()
    cuts = statistics.quantiles(durations, n=1000)
    print(
        f"{len(durations)} events at {arguments.rate:g}/s: response in"
        f" {cuts[499] * 1000:.1f} ms (median), {cuts[989] * 1000:.1f} ms (p99),"
        f" {max(durations) * 1000:.1f} ms (longest)"
    )


if __name__ == "__main__":
    main()

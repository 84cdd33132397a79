"""Response time of a webhook receiver whose handlers are slow: ``python -m benchmarks.scenarios.webhook_receiver``.

A real aiohttp server on loopback, in a process of its own, stores events in SQLite (with ``--server`` also in
PostgreSQL) and hands them to a handler that sleeps 10 s. Events are sent at a steady rate, each at its own time
whether or not earlier ones got a response, so that a slow response is not hidden by a sender that waits.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from aiohttp import web

from kaspi_delivery_async.webhooks import WebhookInbox, WebhookVerifier, sign

if TYPE_CHECKING:
    from collections.abc import Generator

    from kaspi_delivery_async import DeliveryWebhook

SECRET = "benchmark"


async def handle(_event: DeliveryWebhook) -> None:
    await asyncio.sleep(10)


async def serve(store: str) -> None:
    inbox = WebhookInbox(WebhookVerifier([SECRET]), store=store, handler=handle)
    app = web.Application()
    app.router.add_post("/webhooks", inbox.aiohttp)
    app.cleanup_ctx.append(inbox.cleanup_ctx)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


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


@contextmanager
def served(store: str, tree: Path) -> Generator[str]:
    """Serve with the package of a tree, in a process of its own; return the URL."""
    command = [sys.executable, __file__, "--serve", "--store", store]
    environ = os.environ | {"PYTHONPATH": str(tree)}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}/webhooks"
        finally:
            server.kill()


@contextmanager
def new_store(server: str | None) -> Generator[str]:
    """Return the location of an empty store: a database of a PostgreSQL server, or an SQLite file."""
    if server is None:
        with tempfile.TemporaryDirectory() as directory:
            yield str(Path(directory) / "events.sqlite")
        return
    name = f"benchmark_{uuid.uuid4().hex}"
    asyncio.run(execute(server, f"CREATE DATABASE {name}"))
    yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    asyncio.run(execute(server, f"DROP DATABASE {name} WITH (FORCE)"))


async def execute(url: str, statement: str) -> None:
    import asyncpg  # type: ignore[import-untyped]

    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


def report(name: str, durations: list[float]) -> None:
    cuts = statistics.quantiles(durations, n=1000)
    print(
        f"{name}: {len(durations)} events: response in {cuts[499] * 1000:.1f} ms (median),"
        f" {cuts[989] * 1000:.1f} ms (p99), {max(durations) * 1000:.1f} ms (longest)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=200.0, help="events per second")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long a round sends")
    parser.add_argument("--rounds", type=int, default=3, help="how often each sends")
    parser.add_argument("--server", help="the URL of a PostgreSQL server, to store there too")
    parser.add_argument("--beside", type=Path, help="another tree of this repository, to take turns with")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--store", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve(arguments.store))
    trees = {"this tree": Path(__file__).parents[2]} | ({"beside it": arguments.beside} if arguments.beside else {})
    servers = {"SQLite": None} | ({"PostgreSQL": arguments.server} if arguments.server else {})
    durations: dict[str, list[float]] = {}
    for _ in range(arguments.rounds):
        for database, server in servers.items():
            for name, tree in trees.items():
                with new_store(server) as store, served(store, tree) as url:
                    measured = asyncio.run(measure(url, rate=arguments.rate, seconds=arguments.seconds))
                durations.setdefault(f"{database}, {name}", []).extend(measured)
    for name, measured in durations.items():
        report(name, measured)


if __name__ == "__main__":
    main()

"""Thousands of orders at once: what a journal costs, and how much of an allowed rate is used."""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from benchmarks.contestants.samples import ORDER
from benchmarks.measuring.cores import for_servers
from benchmarks.measuring.rounds import Table, tabulate
from benchmarks.scenarios import bulk_journal
from kaspi_delivery_async import DeliveryClient, Limits
from kaspi_delivery_async.bulk import Journal, create_deliveries
from kaspi_delivery_async.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

RATE = 100.0
BURST = RATE
"""Creates that the server takes at once."""

LIMITED_COLUMNS = ("share of the rate used", "the same, first burst left out", "share of 429")


def journal_table(*, rounds: int, orders: int) -> Table:
    """Create the orders of a CSV file without and with a journal."""
    with _counting_server() as base_url, tempfile.TemporaryDirectory() as directory:
        source = bulk_journal.write(Path(directory, "orders.csv"), orders)
        journals = (Path(directory, f"{number}.sqlite") for number in range(10_000))

        def rate(way: Callable[[str, Path, Path], Awaitable[None]]) -> tuple[float]:
            async def run() -> None:
                await way(base_url, source, next(journals))

            began = time.perf_counter()
            asyncio.run(run())
            return (orders / (time.perf_counter() - began),)

        return tabulate(
            f"bulk, {orders:,} orders from a CSV file, {bulk_journal.CONCURRENCY} at once",
            ("orders/s",),
            {
                "plain calls": lambda: rate(bulk_journal.plain),
                "create_deliveries, SQLite journal": lambda: rate(bulk_journal.journaled),
            },
            rounds=rounds,
        )


async def _limited(directory: str, orders: int, limits: Limits) -> tuple[float, ...]:
    fault = f"create:rate-limit:rate={RATE:g}:burst={BURST:g}"
    async with (
        Sandbox(faults=[fault]) as sandbox,
        DeliveryClient(sandbox.api_key, base_url=sandbox.base_url, limits=limits) as client,
        Journal(Path(directory, "limited.sqlite")) as journal,
    ):
        requests = [attrs.evolve(ORDER, external_order_id=f"order-{number}") for number in range(orders)]
        began = time.perf_counter()
        async for _ in create_deliveries(client, requests, journal=journal):
            pass
        took = time.perf_counter() - began
        return orders / took / RATE, (orders - BURST) / took / RATE, 1 - orders / sandbox.requests.total


def rate_limited_table(*, rounds: int, orders: int) -> Table:
    """Create against a server that takes so many a second, by clients that know the rate and that find out."""

    def measure(limits: Limits) -> tuple[float, ...]:
        with tempfile.TemporaryDirectory() as directory:
            return asyncio.run(_limited(directory, orders, limits))

    return tabulate(
        f"bulk, {orders:,} orders, {RATE:g} creates/s allowed",
        LIMITED_COLUMNS,
        {
            "Limits(rate=None), the default": lambda: measure(Limits()),
            f"Limits(rate={RATE:g})": lambda: measure(Limits(rate=RATE)),
        },
        rounds=rounds,
    )


@contextmanager
def _counting_server() -> Iterator[str]:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=bulk_journal.serve_in_process, args=(theirs,))
    with for_servers():
        server.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        server.kill()
        server.join()

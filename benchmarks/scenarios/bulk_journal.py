"""Cost of the journal of a bulk run, in time and memory: ``python -m benchmarks.scenarios.bulk_journal``.

The server, in a process of its own, only counts, so that the client side is what is measured. The same
orders are created by plain client calls and by `create_deliveries` with an SQLite journal, in turns.
Memory is the peak of a process that reads a CSV file and creates its orders.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import sys
import tempfile
import time
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.servers.fixed_responses import Conversation, http_response, serve
from kaspi_delivery_async import DeliveryClient
from kaspi_delivery_async.bulk import Journal, create_deliveries, read_orders

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from kaspi_delivery_async import DeliveryRequest

HEADER = (
    "externalOrderId,pickup.address,pickup.contact.name,pickup.contact.phone,dropoff.address,dropoff.contact.name,"
    "dropoff.contact.phone,dropoff.notes,parcel.description,parcel.weightGrams,parcel.valueKzt\n"
)
ROW = (
    'order-{},"42 Dostyk Ave, Almaty",Kaspi Pickup Hub,+7 727 000 0000,"89 Satpayev St, Almaty",Aigerim K.,'
    '+7 701 000 0000,Call when outside,"Shoes, box",800,18000\n'
)
CONCURRENCY = 64


class NewDeliveries(Conversation):
    """Responds to every request with another delivery."""

    numbers = count(1)

    def response(self, _head: bytes) -> bytes:
        """Return the response to any create."""
        return http_response(b"201 Created", b'{"deliveryId":"dlv_%d","status":"created"}' % next(self.numbers))


def serve_in_process(port: Connection) -> None:
    """Serve until the process ends; its port goes into the pipe."""
    asyncio.run(serve(port.send, conversation=NewDeliveries))


async def plain(base_url: str, source: Path, _journal: Path) -> None:
    """Create the orders without a journal."""
    slots = asyncio.Semaphore(CONCURRENCY)

    async def create(client: DeliveryClient, order: DeliveryRequest) -> None:
        try:
            await client.create_delivery(order)
        finally:
            slots.release()

    async with DeliveryClient("key", base_url=base_url) as client, asyncio.TaskGroup() as group:
        for line in read_orders(source):
            await slots.acquire()
            if not isinstance(line.order, Exception):
                group.create_task(create(client, line.order))


async def journaled(base_url: str, source: Path, journal: Path) -> None:
    """Create the orders with a journal."""
    async with DeliveryClient("key", base_url=base_url) as client, Journal(journal) as opened:
        async for _ in create_deliveries(client, read_orders(source), journal=opened, concurrency=CONCURRENCY):
            pass


def measure_memory(peak_of: Connection, base_url: str, source: Path, journal: Path) -> None:
    asyncio.run(journaled(base_url, source, journal))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_of.send(peak / (1024 * 1024 if sys.platform == "darwin" else 1024))


def write(source: Path, rows: int) -> Path:
    with source.open("w", encoding="utf-8") as file:
        file.write(HEADER)
        file.writelines(ROW.format(number) for number in range(rows))
    return source


def throughput(base_url: str, directory: Path, *, orders: int, rounds: int) -> None:
    source = write(directory / "orders.csv", orders)
    rates: dict[Callable[..., object], list[float]] = {plain: [], journaled: []}
    for number in range(rounds):
        for way in (plain, journaled):
            began = time.perf_counter()
            asyncio.run(way(base_url, source, directory / f"run-{number}.sqlite"))
            rates[way].append(orders / (time.perf_counter() - began))
    without, beside = statistics.median(rates[plain]), statistics.median(rates[journaled])
    report(
        f"{orders} orders, {rounds} rounds: {without:.0f}/s without a journal, {beside:.0f}/s with one: "
        f"{beside / without:.2f} of it (median)"
    )


def memory(base_url: str, directory: Path, *, rows: list[int]) -> None:
    context = get_context("spawn")
    for number in rows:
        source = write(directory / "orders.csv", number)
        ours, theirs = context.Pipe()
        began = time.perf_counter()
        child = context.Process(
            target=measure_memory, args=(theirs, base_url, source, directory / f"memory-{number}.sqlite")
        )
        child.start()
        peak = ours.recv()
        child.join()
        report(f"{number} rows: peak memory {peak:.1f} MiB, {number / (time.perf_counter() - began):.0f}/s")


def report(text: str) -> None:
    print(text, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=10_000, help="orders of a throughput round; 0 skips it")
    parser.add_argument("--rounds", type=int, default=5, help="throughput rounds")
    parser.add_argument("--memory", type=int, nargs="*", default=[10_000, 1_000_000], help="rows of the memory runs")
    arguments = parser.parse_args()
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve_in_process, args=(theirs,))
    server.start()
    try:
        base_url = f"http://127.0.0.1:{ours.recv()}"
        with tempfile.TemporaryDirectory() as directory:
            if arguments.orders:
                throughput(base_url, Path(directory), orders=arguments.orders, rounds=arguments.rounds)
            memory(base_url, Path(directory), rows=arguments.memory)
    finally:
        server.kill()
        server.join()


if __name__ == "__main__":
    main()

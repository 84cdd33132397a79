"""Creates per second of one sandbox process, and the memory of a delivery.

`python -m benchmarks.scenarios.sandbox_throughput [--creates 20000] [--rounds 5] [--json]`: load comes from a second
process over loopback, under a new idempotency key each; every round has a fresh sandbox. Memory is the growth of the
sandbox's resident set per delivery, once with its request log at its default and once without one.
"""

import argparse
import asyncio
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import aiohttp
import attrs
import orjson

from kaspi_delivery_async.sandbox import Sandbox

CONCURRENCY = 32
NO_LOG = 0  # requests remembered


@attrs.frozen(kw_only=True)
class Round:
    """What one round measured."""

    creates_per_second: float
    cpu_microseconds: float
    """Of the sandbox process, per create."""
    bytes_per_delivery: float


def order(number: int) -> bytes:
    """Write one order, of the size of the documented one."""
    place = {"address": "42 Dostyk Ave, Almaty", "contact": {"name": "Aigerim K.", "phone": "+7 701 000 0000"}}
    parcel = {"description": "Shoes, box", "weightGrams": 800, "valueKzt": 18000}
    body = {"externalOrderId": f"order-{number}", "pickup": place, "dropoff": place, "parcel": parcel}
    return orjson.dumps(body)


def headers(number: int) -> dict[str, str]:
    """Make the headers of one create."""
    return {"x-api-key": "sandbox-key", "Content-Type": "application/json", "Idempotency-Key": f"order-{number}"}


def serve(pipe: Connection, keep: int) -> None:
    """Run a sandbox until the pipe says stop; report its CPU time and memory when asked."""

    async def main() -> None:
        async with Sandbox(keep=keep) as sandbox:
            pipe.send(sandbox.base_url)
            while await asyncio.to_thread(pipe.recv):
                pipe.send((time.process_time(), resident_bytes()))

    asyncio.run(main())


def resident_bytes() -> int:
    """Read this process's resident set (Linux)."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


async def load(base_url: str, numbers: range) -> float:
    """Create deliveries at a constant concurrency and give the seconds it took."""
    upcoming = iter([(order(number), headers(number)) for number in numbers])
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONCURRENCY)) as session:
        url = f"{base_url}/v1/deliveries"

        async def worker() -> None:
            for body, sent in upcoming:
                async with session.post(url, data=body, headers=sent) as response:
                    await response.read()
                    response.raise_for_status()

        began = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
        return time.perf_counter() - began


def measure(creates: int, keep: int) -> Round:
    """Run one round against a fresh sandbox process."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(there, keep))
    process.start()
    base_url: str = here.recv()

    def ask() -> tuple[float, int]:
        here.send("report")
        report: tuple[float, int] = here.recv()
        return report

    asyncio.run(load(base_url, range(1000)))
    cpu_before, memory_before = ask()
    seconds = asyncio.run(load(base_url, range(1000, 1000 + creates)))
    cpu_after, memory_after = ask()
    here.send("")
    process.join()
    return Round(
        creates_per_second=creates / seconds,
        cpu_microseconds=(cpu_after - cpu_before) / creates * 1e6,
        bytes_per_delivery=(memory_after - memory_before) / creates,
    )


def summary(rounds: list[Round], figure: Callable[[Round], float]) -> dict[str, float]:
    """Give the median and the spread of a figure."""
    values = [figure(one) for one in rounds]
    return {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--creates", type=int, default=20_000, help="creates in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    logged = [measure(options.creates, 100_000) for _ in range(options.rounds)]
    unlogged = [measure(options.creates, NO_LOG) for _ in range(options.rounds)]
    figures = {
        "creates per second": summary(logged, lambda one: one.creates_per_second),
        "sandbox CPU per create, µs": summary(logged, lambda one: one.cpu_microseconds),
        "memory per delivery with its logged request, bytes": summary(logged, lambda one: one.bytes_per_delivery),
        "memory per delivery alone, bytes": summary(unlogged, lambda one: one.bytes_per_delivery),
    }
    if options.json:
        print(json.dumps(figures, ensure_ascii=False, indent=2))
        return
    for name, spread in figures.items():
        print(f"{name:55} {spread['median']:9,.0f}   ({spread['lowest']:,.0f} to {spread['highest']:,.0f})")


if __name__ == "__main__":
    main()

"""What calls leave behind, and what one takes for itself."""

from __future__ import annotations

import asyncio
import gc
import statistics
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from benchmarks.contestants.clients import CONTESTANTS
from benchmarks.measuring.rounds import Spread, Table
from benchmarks.servers.process import fastest_server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CALLERS = 32
SAMPLES = 50
MEASURED = ("aiohttp, prepared bytes", "aiohttp, hand-written", "kaspi_delivery_async", "openapi-python-client")


@attrs.frozen(kw_only=True)
class Growth:
    """How the resident set of the process went over many creates."""

    calls: int
    first_mib: float
    """After the first tenth, when everything is warm."""
    last_mib: float
    bytes_per_call: float
    """Slope of a line through all samples after the first tenth (Linux)."""

    def as_text(self) -> str:
        """Say it in a line."""
        return (
            f"{self.calls:,} creates: {self.first_mib:.1f} MiB resident after a tenth of them, {self.last_mib:.1f} MiB"
            f" at the end, {self.bytes_per_call:+.2f} bytes per call\n"
        )


async def _many(call: Callable[[], Awaitable[object]], count: int) -> None:
    async def caller() -> None:
        for _ in range(count // CALLERS):
            await call()

    await asyncio.gather(*(caller() for _ in range(CALLERS)))


async def _growth(base_url: str, calls: int) -> Growth:
    samples: list[tuple[int, int]] = []
    async with CONTESTANTS["kaspi_delivery_async"](base_url) as ours:
        step = calls // SAMPLES // CALLERS * CALLERS
        for number in range(1, SAMPLES + 1):
            await _many(ours.create, step)
            gc.collect()
            samples.append((number * step, _resident_bytes()))
    warm = samples[SAMPLES // 10 :]
    slope, _ = statistics.linear_regression([count for count, _ in warm], [size for _, size in warm])
    return Growth(
        calls=samples[-1][0], first_mib=warm[0][1] / 2**20, last_mib=warm[-1][1] / 2**20, bytes_per_call=slope
    )


def growth(calls: int) -> Growth:
    """Make many creates and watch the memory of the process."""
    with fastest_server() as server:
        return asyncio.run(_growth(server.base_url, calls))


async def _peaks(base_url: str, name: str, rounds: int) -> tuple[Spread, ...]:
    peaks: list[float] = []
    kept: list[float] = []
    async with CONTESTANTS[name](base_url) as calls:
        await _many(calls.create, 10 * CALLERS)
        gc.disable()
        tracemalloc.start()
        for _ in range(rounds):
            gc.collect()
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            await calls.create()
            after, peak = tracemalloc.get_traced_memory()
            peaks.append((peak - before) / 1024)
            kept.append((after - before) / 1024)
        tracemalloc.stop()
        gc.enable()
    return Spread.of(peaks), Spread.of(kept)


def allocation_table(*, rounds: int) -> Table:
    """Measure what a single create allocates at its peak, and what stays until the garbage collector comes."""
    with fastest_server() as server:
        return Table(
            title="memory of one create",
            columns=("KiB at its peak", "KiB left to the garbage collector"),
            rows={name: asyncio.run(_peaks(server.base_url, name, rounds)) for name in MEASURED},
        )


def _resident_bytes() -> int:
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024

"""Creates and gets at several concurrencies on asyncio and uvloop, by every contestant."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

import uvloop

from benchmarks.contestants.clients import CONTESTANTS
from benchmarks.measuring.rounds import Table, tabulate
from benchmarks.servers.process import delaying_server, fastest_server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator

    Call = Callable[[], Awaitable[object]]
    Measure = Callable[[Call], Coroutine[None, None, tuple[float, ...]]]

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
OPERATIONS = ("create", "get")
COLUMNS = ("calls/s", "CPU µs per call")

TAIL_DELAY = 0.02
TAIL_CALLERS = 200
TAIL_COLUMNS = ("p50 ms", "p99 ms", "p99.9 ms", "calls/s")


async def throughput(call: Call, *, concurrency: int, seconds: float) -> tuple[float, float]:
    """Repeat a call for ``seconds``; give calls per second, and this process's CPU time for one in microseconds."""
    count, until = 0, time.perf_counter() + seconds

    async def caller() -> None:
        nonlocal count
        while time.perf_counter() < until:
            await call()
            count += 1

    began, cpu_began = time.perf_counter(), time.process_time()
    await asyncio.gather(*(caller() for _ in range(concurrency)))
    return count / (time.perf_counter() - began), (time.process_time() - cpu_began) / count * 1e6


async def tail(call: Call, *, seconds: float) -> tuple[float, ...]:
    """Repeat a call for ``seconds`` by many callers; give percentiles of its time in milliseconds, and the rate."""
    taken: list[float] = []
    until = time.perf_counter() + seconds

    async def caller() -> None:
        while (began := time.perf_counter()) < until:
            await call()
            taken.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(TAIL_CALLERS)))
    rate = len(taken) / (time.perf_counter() - began)
    taken.sort()
    return *(taken[int(len(taken) * share)] * 1000 for share in (0.5, 0.99, 0.999)), rate


def compare(
    title: str,
    columns: tuple[str, ...],
    measure: Measure,
    *,
    loop: str,
    operation: str,
    base_url: str,
    rounds: int,
    names: Iterable[str],
) -> Table:
    """Measure one call of several contestants in turns, on one event loop."""
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        stack = AsyncExitStack()
        runner.run(stack.__aenter__())
        opened = {name: runner.run(stack.enter_async_context(CONTESTANTS[name](base_url))) for name in names}
        calls = {name: getattr(both, operation) for name, both in opened.items()}
        table = tabulate(
            title,
            columns,
            {name: partial(_run, runner, measure, call) for name, call in calls.items()},
            rounds=rounds,
        )
        runner.run(stack.aclose())
        return table


def _run(runner: asyncio.Runner, measure: Measure, call: Call) -> tuple[float, ...]:
    return runner.run(measure(call))


def throughput_tables(
    *,
    rounds: int,
    seconds: float,
    concurrencies: Iterable[int] = (1, 32, 256),
    loops: Iterable[str] = tuple(LOOPS),
    operations: Iterable[str] = OPERATIONS,
    names: Iterable[str] = tuple(CONTESTANTS),
) -> Iterator[Table]:
    """Measure every combination."""
    with fastest_server() as server:
        for operation in operations:
            for loop in loops:
                for concurrency in concurrencies:
                    yield compare(
                        f"{operation}, {concurrency} at once, {loop}, {server.name}",
                        COLUMNS,
                        partial(throughput, concurrency=concurrency, seconds=seconds),
                        loop=loop,
                        operation=operation,
                        base_url=server.base_url,
                        rounds=rounds,
                        names=names,
                    )


def tail_table(*, rounds: int, seconds: float) -> Table:
    """Measure latency under many callers while the server takes its time."""
    with delaying_server(TAIL_DELAY) as server:
        return compare(
            f"create, {TAIL_CALLERS} callers, responses after {TAIL_DELAY * 1000:.0f} ms, asyncio",
            TAIL_COLUMNS,
            partial(tail, seconds=seconds),
            loop="asyncio",
            operation="create",
            base_url=server.base_url,
            rounds=rounds,
            names=CONTESTANTS,
        )

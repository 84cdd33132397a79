"""Kills web services and relays at random points: ``python -m tests.support.outbox_kills LOCATION --kills 1000``.

A web service commits and rolls back orders, each with its entry in the outbox, while a relay sends them to a sandbox
that loses responses and fails. One of the two gets SIGKILL at a random moment and is started again. In the end every
committed order must have exactly one courier at the sandbox and one row of `on_result`, and every other order none.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncGenerator

import attrs
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from kaspi_delivery_async import DeliveryClient, RetryPolicy
from kaspi_delivery_async.outbox import DeliveryOutbox, OutboxEntry, OutboxState
from kaspi_delivery_async.outbox.relay import claims
from kaspi_delivery_async.sandbox import Sandbox
from tests.support.orders import order
from tests.support.outbox_shop import async_url

FAULTS = ("create:commit-then-drop:0.1", "create:status:0.05:status=503")
TABLES = (
    "CREATE TABLE kill_orders (id VARCHAR(64) PRIMARY KEY)",
    "CREATE TABLE kill_results (id VARCHAR(64), delivery VARCHAR(64))",
)


@attrs.frozen
class Ahead:
    """A clock that is ahead of this machine's, so that the leases of relays that were killed have run out."""

    seconds: float

    def __call__(self) -> float:
        return time.time() + self.seconds


async def serve(location: str, name: str, ahead: float) -> None:
    """Commit and roll back orders until killed."""
    draw = random.Random(name)
    engine = create_async_engine(async_url(location))
    outbox = DeliveryOutbox(location, create_tables=False, clock=Ahead(ahead))
    for number in range(1_000_000):
        async with AsyncSession(engine) as session:
            order_id = f"order-{name}-{number}"
            await session.execute(text("INSERT INTO kill_orders VALUES (:id)"), {"id": order_id})
            await outbox.enqueue(session, order(order_id))
            if draw.random() < 0.3:
                await session.rollback()
            else:
                await session.commit()
        await asyncio.sleep(draw.random() * 0.02)


async def relay(location: str, base_url: str, ahead: float) -> None:
    """Send orders until killed."""
    async with (
        _client(base_url) as client,
        DeliveryOutbox(location, create_tables=False, clock=Ahead(ahead)) as outbox,
        outbox.relay(client, _book),
    ):
        await asyncio.Event().wait()


TARGETS = {"serve": serve, "relay": relay}


def fork() -> None:
    """Start a process for each line of standard input, within milliseconds as all is imported; print their ids."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        target, *arguments = json.loads(line)
        process = os.fork()
        if process == 0:
            asyncio.run(TARGETS[target](*arguments))
            os._exit(0)
        print(process, flush=True)


class Processes:
    """Processes that are started and killed."""

    def __init__(self, forker: Process) -> None:
        self._forker = forker

    async def start(self, target: str, *arguments: object) -> int:
        assert self._forker.stdin is not None
        assert self._forker.stdout is not None
        self._forker.stdin.write(json.dumps([target, *arguments]).encode() + b"\n")
        return int(await self._forker.stdout.readline())

    async def kill(self, process: int) -> None:
        os.kill(process, signal.SIGKILL)  # fails for one that has ended by itself
        with contextlib.suppress(ProcessLookupError):
            while True:
                os.kill(process, 0)
                await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def _processes() -> AsyncGenerator[Processes]:
    forker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from tests.support.outbox_kills import fork; fork()"), stdin=PIPE, stdout=PIPE
    )
    yield Processes(forker)
    await forker.communicate()


def _client(base_url: str) -> DeliveryClient:
    return DeliveryClient("sandbox-key", base_url=base_url, retry=RetryPolicy(max_attempts=2, base=0.01, cap=0.02))


async def _book(session: AsyncSession, entry: OutboxEntry) -> None:
    values = {"id": entry.order_id, "delivery": entry.delivery_id}
    await session.execute(text("INSERT INTO kill_results VALUES (:id, :delivery)"), values)


async def survive(location: str, *, kills: int, seed: int = 0) -> int:
    """Kill processes ``kills`` times; return the number of orders that were committed. Raises AssertionError."""
    draw = random.Random(seed)
    engine = create_async_engine(async_url(location))
    async with engine.begin() as connection:
        for statement in TABLES:
            await connection.execute(text(statement))
    async with DeliveryOutbox(location):
        pass  # makes the tables
    async with Sandbox(faults=FAULTS, seed=seed) as sandbox, _processes() as processes:
        web = await processes.start("serve", location, "0", 0.0)
        sender = await processes.start("relay", location, sandbox.base_url, 0.0)
        for number in range(1, kills + 1):
            await _some_requests(sandbox, draw)
            ahead = number * (claims.LEASE + 1)
            if draw.random() < 0.5:
                await processes.kill(web)
                web = await processes.start("serve", location, str(number), ahead)
            else:
                await processes.kill(sender)
                sender = await processes.start("relay", location, sandbox.base_url, ahead)
        await processes.kill(web)
        await processes.kill(sender)
        await _finish(location, sandbox.base_url, ahead=(kills + 1) * (claims.LEASE + 1))
        made = Counter(record.external_order_id for record in sandbox.deliveries.values())
        ids = {record.external_order_id: record.delivery_id for record in sandbox.deliveries.values()}
    async with engine.connect() as connection:
        committed = {row.id for row in await connection.execute(text("SELECT id FROM kill_orders"))}
        booked = [(row.id, row.delivery) for row in await connection.execute(text("SELECT * FROM kill_results"))]
    await engine.dispose()
    assert made == dict.fromkeys(committed, 1), "an order has no courier, or two, or one although it was rolled back"
    assert sorted(booked) == sorted(ids.items()), "a result was booked twice, or not at all"
    return len(committed)


async def _finish(location: str, base_url: str, *, ahead: float) -> None:
    """Run one more relay until nothing is open."""
    later = ahead

    def clock() -> float:
        return time.time() + later

    async with (
        _client(base_url) as client,
        DeliveryOutbox(location, clock=clock) as outbox,
        outbox.relay(client, _book),
    ):
        while await _is_open(outbox):
            later += 30.0
            await asyncio.sleep(0.1)


async def _is_open(outbox: DeliveryOutbox) -> bool:
    counts = (await outbox.status()).counts
    left = sum(count for state, count in counts.items() if state is not OutboxState.CREATED)
    unreported = "SELECT count(*) FROM kaspi_delivery_outbox_entries WHERE result_due IS NOT NULL"
    async with outbox.transaction() as session:
        return left > 0 or (await session.execute(text(unreported))).scalar_one() > 0


async def _some_requests(sandbox: Sandbox, draw: random.Random) -> None:
    """Wait until a random number of orders was sent, and a random moment more."""
    enough = sandbox.requests.total + draw.randrange(6)
    while sandbox.requests.total < enough:
        await asyncio.sleep(0.001)
    await asyncio.sleep(draw.random() * 0.03)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("location", help="a new SQLite file, or the URL of an empty PostgreSQL database")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    committed = asyncio.run(survive(arguments.location, kills=arguments.kills, seed=arguments.seed))
    print(
        f"{arguments.kills} kills, {committed} orders committed: one courier and one result each, none for the others"
    )


if __name__ == "__main__":
    main()

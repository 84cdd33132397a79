"""Two processes receive the same events while they are killed: ``python -m tests.support.inbox_chaos --runs 100``.

Both processes get all events, each in an order of its own, and each event again until the response is a 2xx. Meanwhile
one of them gets SIGKILL and is started again, clocks are set, and connections are cut: those of senders reset, those to
PostgreSQL reset, silent or read-only; or an SQLite file is locked, or its disk full.
Afterwards every event must have been handled, or be a dead letter, and never by two at a time.
"""

import argparse
import asyncio
import math
import os
import random
import resource
import sqlite3
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack, closing, nullcontext
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import attrs
from sqlalchemy import select

from kaspi_delivery_async.webhooks import DeadLetter, InboxTotals
from kaspi_delivery_async.webhooks.stored_events import event_key
from kaspi_delivery_async.webhooks.stores.sql import SqlStore
from kaspi_delivery_async.webhooks.stores.tables import events as stored_events
from tests.support.chaos_receiver import Handling, Receiver
from tests.support.faulty_proxy import FaultyProxy
from tests.support.postgresql import execute, new_database
from tests.support.webhook_messages import body, headers

SENDERS = 12
"""Requests in flight to each process."""

LONGEST_RUN = 150.0
"""Seconds; a run that takes longer waits for what does not come."""

CLOCK_STEP = 200.0
"""Seconds; what is further from the vendor's clock than 5 minutes is refused."""


@attrs.define(kw_only=True)
class Figures:
    """What happened in a run, or in several."""

    events: int = 0
    responses: Counter[str] = attrs.field(factory=Counter)
    faults: Counter[str] = attrs.field(factory=Counter)
    handled: int = 0
    dead: int = 0
    runs: int = 0
    """How often the handler began."""

    def add(self, other: "Figures") -> None:
        for field in attrs.fields(Figures):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


class Run:
    """One run, with what may happen in it."""

    def __init__(self, location: str, directory: Path, *, events: int, faults: int, seed: int) -> None:
        self._draw = random.Random(seed)
        self._location = location
        self._directory = directory
        kinds = ["event"] * 17 + ["bad"] * 2 + ["slow"]
        self._events = [f"{kinds[number % 20]}_{number}" for number in range(events)]
        self._handling = Handling()
        self.figures = Figures(events=events)
        self._receivers: list[Receiver] = []
        self._databases: list[FaultyProxy] = []
        self._role = f"chaos_{uuid.uuid4().hex}"
        self._store = SqlStore(location)
        self._acknowledged: Counter[str] = Counter()
        # Each comes when so many requests have had their 2xx; the first one is a kill.
        self._due = sorted(self._draw.randrange(events // 10, 2 * events) for _ in range(faults))
        self._next: float = self._due[0]

    async def play(self) -> Figures:
        """Play it to its end; raises AssertionError if an event was lost, or handled twice at a time."""
        async with asyncio.timeout(LONGEST_RUN), AsyncExitStack() as stack:
            stack.push_async_callback(self._store.close)
            for number in range(2):
                await stack.enter_async_context(await self._new_receiver(stack, number))
            async with asyncio.TaskGroup() as group:
                group.create_task(self._cause_faults())
                for receiver in self._receivers:
                    group.create_task(self._send_all(receiver))
            while (totals := await self._store.totals()).waiting:
                await asyncio.sleep(0.1)
            dead = await self._store.dead_letters(limit=len(self._events))
        self._check(totals, dead)
        return self.figures

    def _check(self, totals: InboxTotals, dead: Sequence[DeadLetter]) -> None:
        handling, figures = self._handling, self.figures
        given_up = {letter.event.event_id for letter in dead if letter.event is not None}
        assert handling.overlaps == [], f"handled twice at a time: {handling.overlaps}"
        assert totals.handled + totals.dead == len(self._events), totals
        assert handling.succeeded | given_up == {*self._events}, "an event was lost"
        figures.handled, figures.dead = totals.handled, totals.dead
        figures.runs = sum(len(spans) for spans in handling.spans.values())

    async def _new_receiver(self, stack: AsyncExitStack, number: int) -> Receiver:
        store = self._location
        if self._is_postgresql:
            proxy = await stack.enter_async_context(FaultyProxy(urlsplit(store).port or 5432))
            self._databases.append(proxy)
            store = proxy.url(urlunsplit(urlsplit(store)._replace(netloc=f"{self._role}@127.0.0.1")))
            if number == 0:
                await self._execute(f"CREATE ROLE {self._role} LOGIN SUPERUSER")
                stack.push_async_callback(self._execute, f"DROP OWNED BY {self._role}; DROP ROLE {self._role}")
        receiver = Receiver(
            store, seed=self._draw.randrange(10**6), log_file=self._directory / "log", handling=self._handling
        )
        self._receivers.append(receiver)
        return receiver

    async def _send_all(self, receiver: Receiver) -> None:
        """Send every event until it gets a 2xx."""
        waiting = [*self._events]
        self._draw.shuffle(waiting)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5.0)) as session:

            async def send() -> None:
                while waiting:
                    if self._acknowledged.total() > self._next:  # the fault before has not ended yet
                        await asyncio.sleep(0.005)
                        continue
                    event_id = waiting.pop()
                    response = await self._send(session, receiver, event_id)
                    self.figures.responses[response] += 1
                    if response == "200":
                        self._acknowledged[event_id] += 1
                    else:
                        waiting.insert(0, event_id)
                        await asyncio.sleep(0.2)

            await asyncio.gather(*(send() for _ in range(SENDERS)))

    async def _send(self, session: aiohttp.ClientSession, receiver: Receiver, event_id: str) -> str:
        raw = body(event_id, delivery_id=event_id)
        url = f"http://127.0.0.1:{receiver.http.port}/"
        try:
            async with session.post(url, data=raw, headers=headers(raw, at=time.time())) as response:
                await response.read()
                return str(response.status)
        except (aiohttp.ClientError, TimeoutError):
            return "none"

    async def _cause_faults(self) -> None:
        of_the_store = (
            (self._reset_database, self._silence_database, self._make_read_only)
            if self._is_postgresql
            else (self._lock_file, self._fill_disk)
        )
        kinds = (self._kill, self._set_clock, self._reset_http, *of_the_store)
        for number, (due, after) in enumerate(pairwise([*self._due, math.inf])):
            self._next = after
            while self._acknowledged.total() < due:
                await asyncio.sleep(0.005)
            cause = self._kill if number == 0 else self._draw.choice(kinds)
            self.figures.faults[cause.__name__.strip("_")] += 1
            await cause(self._draw.choice(self._receivers))
            await self._check_what_is_stored()

    async def _check_what_is_stored(self) -> None:
        """Make sure of the events that were acknowledged so far, before the other process has received them too."""
        acknowledged = {*self._acknowledged}
        statement = select(stored_events.c.key)
        keys = {*await self._store._read(lambda connection: connection.execute(statement).scalars().all())}
        lost = {event_id for event_id in acknowledged if event_key(event_id) not in keys}
        assert not lost, f"acknowledged, but not stored: {lost}"

    async def _kill(self, receiver: Receiver) -> None:
        await receiver.kill()
        await asyncio.sleep(self._draw.random() * 0.2)
        await receiver.start()

    async def _set_clock(self, receiver: Receiver) -> None:
        receiver.ahead.value = self._draw.uniform(-CLOCK_STEP, CLOCK_STEP)

    async def _reset_http(self, receiver: Receiver) -> None:
        receiver.http.cut()

    async def _reset_database(self, receiver: Receiver) -> None:
        self._databases[self._receivers.index(receiver)].cut()

    async def _silence_database(self, receiver: Receiver) -> None:
        self._databases[self._receivers.index(receiver)].silence()

    async def _make_read_only(self, _receiver: Receiver) -> None:
        """Do as a failover does: the connections that follow can only read for a while."""
        await self._execute(f"ALTER ROLE {self._role} SET default_transaction_read_only = on")
        ours = f"usename = '{self._role}'"
        await self._execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}")
        await asyncio.sleep(0.3)
        await self._execute(f"ALTER ROLE {self._role} RESET default_transaction_read_only")

    async def _lock_file(self, _receiver: Receiver) -> None:
        def lock() -> None:
            with closing(sqlite3.connect(self._location, isolation_level=None, timeout=30.0)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                time.sleep(0.3)

        await asyncio.to_thread(lock)

    async def _fill_disk(self, receiver: Receiver) -> None:
        _, hard = before = resource.prlimit(receiver.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(receiver.pid, resource.RLIMIT_FSIZE, (0, hard))
        await asyncio.sleep(0.3)
        resource.prlimit(receiver.pid, resource.RLIMIT_FSIZE, before)

    async def _execute(self, statement: str) -> None:
        await asyncio.to_thread(execute, self._location, statement)

    @property
    def _is_postgresql(self) -> bool:
        return "://" in self._location


async def play_all(server: str | None, seeds: Iterable[int], *, events: int, faults: int, jobs: int) -> Figures:
    """Play a run for each seed, ``jobs`` at once, on new databases of a PostgreSQL server or on SQLite files."""
    slots = asyncio.Semaphore(jobs)
    figures = Figures()

    async def play(seed: int) -> None:
        async with slots:
            with tempfile.TemporaryDirectory() as directory:
                file = nullcontext(f"{directory}/events.sqlite")
                with new_database(server) if server else file as location:
                    run = Run(location, Path(directory), events=events, faults=faults, seed=seed)
                    try:
                        done = await run.play()
                    except BaseException as error:
                        error.add_note(f"run {seed}: {run.figures}")
                        raise
            figures.add(done)
            print(f"run {seed}: {done}", flush=True)

    async with asyncio.TaskGroup() as group:
        for seed in seeds:
            group.create_task(play(seed))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", help="the URL of a PostgreSQL server; without it, the store is SQLite")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--events", type=int, default=500, help="events of a run")
    parser.add_argument("--faults", type=int, default=10, help="kills, clock steps and cuts of a run")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at once")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    arguments = parser.parse_args()
    seeds = range(arguments.seed, arguments.seed + arguments.runs)
    figures = asyncio.run(
        play_all(arguments.server, seeds, events=arguments.events, faults=arguments.faults, jobs=arguments.jobs)
    )
    print(figures)


if __name__ == "__main__":
    main()

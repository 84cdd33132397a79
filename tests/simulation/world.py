"""A world: the vendor, the shop and what is between them, under one seed; it makes the faults happen."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import warnings
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from kaspi_delivery_async import KaspiDeliveryError
from kaspi_delivery_async._call import limiter
from kaspi_delivery_async.sandbox import Assumptions, Clock, Journey, Sandbox
from kaspi_delivery_async.webhooks.stores.new_events import NewEvents
from tests.simulation import invariants, schedule
from tests.simulation.disk import Disk
from tests.simulation.door import Door
from tests.simulation.happenings import Happenings
from tests.simulation.machine import Loop, Process, StuckError
from tests.simulation.network import Network
from tests.simulation.records import EPOCH, Records
from tests.simulation.schedule import BUSY_TIME
from tests.simulation.shop import RECEIVER, Service, draw_plan, run_bulk

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from tests.simulation.schedule import Fault

JOURNEY = Journey(accept=(1.0, 40.0), pickup=(1.0, 40.0), transit=(1.0, 30.0), last_mile=(1.0, 30.0))

POLL = 15.0
"""Seconds between looks into the database; the package's own are shorter, and would only take time."""

LONGEST_SETTLING = 2 * 3600.0
"""Seconds in which everything comes to an end when nothing goes wrong any more."""

QUIET = 120.0
"""Seconds for which a world goes on after that."""

MEMORY = next((folder for folder in [Path("/dev") / "shm"] if folder.is_dir()), None)
"""Where the database is kept: on no disk, if possible."""

DRIFT = 2e-5
"""Seconds that the shop's wall clock gains or loses in a second."""


class World(Records):
    """Everything there is."""

    def __init__(self, seed: int, faults: Sequence[Fault] | None = None) -> None:
        super().__init__(Loop(random.Random(f"{seed}/threads")))
        self.seed = seed
        self.faults = schedule.draw_schedule(seed) if faults is None else tuple(faults)
        self.plan = draw_plan(self._random("plan"), busy_time=BUSY_TIME)
        self.bulk_is_done = self.is_calm = False
        self.api_key, self.secret = f"sk-first-{seed}", f"whs-{seed}"
        self.file = Path("shop.sqlite")
        self.network = Network(self.loop, self._random("network"))
        self.disk = Disk(self.loop)
        self.service: Process | None = None
        self.service_began = self.calm_since = self.vendor_end = 0.0
        """On the vendor's clock: when the web service was started last, since when nothing goes wrong, the end."""
        self._serving: Service | None = None
        self.bulk: Process | None = None
        self.away_until = {"service": 0.0, "bulk": self.plan.bulk_at}
        self.step = 0.0
        self._drift = self._random("drift").uniform(-DRIFT, DRIFT)
        Door(self.network, violate=self.violate)
        readings = list(Assumptions.alternatives())
        draw = self._random("vendor")
        self.vendor = Sandbox(
            api_key=self.api_key, webhook_secret=self.secret, seed=seed, port=8000, journey=JOURNEY,
            webhook_url=f"http://{RECEIVER[0]}:{RECEIVER[1]}/webhooks",
            clock=Clock(start=EPOCH, wall=self.vendor_time),
            assumptions=readings[0] if draw.random() < 0.7 else draw.choice(readings),
        )  # fmt: skip

    def _random(self, name: str) -> random.Random:
        return random.Random(f"{self.seed}/{name}")

    def wall_clock(self) -> float:
        """Return the time of day as the shop's machine has it."""
        return EPOCH + self.loop.now * (1 + self._drift) + self.suspended + self.step

    def vendor_time(self) -> float:
        """Return the time of day as the vendor has it."""
        return self.vendor.clock.now()

    def confirm(self, order_id: str, delivery_id: str) -> None:
        """Have the service's own database learn from a webhook that an order was made."""
        for note in self.plan.notes:
            if note.order_id == order_id and note.delivery_id is None:
                note.delivery_id = delivery_id

    def run(self) -> World:
        """Live from the beginning to the end, and look whether the invariants hold."""
        with ExitStack() as stack:
            stack.enter_context(_alone(self.seed))
            stack.enter_context(_logs_to(self.texts))
            self.file = Path(stack.enter_context(TemporaryDirectory(dir=MEMORY))) / "shop.sqlite"
            for replaced in self._replacements():
                stack.enter_context(replaced)
            try:
                self.loop.run_until_complete(self._live())
                invariants.check(self)
            except StuckError:
                self.violate("every wait ends", "everything waits, and nothing will ever happen")
            self.loop.set_exception_handler(lambda *_: None)
            self.loop.bury()
            self.loop.run_until_complete(_end_all())
            self.loop.close()
        return self

    def _replacements(self) -> list[Any]:
        return [
            patch("time.time", self.wall_clock),
            patch("time.monotonic", self.loop.time),
            patch("aiohttp.connector.monotonic", self.loop.time),
            patch("kaspi_delivery_async.webhooks.worker.POLL", POLL),
            patch.object(NewEvents.poll, "__defaults__", (POLL,)),
            self.network.instead_of_sockets(),
            self.disk.instead_of_the_real_one(),
        ]

    async def _live(self) -> None:
        self.loop.set_exception_handler(self._on_error)
        happenings = Happenings(self)
        async with self.vendor:
            keeping = [asyncio.create_task(self._keep_service()), asyncio.create_task(self._keep_bulk())]
            happening = [asyncio.create_task(happenings.happen(fault)) for fault in self.faults]
            await asyncio.sleep(BUSY_TIME)
            await asyncio.gather(*happening)
            happenings.calm()
            end = self.loop.now + LONGEST_SETTLING
            while self.loop.now < end and not self._is_settled():
                await asyncio.sleep(5.0)
            if not self._is_settled():
                self.violate("every run ends", f"{self.plan.notes}, bulk done: {self.bulk_is_done}")
            await asyncio.sleep(QUIET)
            self.vendor_end = self.vendor.clock.now()
            for task in keeping:
                task.cancel()
            await asyncio.wait(keeping)
            await self.stop_service()

    def _is_settled(self) -> bool:
        return self.service is not None and self.bulk_is_done and all(note.is_final for note in self.plan.notes)

    async def _keep_service(self) -> None:
        """Start the web service again whenever it has ended."""
        while True:
            await self._until_back("service")
            self._serving = Service(self)
            self.service = process = self._process("service")
            self.service_began = self.vendor.clock.now()
            await self._ended(process, process.start(self._serving.run()))
            self.service = None
            await asyncio.sleep(2.0)

    async def _keep_bulk(self) -> None:
        """Start the bulk job again until it is through."""
        self.bulk_is_done = not self.plan.bulk
        while not self.bulk_is_done:
            await self._until_back("bulk")
            self.bulk = process = self._process("bulk")
            await self._ended(process, process.start(run_bulk(self)))
            self.bulk = None
            await asyncio.sleep(20.0)

    async def _until_back(self, name: str) -> None:
        while (away := self.away_until[name] - self.loop.now) > 0:
            await asyncio.sleep(away)

    def _process(self, name: str) -> Process:
        process = Process(name)
        process.on_death += [
            lambda: self.say(name, "killed"),
            lambda: self.network.forget(process),
            lambda: self.disk.forget(process),
        ]
        host = "127.0.0.2:8000" if name == "service" else "127.0.0.1:8000"
        for known in [one for one in limiter._kept if one[1] == host]:
            del limiter._kept[known]  # a new process knows nothing
            limiter._limiters.pop(known, None)
        self.say(name, "started")
        return process

    async def _ended(self, process: Process, main: asyncio.Task[Any]) -> None:
        """Wait until a process has ended by itself or was killed."""
        gone = self.loop.create_future()
        process.on_death.append(lambda: None if gone.done() else gone.set_result(None))
        ended = asyncio.ensure_future(_outcome(main))
        await asyncio.wait([gone, ended], return_when=asyncio.FIRST_COMPLETED)
        if not process.is_alive:
            ended.cancel()
            return
        error = ended.result()
        self.say(process.name, "ended" if error is None else f"ended with {type(error).__name__}: {error}")
        if error is not None:
            self.texts += [str(error), repr(error)]
            if not isinstance(error, KaspiDeliveryError):
                self.violate("errors are the package's own", f"{process.name}: {error!r}")
        await asyncio.sleep(1.0)
        self._check_left(process)
        process.is_alive = False

    def _check_left(self, process: Process) -> None:
        if tasks := self.loop.tasks_of(process):
            self.violate("tasks return to base", f"{process.name}: {tasks}")
        if left := [one for one in self.network.connections if process is one.client.process]:
            self.violate("connections return to base", f"{process.name}: {len(left)} left")
        if process in self.disk.open.values() and self.disk.left_open(process):
            self.violate("file handles return to base", process.name)

    async def stop_service(self) -> None:
        if self._serving is not None and self.service is not None and self.service.main is not None:
            process, main = self.service, self.service.main
            self.service.main.get_loop().call_soon(self._serving.stop.set)
            await self._ended(process, main)

    def _on_error(self, _loop: object, details: dict[str, Any]) -> None:
        task = details.get("task")
        owner = None if task is None else self.loop.owner(task)
        if owner is not None and not owner.is_alive:
            return  # a task of a killed process has no end
        self.violate("no error is left unhandled", f"{details.get('message')}: {details.get('exception')!r}")


async def _end_all() -> None:
    """Cancel what the vendor still does."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=10.0)


async def _outcome(task: asyncio.Task[Any]) -> BaseException | None:
    await asyncio.wait([task])
    return asyncio.CancelledError() if task.cancelled() else task.exception()


@contextmanager
def _alone(seed: int) -> Generator[None]:
    """Let nothing of before be known, no chance be another one's, and nothing be collected meanwhile."""
    state = random.getstate()
    random.seed(seed)
    limiter._kept.clear()
    limiter._limiters.clear()
    gc.disable()
    gc.freeze()  # so that only what comes now is collected afterwards
    try:
        yield
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a killed process had open is closed by nobody
            gc.collect()
        gc.unfreeze()
        gc.enable()
        random.setstate(state)


@contextmanager
def _logs_to(texts: list[str]) -> Generator[None]:
    """Keep what is logged, and show it to nobody else."""
    log = logging.Handler(logging.WARNING)
    log.emit = lambda record: texts.append(log.format(record))  # type: ignore[method-assign]
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, [log]
    try:
        yield
    finally:
        root.handlers = handlers

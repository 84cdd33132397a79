"""Runs a month, or a part of it, and reports."""

from __future__ import annotations

import asyncio
import gc
import random
import resource
from pathlib import Path

import attrs

from benchmarks.month.events import draw_events
from benchmarks.month.network import VirtualLoop
from benchmarks.month.shop import Findings, Shop
from benchmarks.month.world import World

DAY = 86_400.0
SAMPLES = 6 * 3600.0
"""Seconds between samples."""


@attrs.frozen(kw_only=True)
class Sample:
    """What the client holds at a moment."""

    day: float
    connections: int
    lookups: int
    """Since the last sample."""
    memory: float
    """Resident set, in MiB."""


@attrs.frozen(kw_only=True)
class Report:
    """The figures of a run, and the promises that did not hold."""

    calls: int
    orders: int
    created: int
    """Orders with a courier; those of the last days only are looked at for missing ones."""
    doubles: list[str]
    strays: list[str]
    longest_at_old_host: float
    """Seconds for which requests went to a host that serves on though the name has left it."""
    findings: Findings
    samples: list[Sample]

    def broken_promises(self) -> list[str]:
        """Say which promises did not hold."""
        found = self.findings
        promises = {
            f"orders with two couriers: {self.doubles}": not self.doubles,
            f"{self.orders} orders, {self.created} deliveries": self.orders == self.created,
            f"calls that changed their API key: {self.strays}": not self.strays,
            f"a call failed {found.longest_failing:.0f} s after the world was good again: {found.worst}": (
                found.longest_failing <= LONGEST_FAILING
            ),
            f"a wait ended {found.latest_wait:.0f} s late": found.latest_wait <= LATEST_WAIT,
            f"waits that ended with an error: {found.lost_waits}": not found.lost_waits,
            f"requests to an old host for {self.longest_at_old_host:.0f} s": self.longest_at_old_host <= LONGEST_AT_OLD,
        }
        return [text for text, holds in promises.items() if not holds]

    def as_text(self) -> str:
        """Sum up."""
        found, last = self.findings, self.samples[-1]
        return (
            f"{self.calls:,} calls, {self.orders:,} orders, {self.created:,} deliveries, {len(self.doubles)} twice\n"
            f"{found.failures:,} calls failed, none {max(0.0, found.longest_failing):.0f} s after the world was good\n"
            f"{found.waits} waits, {len(found.lost_waits)} lost, none {max(0.0, found.latest_wait):.0f} s late\n"
            f"a host that the name has left was used for up to {self.longest_at_old_host:.0f} s\n"
            f"at the end {last.connections} connections open, {last.lookups} look-ups in the last quarter of a day, "
            f"{last.memory:.1f} MiB"
        )


LONGEST_FAILING = 60.0
LATEST_WAIT = 90.0
"""The longest interval between polls, and the longest time that a poll takes with its retries."""
LONGEST_AT_OLD = 330.0
"""The longest life of a connection, and the last call on it."""


def run(*, days: float, orders: int, rounds: int, seed: int = 1) -> Report:
    """Run so many days with so many orders, in which everything happens ``rounds`` times."""
    world = World(random.Random(seed))
    state = random.getstate()
    random.seed(seed)  # the client's own jitter
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(world.network)) as runner:
        report = runner.run(_run(world, days=days, orders=orders, rounds=rounds, seed=seed))
    world.network.end()
    random.setstate(state)
    return report


async def _run(world: World, *, days: float, orders: int, rounds: int, seed: int) -> Report:
    samples: list[Sample] = []
    with world.instead_of_this_one():
        shop = Shop(world, random.Random(seed + 1))
        watching = asyncio.create_task(_watch(world, samples))
        events = draw_events(random.Random(seed + 2), days=days, rounds=rounds)
        turning = asyncio.create_task(world.turn(events))
        await shop.run(days=days, orders=orders, events=events)
        watching.cancel()
        turning.cancel()
        await asyncio.wait([watching, turning])
    hosts = world.network.hosts
    return Report(
        calls=shop.calls.count,
        orders=shop.orders,
        created=world.api.created,
        doubles=world.api.doubles,
        strays=world.api.strays,
        longest_at_old_host=max(hosts[address].last_request_at - at for address, at in world.left.items()),
        findings=shop.findings,
        samples=samples,
    )


async def _watch(world: World, samples: list[Sample]) -> None:
    lookups = 0
    while True:
        await asyncio.sleep(SAMPLES)
        world.api.forget(world.now)
        samples.append(_sample(world, lookups))
        lookups = world.network.lookups


def _sample(world: World, lookups_before: int) -> Sample:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return Sample(
        day=asyncio.get_running_loop().time() / DAY,
        connections=len(world.network.connections),
        lookups=world.network.lookups - lookups_before,
        memory=pages * resource.getpagesize() / 2**20,
    )

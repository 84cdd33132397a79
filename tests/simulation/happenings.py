"""What happens in a world: each fault of its schedule, carried out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.simulation.network import LATENCY, Weather
from tests.simulation.schedule import Kind
from tests.simulation.shop import RECEIVER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.simulation.schedule import Fault
    from tests.simulation.world import World

UNASKED = (
    b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 47\r\n\r\n"
    b'{"deliveryId":"dlv_of_nobody","status":"created"}'[:47],
    b"HTTP/1.1 200 OK\r\n",
)


class Happenings:
    """Carries out what goes wrong."""

    def __init__(self, world: World) -> None:
        self._world = world

    def calm(self) -> None:
        """Let nothing go wrong any more."""
        self._world.say("world", "calm")
        self._world.is_calm = True
        self._world.calm_since = self._world.vendor_time()
        self._world.network.weather = Weather()
        self._world.vendor.faults.clear()
        self._world.disk.is_full, self._world.disk.slowness, self._world.disk.locked_until = False, 0.0, 0.0
        self._world.disk.fails_at = self._world.disk.kills_at = None
        self._world.step = 0.0

    async def happen(self, fault: Fault) -> None:
        await asyncio.sleep(fault.at)
        self._world.say("FAULT", str(fault))
        act = self._acts().get(fault.kind)
        if act is None:
            armed = [self._world.vendor.faults.arm(text) for text in _vendor_faults(fault)]
            await asyncio.sleep(fault.seconds)
            for one in armed:
                self._world.vendor.faults.remove(one.number)
        else:
            await act(fault)
        if fault.seconds:
            self._world.say("FAULT", f"over: {fault.kind}")

    def _acts(self) -> dict[Kind, Callable[[Fault], Awaitable[None]]]:
        return {
            Kind.RESET: self._reset,
            Kind.CUT_REQUEST: self._cut,
            Kind.CUT_RESPONSE: self._cut,
            Kind.SILENCE: self._silence,
            Kind.REFUSAL: self._refuse,
            Kind.LATENCY: self._be_late,
            Kind.UNASKED: self._send_unasked,
            Kind.ROTATION: self._rotate,
            Kind.CLOCK_STEP: self._step_clock,
            Kind.SUSPENSION: self._suspend,
            Kind.DISK_FAILURE: self._harm_disk,
            Kind.DISK_LOCKED: self._harm_disk,
            Kind.DISK_SLOW: self._harm_disk,
            Kind.DISK_FULL: self._harm_disk,
            Kind.KILL_SERVICE: self._kill,
            Kind.KILL_BULK: self._kill,
            Kind.KILL_IN_STATEMENT: self._kill_in_statement,
            Kind.STOP_SERVICE: self._restart,
        }

    async def _reset(self, _: Fault) -> None:
        self._world.network.reset_all()

    async def _cut(self, fault: Fault) -> None:
        cut = ("server" if fault.kind is Kind.CUT_REQUEST else "client", fault.amount)
        self._world.network.weather.cuts.append(cut)

    async def _silence(self, fault: Fault) -> None:
        self._world.network.weather.is_silent = True
        await asyncio.sleep(fault.seconds)
        self._world.network.weather.is_silent = False

    async def _refuse(self, fault: Fault) -> None:
        self._world.network.weather.refuses = True
        await asyncio.sleep(fault.seconds)
        self._world.network.weather.refuses = False

    async def _be_late(self, fault: Fault) -> None:
        self._world.network.weather.latency = (LATENCY[0], fault.amount)
        await asyncio.sleep(fault.seconds)
        self._world.network.weather.latency = LATENCY

    async def _send_unasked(self, fault: Fault) -> None:
        self._world.network.send_unasked(UNASKED[int(fault.amount)])

    async def _rotate(self, fault: Fault) -> None:
        old, new = self._world.api_key, f"{self._world.api_key}-next"
        self._world.vendor.api_keys.add(old)
        self._world.vendor.api_key = self._world.api_key = new
        await asyncio.sleep(fault.amount)
        self._world.vendor.api_keys.discard(old)

    async def _step_clock(self, fault: Fault) -> None:
        self._world.step = fault.amount

    async def _suspend(self, fault: Fault) -> None:
        """Have the vendor's time go on, and the wall clock, while the machine does nothing."""
        self._world.network.reset_all()
        self._world.network.unreachable.add(RECEIVER[1])
        self._world.suspended += fault.amount  # first of all, so that the shop never believes a key to be too young
        await self._world.vendor.clock.advance(fault.amount)
        self._world.network.unreachable.discard(RECEIVER[1])

    async def _harm_disk(self, fault: Fault) -> None:
        match fault.kind:
            case Kind.DISK_FAILURE:
                self._world.disk.fails_at = int(fault.amount)
            case Kind.DISK_LOCKED:
                self._world.disk.locked_until = self._world.loop.now + fault.seconds
            case Kind.DISK_SLOW:
                self._world.disk.slowness = fault.amount
            case _:
                self._world.disk.is_full = True
        await asyncio.sleep(fault.seconds)
        if fault.kind is not Kind.DISK_FAILURE:
            self._world.disk.slowness, self._world.disk.is_full = 0.0, False

    async def _kill(self, fault: Fault) -> None:
        name = "service" if fault.kind is Kind.KILL_SERVICE else "bulk"
        process = self._world.service if name == "service" else self._world.bulk
        self._world.away_until[name] = self._world.loop.now + fault.seconds
        if process is not None:
            process.dies_at = process.steps + int(fault.amount)
        await asyncio.sleep(fault.seconds)

    async def _kill_in_statement(self, fault: Fault) -> None:
        self._world.disk.kills_at = int(fault.amount)
        await asyncio.sleep(1.0)

    async def _restart(self, fault: Fault) -> None:
        self._world.away_until["service"] = self._world.loop.now + fault.seconds
        await self._world.stop_service()
        await asyncio.sleep(fault.seconds)


def _vendor_faults(fault: Fault) -> list[str]:
    chance, seconds = f"{fault.amount:.3f}", f"{fault.amount:.1f}"
    return {
        Kind.DEPLOY: ["*:502:body=html"],
        Kind.LOST_RESPONSES: [f"*:commit-then-drop:{chance}"],
        Kind.STALLED_RESPONSES: [f"*:commit-then-stall:{chance}:seconds=20"],
        Kind.STORMS: [f"*:503:{chance}"],
        Kind.RATE_LIMIT: [f"*:rate-limit:rate={seconds}:burst=1"],
        Kind.PAUSE: [f"*:429:retry-after={fault.amount:.0f}:count=3"],
        Kind.LATE_WEBHOOKS: [f"webhook:delay:0.5:seconds={seconds}", f"webhook:reorder:0.5:seconds={seconds}"],
        Kind.REPEATED_WEBHOOKS: ["webhook:duplicate"],
        Kind.LOST_WEBHOOKS: [f"webhook:drop:{chance}"],
        Kind.FALSE_WEBHOOKS: [f"webhook:bad-signature:{chance}"],
    }[fault.kind]

"""What is noted of a world: the timeline, what the shop was told, and what did not hold."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from kaspi_delivery_async import DeliveryStatus
    from kaspi_delivery_async.bulk import Result
    from kaspi_delivery_async.sandbox import Sandbox
    from tests.simulation.machine import Loop, Process

EPOCH = 1_780_272_000.0
"""When a world begins, in Unix seconds."""


@attrs.define
class Handling:
    """The runs of the handler for one event."""

    attempts: int = 0
    running: Process | None = None
    succeeded: int = 0
    first_at: float | None = None
    """On the vendor's clock."""


@attrs.frozen(kw_only=True)
class Timed:
    """A call or a wait that has ended, by itself or not."""

    what: str
    subject: str
    began: float
    """On the loop's clock."""
    seconds: float
    limit: float
    """Seconds that it may take."""
    ended_at: float
    """On the vendor's clock."""


class Records:
    """What is noted."""

    vendor: Sandbox

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.file = Path("shop.sqlite")
        self.suspended = 0.0
        """Seconds for which the shop's machine was suspended in all."""
        self.violations: list[tuple[str, str]] = []
        """Which invariant, and what happened."""
        self.timeline: list[tuple[float, str, str]] = []
        self.texts: list[str] = []
        """What the package said: errors, results, logs."""
        self.timed: list[Timed] = []
        self.results: list[Result] = []
        self.sightings: list[tuple[str, list[DeliveryStatus]]] = []
        """For each wait and watch: the delivery, and the statuses that it reported."""
        self.handled: dict[str, Handling] = {}

    def say(self, who: str, what: str) -> None:
        """Write a line of the timeline."""
        self.timeline.append((self.loop.now + self.suspended, who, what))

    def violate(self, invariant: str, what: str) -> None:
        """Take note that an invariant does not hold."""
        self.violations.append((invariant, what))
        self.say("INVARIANT", f"{invariant}: {what}")

    def has_courier(self, order_id: str) -> bool:
        """Return whether the vendor has a delivery of an order."""
        return any(record.external_order_id == order_id for record in self.vendor.deliveries.values())

    def begin_handling(self, event_id: str, process: Process | None) -> int:
        """Take note that the handler runs for an event."""
        known = self.handled.setdefault(event_id, Handling())
        if known.running is not None and known.running.is_alive:
            self.violate("at most one handler at a time", event_id)
        known.running = process
        known.attempts += 1
        known.first_at = known.first_at or self.vendor.clock.now()
        return known.attempts

    def end_handling(self, event_id: str, *, succeeded: bool) -> None:
        """Take note that a run of the handler has ended."""
        known = self.handled[event_id]
        known.running = None
        known.succeeded += succeeded

    def lines(self) -> list[str]:
        """Return the timeline, with what the vendor saw."""
        seen = [(one.at - EPOCH, "vendor", str(one)) for one in self.vendor.requests]
        sent = [
            (one.at - EPOCH, "webhook", f"{one.event_id} attempt {one.attempt} -> {one.status or one.error}")
            for one in self.vendor.webhook_attempts
        ]
        everything = sorted([*self.timeline, *seen, *sent], key=lambda line: line[0])
        lines = [f"{at:12.3f}  {who:<10} {what}" for at, who, what in everything]
        return [line.replace(str(self.file.parent), "") for line in lines]

    def hours(self) -> float:
        """Return how much time has passed for the vendor."""
        return (self.loop.now + self.suspended) / 3600

    def digest(self) -> str:
        """Return what two runs of one seed have in common."""
        return hashlib.sha256("\n".join(self.lines()).encode()).hexdigest()[:16]

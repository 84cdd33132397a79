"""What goes wrong in a world, as data drawn from its seed: a list of faults, any of which can be left out."""

from __future__ import annotations

import random
from enum import StrEnum
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

BUSY_TIME = 120.0
"""Seconds in which the shop takes orders and faults begin."""

HOUR = 3600.0


class Kind(StrEnum):
    """What happens; the comments say what `Fault.amount` means."""

    RESET = "all connections are reset"
    CUT_REQUEST = "requests are cut"  # after which share of the bytes
    CUT_RESPONSE = "responses are cut"  # after which share of the bytes
    SILENCE = "the network swallows what is sent"
    REFUSAL = "no connection is accepted"
    LATENCY = "messages are late"  # by how many seconds, at most
    UNASKED = "the server sends what nobody asked for"  # which of the texts
    DEPLOY = "the vendor deploys: 502 from a gateway, and lost connections"
    LOST_RESPONSES = "the vendor acts and resets"  # with which chance
    STALLED_RESPONSES = "the vendor acts and stays silent"  # with which chance
    STORMS = "the vendor fails"  # with which chance
    RATE_LIMIT = "the vendor limits the rate"  # requests a second
    PAUSE = "the vendor asks for a pause"  # of how many seconds
    LATE_WEBHOOKS = "webhooks are late and out of order"  # by how many seconds
    REPEATED_WEBHOOKS = "webhooks come twice"
    LOST_WEBHOOKS = "webhooks get lost"  # with which chance
    FALSE_WEBHOOKS = "webhooks are forged"  # with which chance
    ROTATION = "the API key is rotated"  # seconds for which the old one is accepted still
    CLOCK_STEP = "the shop's clock is set"  # by how many seconds
    SUSPENSION = "the shop's machine is suspended"  # for how many seconds
    DISK_FAILURE = "a statement fails"  # which one from now
    DISK_LOCKED = "another program writes to the database"
    DISK_SLOW = "the disk is slow"  # by how many seconds
    DISK_FULL = "the disk is full"
    KILL_SERVICE = "the web service is killed"  # after how many steps
    KILL_BULK = "the bulk job is killed"  # after how many steps
    KILL_IN_STATEMENT = "a process is killed in a transaction"  # at which statement from now
    STOP_SERVICE = "the web service is stopped and started again"


@attrs.frozen
class Fault:
    """One thing that goes wrong."""

    at: float
    """Seconds from the beginning, without those in which the machine was suspended."""
    kind: Kind
    seconds: float
    """How long it lasts, or a process is away; 0 for what happens at once."""
    amount: float

    def __str__(self) -> str:
        return f"at {self.at:.2f} s for {self.seconds:.1f} s: {self.kind} ({self.amount:.2f})"


def draw_schedule(seed: int) -> tuple[Fault, ...]:
    """Draw the faults of a world: none to sixteen, in the order in which they begin."""
    draw = random.Random(f"{seed}/faults")
    count = min(16, int(draw.expovariate(1 / 7)) + (draw.random() < 0.95))
    faults = [_draw_fault(draw) for _ in range(count)]
    return tuple(sorted(faults, key=lambda fault: fault.at))


def _draw_fault(draw: random.Random) -> Fault:
    kind = draw.choice([*Kind, *_OFTEN])
    return Fault(
        at=draw.uniform(0.0, BUSY_TIME),
        kind=kind,
        seconds=_SECONDS.get(kind, _briefly)(draw),
        amount=_AMOUNTS.get(kind, _at_once)(draw),
    )


def _briefly(draw: random.Random) -> float:
    return draw.choice([draw.uniform(0.5, 5.0), draw.uniform(5.0, 60.0)])


def _at_once(_: random.Random) -> float:
    return 0.0


def _away(draw: random.Random) -> float:
    """Draw for how long a process stays away: about a key's life, now and then."""
    return draw.choice([draw.uniform(0.1, 5.0), draw.uniform(5.0, 120.0), draw.uniform(22.5 * HOUR, 25 * HOUR)])


def _asleep(draw: random.Random) -> float:
    return draw.choice([draw.uniform(1.0, 600.0), draw.uniform(22.5 * HOUR, 25 * HOUR)])


def _between(low: float, high: float) -> Callable[[random.Random], float]:
    return lambda draw: draw.uniform(low, high)


def _whole(low: int, high: int) -> Callable[[random.Random], float]:
    return lambda draw: draw.randint(low, high)


_OFTEN = (
    Kind.LOST_RESPONSES, Kind.STALLED_RESPONSES, Kind.SILENCE, Kind.SUSPENSION, Kind.KILL_SERVICE, Kind.KILL_BULK,
)  # fmt: skip
"""Those that leave something open happen twice as often as others."""

_SECONDS: dict[Kind, Callable[[random.Random], float]] = {
    Kind.RESET: _at_once,
    Kind.UNASKED: _at_once,
    Kind.CLOCK_STEP: _at_once,
    Kind.DISK_FAILURE: _at_once,
    Kind.ROTATION: _at_once,
    Kind.SUSPENSION: _at_once,
    Kind.KILL_SERVICE: _away,
    Kind.KILL_BULK: _away,
    Kind.KILL_IN_STATEMENT: _away,
    Kind.STOP_SERVICE: _away,
}

_AMOUNTS: dict[Kind, Callable[[random.Random], float]] = {
    Kind.CUT_REQUEST: _between(0.0, 1.0),
    Kind.CUT_RESPONSE: _between(0.0, 1.0),
    Kind.LATENCY: _between(0.5, 12.0),
    Kind.UNASKED: _whole(0, 2),
    Kind.LOST_RESPONSES: _between(0.3, 1.0),
    Kind.STALLED_RESPONSES: _between(0.3, 1.0),
    Kind.STORMS: _between(0.3, 1.0),
    Kind.RATE_LIMIT: _between(0.5, 5.0),
    Kind.PAUSE: _whole(0, 20),
    Kind.LATE_WEBHOOKS: _between(1.0, 40.0),
    Kind.LOST_WEBHOOKS: _between(0.3, 1.0),
    Kind.FALSE_WEBHOOKS: _between(0.3, 1.0),
    Kind.ROTATION: _between(0.0, 60.0),
    Kind.CLOCK_STEP: _between(-600.0, 600.0),
    Kind.SUSPENSION: _asleep,
    Kind.DISK_FAILURE: _whole(0, 40),
    Kind.DISK_SLOW: _between(0.1, 8.0),
    Kind.KILL_SERVICE: _whole(0, 150),
    Kind.KILL_BULK: _whole(0, 150),
    Kind.KILL_IN_STATEMENT: _whole(0, 30),
}

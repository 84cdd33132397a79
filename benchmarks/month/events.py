"""What happens in the month, as data: drawn from a seed, one event after another."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence


class Kind(StrEnum):
    """What happens."""

    MOVE = "the name moves to another host"
    FAILOVER = "the host fails, and later the name moves to another"
    NAMES = "no host name can be looked up"
    PAGE = "a gateway sends a page of its own"
    THROTTLE = "every request gets a 429"
    ROTATION = "the API key is rotated"
    CLOCK = "the machine's clock is stepped"
    SUSPENSION = "the machine is suspended"
    ROUTE = "the first of two addresses does not respond"
    CUT = "open connections swallow what is sent"
    RESET = "open connections are reset"


class Fate(Enum):
    """How a host fares."""

    SERVES = "serves on"
    FAILS = "responds with 503"
    REFUSES = "resets and refuses connections"
    SWALLOWS = "swallows what is sent, without a reset"


@attrs.frozen(kw_only=True)
class RetryAfter:
    """A value of ``Retry-After`` and the seconds for which a client that keeps within an hour may stay away."""

    text: Callable[[float], str]
    """Writes it down, given the time of day in Unix seconds."""
    seconds: float


def _fixed(text: str, seconds: float) -> RetryAfter:
    return RetryAfter(text=lambda _now: text, seconds=seconds)


HOUR = 3600.0

RETRY_AFTERS = (
    _fixed("7", 7),
    _fixed("90", 90),
    _fixed("2.5", 2.5),
    _fixed("0", 1),
    _fixed("86400000", HOUR),
    _fixed("99999999999999999999", HOUR),
    _fixed("Fri, 31 Dec 2099 23:59:59 GMT", HOUR),
    _fixed("Fri, 01 Jan 1999 00:00:00 GMT", 1),
    _fixed("-5", 1),
    _fixed("soon", 1),
    _fixed("120, 120", 120),
    _fixed("", 1),
    RetryAfter(text=lambda now: str(int(now) + 30), seconds=31),
    RetryAfter(text=lambda now: str(int(now + 30) * 1000), seconds=31),
)


@attrs.frozen(kw_only=True)
class Page:
    """A response that is not the API's."""

    status: int
    body: str
    retry_after: RetryAfter | None = None


PAGES = (
    Page(status=200, body="<html>Maintenance</html>"),
    Page(status=404, body="default backend - 404"),
    Page(status=403, body="<html>Forbidden</html>"),
    Page(status=302, body=""),
    Page(status=408, body=""),
    Page(status=502, body="<html>Bad Gateway</html>"),
    Page(status=503, body="<html>Back soon</html>", retry_after=RETRY_AFTERS[1]),
    Page(status=503, body="<html>Back soon</html>", retry_after=RETRY_AFTERS[4]),
)


@attrs.frozen(kw_only=True)
class Event:
    """One event."""

    at: float
    """Seconds from the beginning of the month, without those in which the machine was suspended."""
    kind: Kind
    seconds: float
    """How long it lasts; 0 for what happens at once."""
    detail: Fate | Page | RetryAfter | float | bool | None = None


_DETAILS: dict[Kind, Sequence[Fate | Page | RetryAfter | float | bool | None]] = {
    Kind.MOVE: list(Fate),
    Kind.FAILOVER: [Fate.FAILS, Fate.REFUSES, Fate.SWALLOWS],
    Kind.NAMES: [True, False],  # whether the name server says so, or stays silent
    Kind.PAGE: PAGES,
    Kind.THROTTLE: RETRY_AFTERS,
    Kind.ROTATION: [True, True, False],  # whether the old key is accepted until the new one is in use
    Kind.CLOCK: [-86_400.0, -90.0, 90.0, 86_400.0],
    Kind.SUSPENSION: [60.0, 8 * 3600.0],
    Kind.ROUTE: [None],
    Kind.CUT: [None, None, None],
    Kind.RESET: [None],
}
_AT_ONCE = {Kind.CLOCK, Kind.SUSPENSION, Kind.CUT, Kind.RESET}


def draw_events(draw: random.Random, *, days: float, rounds: int) -> list[Event]:
    """Draw the events of so many days; in each round everything happens once, in another order."""
    count = rounds * sum(map(len, _DETAILS.values()))
    share = days * 86_400 / (count + 1)
    events: list[Event] = []
    for _ in range(rounds):
        kinds = [(kind, detail) for kind, details in _DETAILS.items() for detail in details]
        draw.shuffle(kinds)
        for kind, detail in kinds:
            at = share * (len(events) + 0.5 + 0.3 * draw.random())
            seconds = 0.0 if kind in _AT_ONCE else min(share * 0.5, draw.uniform(60, 1800))
            events.append(Event(at=at, kind=kind, seconds=seconds, detail=detail))
    return events

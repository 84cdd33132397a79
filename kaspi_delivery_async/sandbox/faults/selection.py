"""Which fault happens next: a pure decision, and the list that holds what may still happen."""

import asyncio
import math
import random
import threading
from collections.abc import Callable, Hashable, Iterator

import attrs

from kaspi_delivery_async.sandbox.faults.fault import Fault, FaultKind, parse_fault

_DELAYS = frozenset({FaultKind.LATENCY, FaultKind.DELAY})
"""Kinds that go together with another fault."""


@attrs.frozen
class ArmedFault:
    """A fault with what is left of it."""

    fault: Fault
    left: int | None
    """How often it can still happen."""
    tokens: float
    """Of a rate limit: the requests that could come at once, as of ``at``."""
    at: float = 0.0
    number: int = 0
    """Names it among the faults of its sandbox."""


@attrs.frozen
class Happening:
    """A fault that happens now."""

    fault: Fault
    wait: float = 0.0
    """Seconds until the next request may be made, where that is not a setting of the fault."""
    delay: Fault | None = None
    """A latency or delay that comes with it."""

    @property
    def text(self) -> str:
        """The text form of everything that happens."""
        return str(self.fault) if self.delay is None else f"{self.delay} + {self.fault}"

    @property
    def seconds(self) -> float:
        """Seconds by which it is late."""
        late = self.fault if self.fault.kind in _DELAYS else self.delay
        return (late and late.seconds) or 0.0

    @property
    def retry_after(self) -> int | None:
        """Whole seconds to name in ``Retry-After``."""
        return max(1, math.ceil(self.wait)) if self.wait > 0 else self.fault.retry_after


def arm(fault: Fault, number: int = 0) -> ArmedFault:
    """Make a fault ready to happen."""
    return ArmedFault(fault, fault.count, fault.burst or 0.0, number=number)


def decide(
    armed: tuple[ArmedFault, ...],
    target: str,
    *,
    now: float,
    draw: Callable[[], float],
    order: str | None = None,
    key: str | None = None,
) -> tuple[Happening | None, tuple[ArmedFault, ...]]:
    """Decide which fault happens to a request or attempt: the first whose turn it is, in the order they were added.

    Args:
        armed: What may happen.
        target: The operation or event type.
        now: The client's time in seconds, for rate limits.
        draw: Returns a random number in [0, 1).
        order: The order that it is about, if known.
        key: Its idempotency key.

    Returns:
        What happens, if anything, and what may happen afterwards.

    """
    after = list(armed)
    for position, one in enumerate(armed):
        fault = one.fault
        if not fault.matches(target, order=order, key=key) or (
            fault.probability < 1 and draw() >= fault.probability
        ):  # fmt: skip
            continue
        happening, after[position] = _fire(one, now)
        if happening is not None:
            return happening, tuple(each for each in after if each.left != 0)
    return None, tuple(after)


def _fire(armed: ArmedFault, now: float) -> tuple[Happening | None, ArmedFault]:
    fault = armed.fault
    wait = 0.0
    if fault.rate is not None and fault.burst is not None:
        tokens = min(fault.burst, armed.tokens + (now - armed.at) * fault.rate)
        if tokens >= 1:
            return None, attrs.evolve(armed, tokens=tokens - 1, at=now)
        armed = attrs.evolve(armed, tokens=tokens, at=now)
        wait = (1 - tokens) / fault.rate
    left = None if armed.left is None else armed.left - 1
    return Happening(fault, wait), attrs.evolve(armed, left=left)


@attrs.define
class _Closed:
    """Until when a 429 keeps requests out: the time that its ``Retry-After`` named."""

    fault: Fault
    until: float
    named: dict[Hashable, float] = attrs.field(factory=dict[Hashable, float])
    """The same of each request: one that comes before the time it was given itself is refused, too."""

    def seconds_left(self, who: Hashable, now: float) -> float:
        return max(self.until, self.named.get(who, 0.0)) - now


class Faults:
    """The faults in force. Chances are drawn from the seed, in the order in which requests and attempts come.

    Any thread may add and remove them.
    """

    def __init__(self, *, seed: int) -> None:
        """Begin without any fault."""
        self._draw = random.Random(f"{seed}/faults").random
        self._armed: tuple[ArmedFault, ...] = ()
        self._closed: list[_Closed] = []
        self._numbers = 0
        self._changing = threading.Lock()

    def add(self, fault: Fault | str) -> Fault:
        """Put a fault into force, given as such or in the text form of `parse_fault`; requests meet them in order.

        Raises:
            FaultError: The text is no fault.

        """
        return self.arm(fault).fault

    def arm(self, fault: Fault | str) -> ArmedFault:
        """Do as `add`, and return the fault with its number."""
        added = parse_fault(fault) if isinstance(fault, str) else fault
        with self._changing:
            self._numbers += 1
            armed = arm(added, self._numbers)
            self._armed = (*self._armed, armed)
        return armed

    def remove(self, fault: Fault | str | int) -> bool:
        """Take one fault back, named by itself, its text or its number; return whether it was in force."""
        with self._changing:
            wanted = parse_fault(fault) if isinstance(fault, str) else fault
            found = next((each for each in self._armed if wanted in {each.fault, each.number}), None)
            if found is not None:
                self._armed = tuple(each for each in self._armed if each is not found)
                self._closed = [each for each in self._closed if each.fault is not found.fault]
        return found is not None

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        with self._changing:
            self._armed = ()
            self._closed = []

    def pick(
        self, target: str, *, who: Hashable = None, order: str | None = None, key: str | None = None
    ) -> Happening | None:
        """Take the fault that happens to a request or attempt, if any; ``who`` recognises a repeated request."""
        if not self._armed and not self._closed:
            return None
        now = asyncio.get_running_loop().time()
        with self._changing:
            closed = self._still_closed(target, who=who, order=order, key=key, now=now)
            if closed is not None:
                return closed
            delay = self._take(_DELAYS.__contains__, target, now=now, order=order, key=key)
            happening = self._take(lambda kind: kind not in _DELAYS, target, now=now, order=order, key=key)
            if happening is None:
                return delay
            if _status(happening.fault) == 429 and happening.retry_after:
                self._closed.append(_Closed(happening.fault, now + happening.retry_after))
            return happening if delay is None else attrs.evolve(happening, delay=delay.fault)

    def remaining(self) -> tuple[ArmedFault, ...]:
        """Return what may still happen, with how often."""
        return self._armed

    @property
    def are_aimed_at_orders(self) -> bool:
        """Whether one of them has to know the order of a request."""
        return any(one.fault.order is not None for one in self._armed) or any(
            one.fault.order is not None for one in self._closed
        )

    def __iter__(self) -> Iterator[Fault]:
        return iter([one.fault for one in self._armed])

    def __len__(self) -> int:
        return len(self._armed)

    def __repr__(self) -> str:
        return f"<{len(self)} in force: [{', '.join(map(str, self))}]>"

    def _take(
        self, wanted: Callable[[FaultKind], bool], target: str, *, now: float, order: str | None, key: str | None
    ) -> Happening | None:
        considered = tuple(each for each in self._armed if wanted(each.fault.kind))
        if not considered:
            return None
        happening, after = decide(considered, target, now=now, draw=self._draw, order=order, key=key)
        left = {each.number: each for each in after}
        self._armed = tuple(
            left.get(each.number, each)
            for each in self._armed
            if each.number in left or not wanted(each.fault.kind)
        )  # fmt: skip
        return happening

    def _still_closed(
        self, target: str, *, who: Hashable, order: str | None, key: str | None, now: float
    ) -> Happening | None:
        self._closed = [each for each in self._closed if each.until > now or any(t > now for t in each.named.values())]
        for closed in self._closed:
            wait = closed.seconds_left(who, now)
            if wait > 0 and closed.fault.matches(target, order=order, key=key):
                happening = Happening(closed.fault, wait)
                closed.named[who] = now + max(1, math.ceil(wait))
                return happening
        return None


def _status(fault: Fault) -> int | None:
    return 429 if fault.kind is FaultKind.RATE_LIMIT else fault.status

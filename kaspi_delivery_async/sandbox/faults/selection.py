"""Which fault happens next: a pure decision, and the list that holds what may still happen."""

import asyncio
import random
from collections.abc import Callable, Iterator

import attrs

from kaspi_delivery_async.sandbox.faults.fault import Fault, parse_fault


@attrs.frozen
class ArmedFault:
    """A fault with what is left of it."""

    fault: Fault
    left: int | None
    """How often it can still happen."""
    tokens: float
    """Of a rate limit: the requests that could come at once, as of ``at``."""
    at: float = 0.0


@attrs.frozen
class Happening:
    """A fault that happens now."""

    fault: Fault
    wait: float = 0.0
    """Of a rate limit: seconds until the next request may be made."""


def arm(fault: Fault) -> ArmedFault:
    """Make a fault ready to happen."""
    return ArmedFault(fault, fault.count, fault.burst or 0.0)


def decide(
    armed: tuple[ArmedFault, ...], target: str, *, now: float, draw: Callable[[], float]
) -> tuple[Happening | None, tuple[ArmedFault, ...]]:
    """Decide which fault happens to a request or attempt: the first whose turn it is, in the order they were added.

    Args:
        armed: What may happen.
        target: The operation or event type.
        now: The client's time in seconds, for rate limits.
        draw: Gives a random number in [0, 1).

    Returns:
        What happens, if anything, and what may happen afterwards.

    """
    after = list(armed)
    for position, one in enumerate(armed):
        if not one.fault.matches(target) or (one.fault.probability < 1 and draw() >= one.fault.probability):
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


class Faults:
    """The faults in force. Chances are drawn from the seed, in the order in which requests and attempts come."""

    def __init__(self, *, seed: int) -> None:
        """Begin without any fault."""
        self._draw = random.Random(f"{seed}/faults").random
        self._armed: tuple[ArmedFault, ...] = ()

    def add(self, fault: Fault | str) -> Fault:
        """Put a fault into force, given as such or in the text form of `parse_fault`; requests meet them in order.

        Raises:
            FaultError: The text is no fault.

        """
        added = parse_fault(fault) if isinstance(fault, str) else fault
        self._armed = (*self._armed, arm(added))
        return added

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self._armed = ()

    def pick(self, target: str) -> Happening | None:
        """Take the fault that happens to this request or attempt, if any."""
        if not self._armed:
            return None
        happening, self._armed = decide(self._armed, target, now=asyncio.get_running_loop().time(), draw=self._draw)
        return happening

    def remaining(self) -> tuple[ArmedFault, ...]:
        """List what may still happen, with how often."""
        return self._armed

    def __iter__(self) -> Iterator[Fault]:
        return iter([one.fault for one in self._armed])

    def __len__(self) -> int:
        return len(self._armed)

"""The life of a delivery as data: its statuses, the moves between them, and the events that report them."""

from collections.abc import Mapping
from types import MappingProxyType

SEQUENCE = ("created", "accepted", "in_transit", "out_for_delivery", "delivered")
"""The statuses of a delivery that arrives, in order. Source: GS, CD."""

CANCELLED = "cancelled"

CANCELLABLE = frozenset({"created", "accepted"})
"""Before the pickup is complete. Source: GS, CD."""

STATUSES = (*SEQUENCE, CANCELLED)

EVENT_TYPES: Mapping[str, str] = MappingProxyType({status: f"delivery.{status}" for status in STATUSES})
"""The event that reports each status. Source: WE, WH."""


class ImpossibleMoveError(ValueError):
    """A delivery was asked to go where its present status does not lead."""


def moves(current: str, target: str) -> tuple[str, ...]:
    """List the statuses a delivery passes through from ``current`` to ``target``, the target included.

    Raises:
        ImpossibleMoveError: The target is unknown, already reached, or behind a status that ends the delivery.

    """
    if target == CANCELLED and current in CANCELLABLE:
        return (CANCELLED,)
    if target not in STATUSES:
        raise ImpossibleMoveError(f"{target!r} is no status of a delivery; known are {', '.join(STATUSES)}")
    if current in SEQUENCE and target in SEQUENCE:
        here, there = SEQUENCE.index(current), SEQUENCE.index(target)
        if here < there:
            return SEQUENCE[here + 1 : there + 1]
    raise ImpossibleMoveError(f"a delivery that is {current} cannot become {target}")

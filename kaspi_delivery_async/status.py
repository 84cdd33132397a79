"""The delivery's state machine as data: the statuses, the allowed moves, the terminal ones (Source: GS CD).

::

    created ─► accepted ─► in_transit ─► out_for_delivery ─► delivered
       └──────────┴─► cancelled

Polls and webhooks arrive late, twice, or not at all, so a status may be skipped on the way, and *reached* means at or
past. A status that this version does not know has no rank in the sequence and ends nothing.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from kaspi_delivery_async.models import DeliveryStatus

SEQUENCE = (
    DeliveryStatus.CREATED,
    DeliveryStatus.ACCEPTED,
    DeliveryStatus.IN_TRANSIT,
    DeliveryStatus.OUT_FOR_DELIVERY,
    DeliveryStatus.DELIVERED,
)
"""The statuses of a delivery that succeeds, in order (Source: GS)."""

MOVES: Mapping[DeliveryStatus, frozenset[DeliveryStatus]] = MappingProxyType({
    DeliveryStatus.CREATED: frozenset({DeliveryStatus.ACCEPTED, DeliveryStatus.CANCELLED}),
    DeliveryStatus.ACCEPTED: frozenset({DeliveryStatus.IN_TRANSIT, DeliveryStatus.CANCELLED}),
    DeliveryStatus.IN_TRANSIT: frozenset({DeliveryStatus.OUT_FOR_DELIVERY}),
    DeliveryStatus.OUT_FOR_DELIVERY: frozenset({DeliveryStatus.DELIVERED}),
    DeliveryStatus.DELIVERED: frozenset(),
    DeliveryStatus.CANCELLED: frozenset(),
})  # fmt: skip
"""What may follow each status (Source: GS CD)."""

CANCELLABLE = frozenset(status for status, following in MOVES.items() if DeliveryStatus.CANCELLED in following)
"""Statuses in which a delivery can be cancelled: until pickup completes (Source: CD)."""

TERMINAL = frozenset(status for status, following in MOVES.items() if not following)
"""Statuses that nothing follows."""

UNKNOWN_RANK = -1

_RANK = {status: rank for rank, status in enumerate(SEQUENCE)}


def is_terminal(status: DeliveryStatus) -> bool:
    """Whether nothing can follow ``status``; an unknown status is never terminal."""
    return status in TERMINAL


def is_reached(target: DeliveryStatus, *, at: DeliveryStatus) -> bool:
    """Whether a delivery that is ``at`` one status has reached ``target`` or gone past it.

    A cancelled delivery has reached nothing but `DeliveryStatus.CANCELLED`; a status outside the
    sequence is reached only by being there.
    """
    if at == target:
        return True
    rank, goal = _RANK.get(at), _RANK.get(target)
    return rank is not None and goal is not None and rank >= goal


def is_news(status: DeliveryStatus, *, seen: Iterable[DeliveryStatus]) -> bool:
    """Whether ``status`` is a step forward for a delivery that has been through ``seen``.

    Duplicates, statuses that the delivery has already gone past and anything after a terminal status are not.
    """
    return all(status != known and not is_terminal(known) and not is_reached(status, at=known) for known in seen)


def rank(status: DeliveryStatus) -> int:
    """Return a number to sort statuses by: along the sequence, `DeliveryStatus.CANCELLED` last, unknown ones first."""
    return len(SEQUENCE) if status == DeliveryStatus.CANCELLED else _RANK.get(status, UNKNOWN_RANK)

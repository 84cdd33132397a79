"""The delivery's state machine, as data: which statuses there are, what may follow what, what ends it (Source: GS CD).

::

    created ─► accepted ─► in_transit ─► out_for_delivery ─► delivered
       └──────────┴─► cancelled

Observers see this machine through polls and webhooks that come late, twice, or not at all, so a
status may be skipped on the way, and *reached* means at or past. A status that this version does
not know has no place in the order and ends nothing.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from kaspi_delivery_async.models import DeliveryStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SEQUENCE = (
    DeliveryStatus.CREATED,
    DeliveryStatus.ACCEPTED,
    DeliveryStatus.IN_TRANSIT,
    DeliveryStatus.OUT_FOR_DELIVERY,
    DeliveryStatus.DELIVERED,
)
"""The way to the door, in order (Source: GS)."""

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
"""From where a delivery can still be cancelled: until pickup completes (Source: CD)."""

TERMINAL = frozenset(status for status, following in MOVES.items() if not following)
"""Nothing follows these."""

_RANK = {status: rank for rank, status in enumerate(SEQUENCE)}


def is_terminal(status: DeliveryStatus) -> bool:
    """Whether nothing can follow ``status``; an unknown status is never terminal."""
    return status in TERMINAL


def is_reached(target: DeliveryStatus, *, at: DeliveryStatus) -> bool:
    """Whether a delivery that is ``at`` one status has come to ``target`` or past it.

    A cancelled delivery has reached nothing but `DeliveryStatus.CANCELLED`; a status outside the
    sequence is reached only by being there.
    """
    if at == target:
        return True
    rank, goal = _RANK.get(at), _RANK.get(target)
    return rank is not None and goal is not None and rank >= goal


def is_news(status: DeliveryStatus, *, seen: Iterable[DeliveryStatus]) -> bool:
    """Whether ``status`` moves on a delivery of which the statuses ``seen`` are known.

    Duplicates, statuses that the delivery has already gone past and anything after a terminal
    status are no news.
    """
    return all(status != known and not is_terminal(known) and not is_reached(status, at=known) for known in seen)


def place(status: DeliveryStatus) -> int:
    """Return a number to sort statuses by: in their sequence, `DeliveryStatus.CANCELLED` last, unknown ones first."""
    if status == DeliveryStatus.CANCELLED:
        return len(SEQUENCE)
    return _RANK.get(status, -1)

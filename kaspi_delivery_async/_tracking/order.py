"""The order of status changes: that of the state machine, not of clocks."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from operator import itemgetter

from kaspi_delivery_async._tracking.hub import StatusChange
from kaspi_delivery_async.models import Delivery, DeliveryStatus
from kaspi_delivery_async.status import CANCELLABLE, SEQUENCE, UNKNOWN_RANK, is_news, is_reached, is_terminal, rank

_LONG_AGO = datetime(1, 1, 2, tzinfo=UTC)


def changes_in(delivery: Delivery, others: Iterable[StatusChange] = ()) -> list[StatusChange]:
    """List the statuses of a delivery's history and of ``others`` in order, its present status among them."""
    history = [
        StatusChange(delivery_id=delivery.delivery_id, status=entry.status, timestamp=entry.timestamp)
        for entry in delivery.history or ()
    ]
    present = StatusChange(delivery_id=delivery.delivery_id, status=delivery.status)
    return in_order([*in_order(history), *others, present])


def in_order(changes: Sequence[StatusChange]) -> list[StatusChange]:
    """Sort changes by the state machine, not by clocks: hosts' clocks differ, and statuses may share a second.

    A status that is not known comes after the known ones that it follows: by time, else as listed, from either end.
    Only among unknown ones do times decide.
    """
    listed = list(changes)
    known_ranks = [at for change in listed if (at := rank(change.status)) != UNKNOWN_RANK]
    if known_ranks and known_ranks[0] > known_ranks[-1]:  # the newest is listed first
        listed.reverse()
    placed: list[tuple[tuple[int, bool, bool, datetime, int], StatusChange]] = []
    highest = UNKNOWN_RANK
    for index, change in enumerate(listed):
        at = rank(change.status)
        is_unknown, moment = at == UNKNOWN_RANK, _LONG_AGO
        if is_unknown:
            at, moment = _rank_before(change, listed, otherwise=highest), change.timestamp or _LONG_AGO
        elif not is_terminal(change.status):
            highest = max(highest, at)
        placed.append(((at, is_unknown, change.timestamp is None, moment, index), change))
    return [change for _, change in sorted(placed, key=itemgetter(0))]


def _rank_before(change: StatusChange, listed: Iterable[StatusChange], *, otherwise: int) -> int:
    """Return the highest rank that an unknown status follows by time, or ``otherwise`` if times do not show it."""
    times = {
        rank(one.status): one.timestamp
        for one in listed
        if one.timestamp is not None and rank(one.status) != UNKNOWN_RANK and not is_terminal(one.status)
    }
    if change.timestamp is None or not times:
        return otherwise
    return max((at for at, timestamp in times.items() if timestamp <= change.timestamp), default=UNKNOWN_RANK)


def leaves_gap(status: DeliveryStatus, *, seen: Collection[DeliveryStatus]) -> bool:
    """Whether a delivery may have reached ``status`` through statuses that were not seen and are still news."""
    is_cancelled = status == DeliveryStatus.CANCELLED
    passed = CANCELLABLE if is_cancelled else [earlier for earlier in SEQUENCE if is_reached(earlier, at=status)]
    return any(earlier != status and is_news(earlier, seen=seen) for earlier in passed)

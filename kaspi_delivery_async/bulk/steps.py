"""What to do about an order of the input, before it is sent: pure decisions over what the journal holds."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

import attrs

from kaspi_delivery_async._exactly_once.decisions import is_young
from kaspi_delivery_async._exactly_once.states import UNFINISHED, OrderState

if TYPE_CHECKING:
    from kaspi_delivery_async.bulk.order import Order


class Step(Enum):
    """What is done about an order of the input."""

    SEND = auto()
    """It is sent; the journal says so already."""
    WAIT = auto()
    """Another run is sending it just now."""
    KNOWN = auto()
    """The journal holds its result; nothing is sent."""
    DOUBT = auto()
    """It may have arrived, and its key is too old."""
    OTHER_KEY = auto()
    """It may have arrived under another API key, whose account may not share idempotency keys with this one."""
    DUPLICATE = auto()
    """An earlier line of the same input names the same order."""
    CHANGED = auto()
    """The journal holds the order with another payload."""


@attrs.frozen(kw_only=True)
class Known:
    """An order as the journal holds it when a run meets it again."""

    state: OrderState = attrs.field(converter=OrderState)
    fingerprint: str
    run_id: str
    """The passage through an input that met it last."""
    place: str
    """Where in the input."""
    leased: bool
    """Whether a run that is alive is sending it."""
    sent_at: float | None
    """When it may first have left: Unix seconds."""
    account: str | None
    """Digest of the API key that it may first have left under; None if that is not known."""
    delivery_id: str | None
    tracking_url: str | None
    error: str | None


def next_step(order: Order, known: Known | None, *, run_id: str, account: str | None, now: float) -> Step:
    """Decide what to do about an order that the passage ``run_id`` through an input meets at ``now``, in Unix seconds.

    Lines that repeat an order of the same passage wait until it has ended, so that they are reported with its result.
    """
    if known is None:
        return Step.SEND
    is_unfinished = known.state in UNFINISHED
    if known.run_id == run_id and known.place != order.place:
        return Step.WAIT if is_unfinished and known.leased else Step.DUPLICATE
    if known.fingerprint != order.fingerprint:
        return Step.CHANGED
    if not is_unfinished:
        return Step.KNOWN
    if known.leased:
        return Step.WAIT
    if not is_young(known.sent_at, now=now):
        return Step.DOUBT
    if known.sent_at is not None and None not in {account, known.account} and account != known.account:
        return Step.OTHER_KEY
    return Step.SEND

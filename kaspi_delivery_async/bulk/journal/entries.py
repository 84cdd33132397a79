"""Entries and totals of a journal."""

from collections.abc import Mapping

import attrs

from kaspi_delivery_async._exactly_once.states import OrderState


@attrs.frozen(kw_only=True)
class JournalEntry:
    """An order in the journal; times are Unix seconds."""

    order_id: str
    key: str
    fingerprint: str
    state: OrderState = attrs.field(converter=OrderState)
    place: str
    sent_at: float | None
    """When it may first have left; the age of its key counts from here."""
    updated_at: float
    delivery_id: str | None
    tracking_url: str | None
    error: str | None


@attrs.frozen(kw_only=True)
class JournalTotals:
    """How many orders a journal holds."""

    environment: str | None
    """Host of the API that the orders are for; None while nothing was sent."""
    orders: Mapping[OrderState, int]
    """Number of orders in each state, also where it is 0."""
    oldest_sent_at: float | None
    """When the oldest order without a response may first have left: Unix seconds; None if there is none."""

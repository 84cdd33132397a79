"""Results of a bulk run: one for each order, and a notice for each pause."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from kaspi_delivery_async.bulk.order import OrderState
    from kaspi_delivery_async.errors import KaspiDeliveryError


@attrs.frozen(kw_only=True)
class Result:
    """What became of one line of the input in this run."""

    place: str
    """Where the order stands in the input."""
    order_id: str | None
    """None if the line could not be read."""
    state: OrderState
    """The order's state; ``failed`` for a line that was refused before anything was sent."""
    delivery_id: str | None = None
    tracking_url: str | None = None
    replayed: bool = False
    """Whether the API answered from its memory of the idempotency key (Source: GS AU)."""
    known: bool = False
    """Whether the journal knew the outcome before, so that nothing was sent now."""
    error: str | None = None
    """What went wrong, without personal data."""
    error_type: str | None = None
    """The error's class, by which errors can be counted, such as ``BadRequestError``."""


@attrs.frozen(kw_only=True)
class Paused:
    """The API asked to be left alone for longer than a call lasts; no order fails for it."""

    seconds: float
    """How long the run pauses."""
    cause: KaspiDeliveryError
    """What the API, or the client that waits for it, said."""

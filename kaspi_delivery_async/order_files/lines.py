"""Lines of an input: an order, or the reason why it is none, with its place."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import TYPE_CHECKING, cast

import attrs

from kaspi_delivery_async._wire.text import storable
from kaspi_delivery_async.models import DeliveryRequest

if TYPE_CHECKING:
    from kaspi_delivery_async.errors import InvalidRequestError
    from kaspi_delivery_async.models import DeliveryRequest


@attrs.frozen(kw_only=True)
class Line:
    """One order of an input, or what is wrong with it."""

    place: str = attrs.field(converter=storable)
    """Where it stands, for people, such as ``orders.csv, line 17``."""
    order: DeliveryRequest | InvalidRequestError = attrs.field(repr=False)


async def as_lines(
    orders: AsyncIterable[DeliveryRequest | Line] | Iterable[DeliveryRequest | Line],
) -> AsyncIterator[Line]:
    """Read any source of orders; one that names no places is counted from 1."""
    number = 0
    if isinstance(orders, AsyncIterable):
        async for order in orders:
            number += 1
            yield _line(order, number)
    else:
        for order in orders:
            number += 1
            yield _line(order, number)


def _line(order: object, number: int) -> Line:
    return order if isinstance(order, Line) else Line(place=f"order {number}", order=cast("DeliveryRequest", order))

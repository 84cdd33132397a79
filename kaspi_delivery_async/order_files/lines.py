"""Lines of an input: an order or what is wrong with it, and its place."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import cast

import attrs

from kaspi_delivery_async._wire.text import storable
from kaspi_delivery_async.errors import InvalidRequestError
from kaspi_delivery_async.models import DeliveryRequest


@attrs.frozen(kw_only=True)
class Line:
    """One order of an input, or what is wrong with it."""

    place: str = attrs.field(converter=storable)
    """Its place for people, such as ``orders.csv, line 17``."""
    order: DeliveryRequest | InvalidRequestError = attrs.field(repr=False)
    warnings: tuple[str, ...] = ()
    """What is doubtful about it, with its place in the file."""


async def as_lines(
    orders: AsyncIterable[DeliveryRequest | Line] | Iterable[DeliveryRequest | Line],
) -> AsyncIterator[Line]:
    """Yield the lines of any source of orders; orders without a place are counted from 1.

    A synchronous iterable is read on the event loop; an order file is not, because it is asynchronous, too.
    """
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

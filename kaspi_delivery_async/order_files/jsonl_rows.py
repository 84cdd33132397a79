"""Orders from JSON Lines, one object a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaspi_delivery_async.errors import InvalidRequestError
from kaspi_delivery_async.models import DeliveryRequest, checked_order, from_json
from kaspi_delivery_async.order_files.fields.cells import order_id_problem
from kaspi_delivery_async.order_files.lines import Line
from kaspi_delivery_async.order_files.tables.rows import place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def read_json_lines(lines: Iterator[str], path: Path) -> Iterator[Line]:
    """Yield the order of each line; a line that is none yields its error."""
    number = 0
    for number, text in enumerate(lines, start=1):
        if text.strip():
            where = place(path, number)
            order: DeliveryRequest | InvalidRequestError
            try:
                order = _order(text)
            except InvalidRequestError as error:
                order = InvalidRequestError(where, str(error))
            yield Line(place=where, order=order)
    if number == 0:
        raise InvalidRequestError(path.name, "is empty; expected one order as JSON on each line")


def _order(text: str) -> DeliveryRequest:
    order = from_json(DeliveryRequest, text)
    problem = order_id_problem(order.external_order_id)
    if problem is not None:
        raise InvalidRequestError("$.externalOrderId", problem)
    return checked_order(order)

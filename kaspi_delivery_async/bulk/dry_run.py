"""Checks an input without sending anything."""

import sqlite3
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import closing

from kaspi_delivery_async.bulk.order import prepare
from kaspi_delivery_async.errors import InvalidRequestError, StorageError
from kaspi_delivery_async.models import DeliveryRequest
from kaspi_delivery_async.order_files.lines import Line, as_lines


async def check_orders(
    orders: AsyncIterable[DeliveryRequest | Line] | Iterable[DeliveryRequest | Line],
) -> AsyncGenerator[InvalidRequestError | None]:
    """Yield for each line what is wrong with it, or None; nothing is sent.

    A line that repeats the order of an earlier one is wrong. Raises what iterating over the input raises, and
    `StorageError` if there is no room for a list of the orders.
    """
    # An empty name is a temporary database: SQLite moves it to the disk when it grows.
    with closing(sqlite3.connect("")) as seen:
        seen.execute("CREATE TABLE seen (key TEXT PRIMARY KEY, place TEXT) WITHOUT ROWID")
        async for line in as_lines(orders):
            try:
                problem = _problem(line, seen)
            except sqlite3.Error as error:
                raise StorageError(f"the list of orders that were met cannot be kept: {error}") from error
            yield problem


def _problem(line: Line, seen: sqlite3.Connection) -> InvalidRequestError | None:
    try:
        order = prepare(line)
    except InvalidRequestError as error:
        return error
    if seen.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (order.key, order.place)).rowcount:
        return None
    (first,) = seen.execute("SELECT place FROM seen WHERE key = ?", (order.key,)).fetchone()
    return InvalidRequestError(order.place, f"repeats the order id of {first}; give each delivery its own")

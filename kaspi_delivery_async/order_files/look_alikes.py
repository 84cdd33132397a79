"""Order ids that look like an earlier one of the same file, though their letters are of another alphabet."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from kaspi_delivery_async.errors import InvalidRequestError, StorageError
from kaspi_delivery_async.models import DeliveryRequest
from kaspi_delivery_async.order_files.lines import Line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CYRILLIC = "АВЕЅІЈКМНОРСТУҮХаеѕіјорсухһԁԛԝ"
_LATIN = "ABESIJKMHOPCTYYXaesijopcyxhdqw"
_SKELETON = str.maketrans(_CYRILLIC, _LATIN)
_AMBIGUOUS = frozenset(_CYRILLIC + _LATIN)


def refuse_look_alikes(lines: Iterable[Line]) -> Iterator[Line]:
    """Yield the lines; an order whose id looks like an earlier, different one becomes an error.

    ``А-7`` with a Cyrillic А and ``A-7`` with a Latin one are nearly always one order, typed twice, and a second
    courier costs more than a look.
    """
    # An empty name is a temporary database: SQLite moves it to the disk when it grows.
    with closing(sqlite3.connect("", check_same_thread=False, isolation_level=None)) as seen:
        seen.execute("PRAGMA journal_mode = OFF")
        seen.execute("CREATE TABLE seen (skeleton TEXT PRIMARY KEY, id TEXT, place TEXT) WITHOUT ROWID")
        for line in lines:
            try:
                twin = _twin(line, seen)
            except sqlite3.Error as error:
                raise StorageError(f"the list of order ids in this file cannot be kept: {error}") from error
            if twin is None:
                yield line
            else:
                problem = (
                    f"the order id looks like that of {twin}, with letters of another alphabet; correct it, or give "
                    "the order an id that looks different"
                )
                yield Line(place=line.place, order=InvalidRequestError(line.place, problem))


def _twin(line: Line, seen: sqlite3.Connection) -> str | None:
    """Return the place of an earlier order whose id looks the same and is not."""
    if not isinstance(line.order, DeliveryRequest):
        return None
    order_id = line.order.external_order_id
    if _AMBIGUOUS.isdisjoint(order_id):
        return None
    values = (order_id.translate(_SKELETON), order_id, line.place)
    if seen.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", values).rowcount:
        return None
    found: tuple[str, str] = seen.execute("SELECT id, place FROM seen WHERE skeleton = ?", values[:1]).fetchone()
    first_id, place = found
    return None if first_id == order_id else place

"""Rows of a mapped table, before rows become orders: the texts of their fields."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from kaspi_delivery_async.order_files.mapping.definition.model import Source

_TOTAL = re.compile(r"(?:итого|всего|(?:grand |sub)?total|барлығы|жиыны)([\s:(].*)?", re.IGNORECASE | re.DOTALL)
_OF_ALL = re.compile(
    r"[\s:(]*(?:(?:по|за|к оплате|сумма|заказ|товар|строк|позици|бойынша|amount|sum|of|for|order|item)\w*\b.*)?",
    re.IGNORECASE | re.DOTALL,
)
"""What follows the word in the column of articles."""


@attrs.define
class Record:
    """A row of an order."""

    row: int
    fields: dict[str, str]
    """The texts that stand in the columns of each field; empty ones are left out."""
    quantity: str
    tests: list[str]
    """The cell that each test of the table looks at."""
    problems: list[str]
    is_hidden: bool = False
    has_lost_letters: bool = False
    cells: list[str] = attrs.field(factory=list[str])
    """The first cells that hold anything, for rows that are no orders."""


def matched(text: str, source: Source) -> str | None:
    """Return what a field's pattern takes of a text, or None if it does not match."""
    if source.pattern is None:
        return text
    match = source.pattern.search(text)
    if match is None:
        return None
    return (match[1] if match.re.groups else match[0]) or ""


def is_total(record: Record, key: str) -> bool:
    """Whether a row is a total: it has no order id, and says so."""
    if key:
        return _TOTAL.fullmatch(key) is not None
    description = record.fields.get("parcel.description", "")
    # An article may be called "Total Quartz 9000".
    return any(
        cell not in description or _OF_ALL.fullmatch(found[1] or "") is not None
        for cell in record.cells
        if (found := _TOTAL.fullmatch(cell))
    )

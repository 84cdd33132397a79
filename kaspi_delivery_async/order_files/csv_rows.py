"""Turns CSV rows into orders; the columns are the paths of an order's fields, such as ``dropoff.contact.phone``."""

from __future__ import annotations

import csv
import re
from itertools import chain
from typing import TYPE_CHECKING, Any

from kaspi_delivery_async.errors import InvalidRequestError
from kaspi_delivery_async.models import DeliveryRequest, from_dict
from kaspi_delivery_async.order_files.columns import (
    Column,
    CsvFormat,
    match_columns,
)
from kaspi_delivery_async.order_files.lines import Line
from kaspi_delivery_async.order_files.text_lines import place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

DELIMITERS = ",;\t"

_WHOLE = re.compile(r"-?[0-9]{1,18}")
_BLANKS = " \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"
_GROUPED = re.compile(rf"-?[0-9]{{1,3}}(?:[{_BLANKS}][0-9]{{3}}){{1,5}}")
_DECIMAL = re.compile(rf"-?[0-9{_BLANKS}]+[.,][0-9]+")


def read_table(lines: Iterator[str], path: Path, form: CsvFormat) -> Iterator[Line]:
    """Read the orders of a CSV file; a row that is none becomes a line with its error.

    Raises `InvalidRequestError` if the header makes no sense.
    """
    first = next(lines, "")
    if not first.strip():
        raise InvalidRequestError(
            place(path, 1), "the file is empty or begins with a blank line; expected column names"
        )
    rows = csv.reader(chain([first], lines), delimiter=form.delimiter or _likely_delimiter(first), strict=True)
    try:
        names = [name.strip() for name in next(rows)]
    except csv.Error as error:
        raise InvalidRequestError(place(path, 1), f"cannot be read as CSV: {error}") from None
    columns = match_columns(names, form, path)
    while True:
        number = rows.line_num + 1
        where = place(path, number)
        try:
            row = next(rows, None)
        except csv.Error as error:
            # The reader goes on with the line behind.
            swallowed = f"; a quote is open up to line {rows.line_num}" if rows.line_num > number else ""
            yield Line(place=where, order=InvalidRequestError(where, f"cannot be read as CSV: {error}{swallowed}"))
            continue
        if row is None:
            return
        if any(cell.strip() for cell in row):
            yield Line(place=where, order=_order(row, names, columns, where, form))


def _likely_delimiter(header: str) -> str:
    unquoted = re.sub(r'"[^"]*"', "", header)
    return max(DELIMITERS, key=unquoted.count)


def _order(
    row: Sequence[str], names: Sequence[str], columns: Sequence[Column | None], where: str, form: CsvFormat
) -> DeliveryRequest | InvalidRequestError:
    if len(row) != len(columns):
        return InvalidRequestError(
            where,
            f"has {len(row)} cells, and the header has {len(columns)}; a cell that holds the delimiter needs quotes",
        )
    values: dict[str, Any] = {}
    problems: list[str] = []
    for column, name, cell in zip(columns, names, row, strict=True):
        text = cell.strip()
        if column is None:
            if text and not name:
                problems.append("a cell stands below no column name")
            continue
        problem = _problem(text, column, form)
        if problem is not None:
            shown = column.path if name == column.path else f"{name!r} ({column.path})"
            problems.append(f"column {shown}: {problem}")
        elif text:
            _put(values, column.path.split("."), _number(text) if column.is_number else text)
    if problems:
        return InvalidRequestError(where, "; ".join(problems))
    return from_dict(DeliveryRequest, values)


def _problem(text: str, column: Column, form: CsvFormat) -> str | None:
    """Say what is wrong with a cell, without showing what stands in it."""
    if not text:
        return "is empty" if column.required else None
    if not column.is_number or _WHOLE.fullmatch(text):
        return None
    if _GROUPED.fullmatch(text):
        if form.grouped_numbers:
            return None
        return "the number holds blanks; allow them by --grouped-numbers (grouped_numbers=True)"
    if _DECIMAL.fullmatch(text):
        return "the number has decimals; expected a whole one, such as 18000"
    return "expected a whole number in digits, such as 18000"


def _number(text: str) -> int:
    return int(text.translate(dict.fromkeys(map(ord, _BLANKS))))


def _put(values: dict[str, Any], path: Iterable[str], value: object) -> None:
    *parents, name = path
    for parent in parents:
        values = values.setdefault(parent, {})
    values[name] = value

"""Turns CSV rows into orders; the columns are the paths of an order's fields, such as ``dropoff.contact.phone``."""

from __future__ import annotations

import csv
import re
from itertools import chain
from typing import TYPE_CHECKING, Any

import attrs

from kaspi_delivery_async.bulk.records import Line
from kaspi_delivery_async.bulk.textlines import place
from kaspi_delivery_async.errors import InvalidRequestError
from kaspi_delivery_async.models import DeliveryRequest, from_dict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

DELIMITERS = ",;\t"

_WHOLE = re.compile(r"-?[0-9]{1,18}")
_BLANKS = " \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"
_GROUPED = re.compile(rf"-?[0-9]{{1,3}}(?:[{_BLANKS}][0-9]{{3}}){{1,5}}")
_DECIMAL = re.compile(rf"-?[0-9{_BLANKS}]+[.,][0-9]+")


@attrs.frozen(kw_only=True)
class Column:
    """A column of a CSV file, and the field that it fills."""

    path: str
    is_number: bool
    required: bool


def _columns(model: type[attrs.AttrsInstance], prefix: str = "") -> Iterator[Column]:
    for field in attrs.fields(model):
        path = prefix + field.metadata.get("wire", field.name)
        if attrs.has(field.type):
            yield from _columns(field.type, f"{path}.")
        else:
            yield Column(path=path, is_number=field.type is int, required=field.default is attrs.NOTHING)


COLUMNS: tuple[Column, ...] = tuple(_columns(DeliveryRequest))
"""Every column that an order has."""


def _spelling(path: str) -> str:
    """Return what all ways to write a path have in common: ``parcel.weight_grams`` is ``parcel.weightGrams``."""
    return path.casefold().replace("_", "")


_BY_SPELLING = {_spelling(column.path): column for column in COLUMNS}


@attrs.frozen(kw_only=True)
class CsvFormat:
    """How a CSV file is written."""

    delimiter: str | None
    """None finds out from the first line."""
    columns: Mapping[str, str]
    """Field paths by the file's own column names; an empty path ignores a column."""
    grouped_numbers: bool
    """Whether numbers may be written with blanks between groups of three digits, as in ``18 000``."""


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
    columns = _matched(names, form, path)
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


def _matched(names: Sequence[str], form: CsvFormat, path: Path) -> list[Column | None]:
    """Find the column that each of the file's columns is, or raise an error that names every problem."""
    mapped = {name.strip(): field.strip() for name, field in form.columns.items()}
    problems = [f"it has no column {name!r}, which was to be mapped" for name in mapped if name not in names]
    columns: list[Column | None] = []
    for number, name in enumerate(names, start=1):
        field = mapped.get(name, name)
        column = _BY_SPELLING.get(_spelling(field))
        if column is None and field:
            meant = f", mapped to {field!r}," if name in mapped else ""
            problems.append(
                f"column {number} ({name!r}){meant} is no field of an order; map it, or ignore it by an empty path"
            )
        if column is not None and column in columns:
            problems.append(f"column {number} ({name!r}) gives {column.path} a second time")
        columns.append(column)
    missing = [column.path for column in COLUMNS if column.required and column not in columns]
    if missing:
        problems.append(f"it lacks {', '.join(missing)}")
    if problems:
        raise InvalidRequestError(place(path, 1), "; ".join(problems))
    return columns


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

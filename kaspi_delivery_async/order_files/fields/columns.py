"""Columns of order files: the field of an order that each one holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from kaspi_delivery_async.errors import InvalidRequestError
from kaspi_delivery_async.models import DeliveryRequest
from kaspi_delivery_async.order_files.tables.heading import column_name
from kaspi_delivery_async.order_files.tables.rows import place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from kaspi_delivery_async.order_files.tables.heading import Heading


ORDER_ID = "externalOrderId"


@attrs.frozen(kw_only=True)
class Column:
    """A field of an order, as a column of a CSV file."""

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
"""Every field of an order."""


def _spelling(path: str) -> str:
    """Return the common form of all spellings of a path: ``parcel.weight_grams`` is ``parcel.weightGrams``."""
    return path.casefold().replace("_", "")


_BY_SPELLING = {_spelling(column.path): column for column in COLUMNS}


def _named(columns: Mapping[str, str]) -> dict[str, str]:
    return {column_name(name): path.strip() for name, path in columns.items()}


@attrs.frozen(kw_only=True)
class ColumnNames:
    """How a table without a mapping names its fields, and writes its numbers."""

    by_name: Mapping[str, str] = attrs.field(converter=_named)
    """Field paths by the table's own column names; an empty path ignores a column."""
    grouped_numbers: bool
    """Whether numbers may have blanks between groups of three digits, as in ``18 000``."""


def field_of(name: str, names: ColumnNames) -> Column | None:
    """Return the field that a column holds, or None."""
    return field(names.by_name.get(name, name))


def field(path: str) -> Column | None:
    """Return the field of a path in any spelling, or None."""
    return _BY_SPELLING.get(_spelling(path))


def match_columns(heading: Heading, names: ColumnNames, path: Path) -> list[Column | None]:
    """Return the field of each of the table's columns, or raise an error that names every problem."""
    mapped = names.by_name
    problems = [
        f"the file has no column {name!r} (named in the mapping)" for name in mapped if name not in heading.names
    ]
    columns: list[Column | None] = []
    for number, name in enumerate(heading.names, start=1):
        column = field_of(name, names)
        if column is None and mapped.get(name, name):
            target = f", mapped to {mapped[name]!r}," if name in mapped else ""
            problems.append(
                f"column {number} ({name!r}){target} is no field of an order; map it to one, or ignore it by an empty "
                "path"
            )
        if column is not None and column in columns:
            problems.append(f"column {number} ({name!r}) is {column.path} again")
        columns.append(column)
    missing = [column.path for column in COLUMNS if column.required and column not in columns]
    if missing:
        problems.append(f"missing columns: {', '.join(missing)}")
    if problems:
        raise InvalidRequestError(place(path, heading.row), "; ".join(problems))
    return columns


def put(values: dict[str, Any], path: Iterable[str], value: object) -> None:
    """Put a value into nested objects."""
    *parents, name = path
    for parent in parents:
        values = values.setdefault(parent, {})
    values[name] = value

"""Columns of order files: the field of an order that each one holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from kaspi_delivery_async.errors import InvalidRequestError
from kaspi_delivery_async.models import DeliveryRequest
from kaspi_delivery_async.order_files.text_lines import place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


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


@attrs.frozen(kw_only=True)
class CsvFormat:
    """The dialect of a CSV file."""

    delimiter: str | None
    """None takes the most frequent one of the header."""
    columns: Mapping[str, str]
    """Field paths by the file's own column names; an empty path ignores a column."""
    grouped_numbers: bool
    """Whether numbers may have blanks between groups of three digits, as in ``18 000``."""


def column_name(text: str) -> str:
    """Return the name of a column, in which any run of blanks and line breaks is one space."""
    return " ".join(text.split())


def match_columns(names: Sequence[str], form: CsvFormat, path: Path) -> list[Column | None]:
    """Return the field of each of the file's columns, or raise an error that names every problem."""
    mapped = {column_name(name): field.strip() for name, field in form.columns.items()}
    problems = [f"the file has no column {name!r} (named in the mapping)" for name in mapped if name not in names]
    columns: list[Column | None] = []
    for number, name in enumerate(names, start=1):
        field = mapped.get(name, name)
        column = _BY_SPELLING.get(_spelling(field))
        if column is None and field:
            target = f", mapped to {field!r}," if name in mapped else ""
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
        raise InvalidRequestError(place(path, 1), "; ".join(problems))
    return columns

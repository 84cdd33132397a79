"""Rows of a table, as CSV files and workbooks yield them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

from kaspi_delivery_async._wire.text import storable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from kaspi_delivery_async.order_files.tables.heading import Heading


@attrs.frozen
class Row:
    """A row: its number, its cells, and what is wrong with it as a whole."""

    number: int
    """The first line of the file that it is on, or its number in the sheet."""
    cells: Sequence[str]
    problem: str | None = None
    """Why its cells cannot be read."""
    is_hidden: bool = False
    """Whether the sheet does not show it."""


class Table(Protocol):
    """A table whose heading is found; iterating over it yields the rows below."""

    @property
    def heading(self) -> Heading:
        """The names of its columns."""
        ...

    @property
    def unit(self) -> str:
        """What its rows are called: ``line`` or ``row``."""
        ...

    def rows(self) -> Iterator[Row]:
        """Yield the rows below the heading that hold anything."""
        ...

    def cell(self, row: int, column: int) -> str | None:
        """Return the name of a cell, such as ``H6``; None where cells have no names."""
        ...

    def is_continued(self, row: int, column: int, *, since: int) -> bool:
        """Whether a cell is part of a merged one that begins in row ``since``."""
        ...


def place(path: Path, number: int, unit: str = "line") -> str:
    """Return the name of a row for people."""
    return f"{storable(path.name)}, {unit} {number}"

"""Looks for the heading of a table among its first rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kaspi_delivery_async.errors import InvalidRequestError
from kaspi_delivery_async.order_files.tables.heading import Heading
from kaspi_delivery_async.order_files.tables.rows import place

if TYPE_CHECKING:
    from pathlib import Path

    from kaspi_delivery_async.order_files.tables.rows import Row

Missing = Callable[[Heading], Sequence[str]]
"""The names that a heading lacks; none if it is the one."""


_ALL = 1_000_000


class HeadingSearch:
    """Takes rows until one of them, alone or with the one above, has all names."""

    def __init__(self, missing: Missing, *, heading_row: int | None = None) -> None:
        self._missing = missing
        self._heading_row = heading_row
        self._above: Row | None = None
        self._best: tuple[int, Heading] | None = None
        self.is_complete: bool = False
        self.is_empty: bool = True

    def take(self, row: Row) -> bool:
        """Take a row; return whether it is the heading."""
        if not any(cell.strip() for cell in row.cells):
            return False
        self.is_empty = False
        headings = [Heading.of(row.number, row.cells)]
        if self._above is not None and row.number - self._above.number == 1:
            headings.append(Heading.of(row.number, row.cells, self._above.cells))
        self._above = row
        if self._heading_row is not None and row.number < self._heading_row:
            return False
        for heading in headings:
            missing = len(self._missing(heading))
            if self._best is None or missing < self._best[0]:
                self._best = missing, heading
            if not missing:
                self.is_complete = True
                return True
        return self._heading_row is not None

    @property
    def lacking(self) -> int:
        """How many names the closest row lacks."""
        return self._best[0] if self._best is not None else _ALL

    def heading(self, path: Path, unit: str) -> Heading:
        """Return the heading, or the row that comes closest; raises `InvalidRequestError` for an empty table."""
        if self._best is None:
            raise InvalidRequestError(
                place(path, 1, unit), "the file is empty or begins with a blank line; expected column names"
            )
        return self._best[1]

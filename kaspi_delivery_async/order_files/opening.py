"""Opens a table, whatever the file: a workbook by its first bytes, CSV else."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kaspi_delivery_async.errors import InvalidRequestError
from kaspi_delivery_async.order_files.signatures import BEGINNING, is_workbook
from kaspi_delivery_async.order_files.tables.csv_table import open_csv
from kaspi_delivery_async.order_files.tables.workbook_table import opened_workbook
from kaspi_delivery_async.order_files.text_lines import text_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from kaspi_delivery_async.order_files.mapping.definition.model import FileFormat
    from kaspi_delivery_async.order_files.tables.rows import Table
    from kaspi_delivery_async.order_files.tables.search import Missing


@contextmanager
def opened_table(
    path: Path,
    missing: Missing,
    form: FileFormat,
    *,
    on_bytes: Callable[[int], None] = lambda _: None,
    before_read: Callable[[], None] = lambda: None,
) -> Generator[Table]:
    """Open the table of a file; raises `InvalidRequestError`, while it is read, too."""
    if begins_as_workbook(path):
        with opened_workbook(
            path, missing, sheet=form.sheet, heading_row=form.heading_row, on_bytes=on_bytes
        ) as workbook:
            yield workbook
    else:
        lines = text_lines(path, form.encoding, on_bytes=on_bytes, before_read=before_read)
        yield open_csv(lines, path, missing, delimiter=form.delimiter, heading_row=form.heading_row)


def begins_as_workbook(path: Path) -> bool:
    """Look at the first bytes; those of a pipe stay where they are."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return is_workbook(file.read(BEGINNING), path)
    except OSError as error:
        raise InvalidRequestError(path.name, f"cannot be read: {error.strerror}") from None

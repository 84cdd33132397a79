"""Lines of a text file, read in bounded memory; every problem is named with its line."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from kaspi_delivery_async._wire.text import storable
from kaspi_delivery_async.errors import InvalidRequestError
from kaspi_delivery_async.order_files.encodings import LineDecoder
from kaspi_delivery_async.order_files.signatures import BEGINNING, is_workbook
from kaspi_delivery_async.order_files.tables.rows import place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import FileIO
    from pathlib import Path

LONGEST_LINE = 1024 * 1024
"""Bytes of a line that are read; a real order has a few hundred."""

_BLOCK = 64 * 1024


def text_lines(
    path: Path, encoding: str | None, *, on_bytes: Callable[[int], None], before_read: Callable[[], None]
) -> Iterator[str]:
    """Yield the lines of a file, with their ends, without a byte order mark.

    A line ends in LF, CRLF or, as in files from a Mac, CR. Each is yielded as soon as it is there.

    Args:
        path: The file.
        encoding: Its encoding, as `checked_encoding` returns it; None finds it out.
        on_bytes: Called with the length of each block that was read.
        before_read: Called before each read, which may wait if the file is a pipe.

    Raises `InvalidRequestError` that names the file, and the line if there is one.

    """
    try:
        with path.open("rb", buffering=0) as file:
            decoder = LineDecoder(encoding, lambda number: place(path, number))
            for number, line in enumerate(_lines(_blocks(file, path, decoder, before_read, on_bytes)), start=1):
                raw = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
                if len(raw) > LONGEST_LINE:
                    raise InvalidRequestError(
                        place(path, number), f"is longer than {LONGEST_LINE} bytes; is this a file of orders?"
                    )
                yield decoder.decode(raw, number)
    except OSError as error:
        raise InvalidRequestError(path.name, f"cannot be read: {error.strerror}") from None


def _blocks(
    file: FileIO,
    path: Path,
    decoder: LineDecoder,
    before_read: Callable[[], None],
    on_bytes: Callable[[int], None],
) -> Iterator[bytes]:
    """Yield the file as text that extends ASCII: UTF-16 becomes UTF-8."""
    utf_16: codecs.IncrementalDecoder | None = None
    is_first = True
    while True:
        before_read()
        block = file.read(_BLOCK)
        if block and is_first:
            is_first = False
            if is_workbook(block[:BEGINNING], path):
                raise InvalidRequestError(storable(path.name), "is an Excel workbook; it cannot be read from a pipe")
            kind = decoder.begin(block, path.name)
            utf_16 = codecs.getincrementaldecoder(kind)() if kind else None
        on_bytes(len(block))
        if utf_16 is not None:
            try:
                yield utf_16.decode(block, final=not block).encode()
            except UnicodeError:
                raise InvalidRequestError(path.name, "is damaged UTF-16 text; save it as CSV UTF-8") from None
        elif block:
            yield block
        if not block:
            return


def _lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for block in blocks:
        if not (rest or block):
            continue
        lines = (rest + block).splitlines(keepends=True)
        # An LF may follow a CR in the next block.
        rest = b"" if lines[-1].endswith(b"\n") else lines.pop()
        yield from lines
        if len(rest) > LONGEST_LINE:
            break
    if rest:
        yield rest

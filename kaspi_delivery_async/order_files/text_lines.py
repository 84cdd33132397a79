"""Lines of a text file, read in bounded memory; every problem is named with its line."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from kaspi_delivery_async._wire.text import storable
from kaspi_delivery_async.errors import ConfigurationError, InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import FileIO
    from pathlib import Path

LONGEST_LINE = 1024 * 1024
"""Bytes of a line that are read; a real order has a few hundred."""

_BLOCK = 64 * 1024
_WORKBOOKS = {b"PK\x03\x04": "an Excel workbook", b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls)"}
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_PROBE = "\n\r\t,;\"'{}[]:"


def checked_encoding(name: str) -> str:
    """Return an encoding's name, or raise `ConfigurationError` unless it extends ASCII."""
    try:
        if codecs.lookup(name).name == "utf-8-sig":
            return "utf-8"  # which skips a mark, too
        suitable = _PROBE.encode(name) == _PROBE.encode("ascii")
    except (LookupError, ValueError):
        suitable = False
    if not suitable:
        raise ConfigurationError(
            f"encoding {name!r} is unknown or does not extend ASCII; use utf-8, or windows-1251 for plain CSV from "
            "Excel"
        )
    return name


def text_lines(
    path: Path, encoding: str, *, on_bytes: Callable[[int], None], before_read: Callable[[], None]
) -> Iterator[str]:
    """Yield the lines of a file, with their ends, without a byte order mark.

    A line ends in LF, CRLF or, as in files from a Mac, CR. Each is yielded as soon as it is there.

    Args:
        path: The file.
        encoding: Its encoding, as `checked_encoding` returns it.
        on_bytes: Called with the length of each line.
        before_read: Called before each read, which may wait if the file is a pipe.

    Raises `InvalidRequestError` that names the file, and the line if there is one.

    """
    try:
        with path.open("rb", buffering=0) as file:
            for number, line in enumerate(_lines(file, before_read), start=1):
                on_bytes(len(line))
                raw = _without_mark(line, encoding, path) if number == 1 else line
                if len(raw) > LONGEST_LINE:
                    raise InvalidRequestError(
                        place(path, number), f"is longer than {LONGEST_LINE} bytes; is this a file of orders?"
                    )
                yield _decoded(raw, encoding, path, number)
    except OSError as error:
        raise InvalidRequestError(path.name, f"cannot be read: {error.strerror}") from None


def _lines(file: FileIO, before_read: Callable[[], None]) -> Iterator[bytes]:
    rest = b""
    while True:
        before_read()
        if not (block := file.read(_BLOCK)):
            break
        lines = (rest + block).splitlines(keepends=True)
        # An LF may follow a CR in the next block.
        rest = b"" if lines[-1].endswith(b"\n") else lines.pop()
        yield from lines
        if len(rest) > LONGEST_LINE:
            break
    if rest:
        yield rest


def place(path: Path, line: int) -> str:
    """Return the name of a line."""
    return f"{storable(path.name)}, line {line}"


def _without_mark(raw: bytes, encoding: str, path: Path) -> bytes:
    for signature, kind in _WORKBOOKS.items():
        if raw.startswith(signature):
            raise InvalidRequestError(path.name, f"is {kind}; save it as CSV UTF-8")
    if raw.startswith(_UTF16_MARKS):
        raise InvalidRequestError(path.name, "is UTF-16 text; save it as CSV UTF-8")
    if raw.startswith(codecs.BOM_UTF8) and codecs.lookup(encoding).name != "utf-8":
        raise InvalidRequestError(path.name, f"is UTF-8 text, as its first bytes show, not {encoding}")
    return raw.removeprefix(codecs.BOM_UTF8)


def _decoded(raw: bytes, encoding: str, path: Path, number: int) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise InvalidRequestError(
            place(path, number),
            f"is not {encoding} text (byte {error.start + 1}); if the file is from Excel, its encoding is probably "
            "windows-1251: name it (--encoding), or save the file as CSV UTF-8",
        ) from None

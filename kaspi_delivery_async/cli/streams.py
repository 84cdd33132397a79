"""Standard streams of a command: absent, closed, full, slow, non-blocking or unread ones end it in no traceback."""

import codecs
import io
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO, cast

import typer

from kaspi_delivery_async.cli.background_writer import CAPACITY, BackgroundText, OutputError
from kaspi_delivery_async.cli.exit_codes import error_values, explanation
from kaspi_delivery_async.errors import KaspiDeliveryError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PATIENCE = 5.0
"""Seconds that a reader has for the rest of the output after the command was interrupted."""


@contextmanager
def standard_streams() -> Generator[None]:
    """Have standard output and standard error written in the background for as long as the context lasts."""
    originals = sys.stdout, sys.stderr
    _fill_gaps()
    sys.stdout = _in_background(originals[0])
    if originals[1] is not None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stderr = _in_background(originals[1])
    try:
        yield
    finally:
        sys.stdout, sys.stderr = originals


def stdout() -> BackgroundText:
    """Return standard output, in the context of `standard_streams`."""
    return cast("BackgroundText", sys.stdout)


def _in_background(original: TextIO) -> BackgroundText:
    buffer = getattr(original, "buffer", None) or _Bytes(original)
    return BackgroundText(
        getattr(buffer, "raw", buffer),
        encoding=original.encoding or "utf-8",
        line_buffering=getattr(original, "line_buffering", False),
        write_through=getattr(original, "write_through", False),
    )


class _Bytes(io.RawIOBase):
    """Bytes for what stands in for a stream and takes only text, such as `io.StringIO`."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._decoder = codecs.getincrementaldecoder(text.encoding or "utf-8")()

    def write(self, data: "ReadableBuffer", /) -> int:
        self._text.write(self._decoder.decode(bytes(data)))
        return len(bytes(data))


def _fill_gaps() -> None:
    """Open the null device for streams that are closed: else the next file, such as a journal, becomes one of them."""
    streams = (sys.stdin, sys.stdout, sys.stderr)
    for _ in range(sum(stream is None for stream in streams)):  # pyright: ignore[reportUnnecessaryComparison]
        os.open(os.devnull, os.O_RDWR)


async def room(*, pending: int = CAPACITY) -> None:
    """Wait until at most ``pending`` bytes of standard output are still to be written.

    Raises `OutputError` if it cannot be written.
    """
    if isinstance(sys.stdout, BackgroundText):
        await sys.stdout.writer.room(pending=pending)


def finish_output(*, limit: float | None = None) -> bool:
    """Wait until standard output is written, for at most ``limit`` seconds, and return whether it is.

    Raises `OutputError` if it could not be written.
    """
    stdout().flush()
    return stdout().writer.wait(limit=limit)


def finish_errors(*, limit: float | None = None) -> None:
    """Wait until standard error is written, for at most ``limit`` seconds, if it can be."""
    if isinstance(sys.stderr, BackgroundText):  # there may be none
        sys.stderr.flush()
        with suppress(OutputError):
            sys.stderr.writer.wait(limit=limit)


def say(text: str) -> None:
    """Write a line to standard error, if there is one."""
    typer.echo(text, err=True)


def say_failure(error: KaspiDeliveryError, *, as_json: bool) -> None:
    """Report an error on standard error, and as JSON on standard output, too."""
    say(f"Error: {explanation(error)}")
    if as_json:
        emit_failure(error)


def emit_failure(error: KaspiDeliveryError) -> None:
    """Report an error as a line of JSON on standard output."""
    import orjson

    typer.echo(orjson.dumps(error_values(error)))

"""Standard streams of a command: absent, closed, full, slow, non-blocking or unread ones end it in no traceback."""

import io
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import TextIO, cast

import typer

from kaspi_delivery_async.cli.background_writer import BackgroundWriter, OutputError
from kaspi_delivery_async.cli.exit_codes import error_values, explanation
from kaspi_delivery_async.errors import KaspiDeliveryError

PATIENCE = 5.0
"""Seconds that a reader has for the rest of the output after the command was interrupted."""


class StandardStream(io.TextIOWrapper):
    """A standard stream that is written to by a thread of its own."""

    def __init__(self, original: io.TextIOWrapper) -> None:
        """Stand in for ``original``."""
        buffer = original.buffer
        self.writer = BackgroundWriter(cast("io.RawIOBase", getattr(buffer, "raw", buffer)))
        super().__init__(
            io.BufferedWriter(self.writer),
            encoding=original.encoding,
            # Names are Cyrillic here; an output that cannot show them must not end in a traceback.
            errors="backslashreplace",
            line_buffering=original.line_buffering,
            write_through=original.write_through,
        )


@contextmanager
def standard_streams() -> Generator[None]:
    """Have standard output and standard error written in the background for as long as the context lasts."""
    originals = sys.stdout, sys.stderr
    _fill_gaps()
    sys.stdout, sys.stderr = map(_in_background, originals)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = originals


def _in_background(original: TextIO) -> TextIO:
    # What stands in for a stream, as in tests, may have no bytes below it.
    return StandardStream(original) if isinstance(original, io.TextIOWrapper) else original


def _fill_gaps() -> None:
    """Open the null device for streams that are closed: else the next file, such as a journal, becomes one of them."""
    streams = (sys.stdin, sys.stdout, sys.stderr)
    for _ in range(sum(stream is None for stream in streams)):  # pyright: ignore[reportUnnecessaryComparison]
        os.open(os.devnull, os.O_RDWR)


async def room() -> None:
    """Wait until the reader of standard output has nearly caught up; raises `OutputError` if it cannot be written."""
    if isinstance(sys.stdout, StandardStream):
        await sys.stdout.writer.room()


def finish_output(*, limit: float | None = None) -> bool:
    """Wait until standard output is written, for at most ``limit`` seconds, and return whether it is.

    Raises `OutputError` if it could not be written.
    """
    return _finish(sys.stdout, limit)


def finish_errors(*, limit: float | None = None) -> None:
    """Wait until standard error is written, for at most ``limit`` seconds, if it can be."""
    with suppress(OutputError):
        _finish(sys.stderr, limit)


def _finish(stream: TextIO, limit: float | None) -> bool:
    if not isinstance(stream, StandardStream):
        return True
    stream.flush()
    return stream.writer.wait(limit=limit)


def say(text: str) -> None:
    """Write a line to standard error, if there is one."""
    with suppress(OSError):  # what stands in for it may be unfit
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

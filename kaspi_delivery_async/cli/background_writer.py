"""Output that is written by a thread of its own, so that a slow disk, pipe or terminal never holds up an event loop."""

import asyncio
import io
import select
import threading
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import ReadableBuffer

CAPACITY = 1024 * 1024
"""Bytes in memory from which on `BackgroundWriter.room` waits."""


class OutputError(Exception):
    """An output could not be written. No `OSError`, because typer and rich end the process at some of those."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(reason.strerror)
        self.is_unread: bool = isinstance(reason, BrokenPipeError)
        """Whether the reader has gone."""


class BackgroundWriter(io.RawIOBase):
    """Takes bytes without waiting and writes them in order, also to a file that is non-blocking."""

    def __init__(self, raw: io.RawIOBase) -> None:
        """Write to ``raw``, which stays open."""
        self._raw = raw
        self._chunks: deque[bytes] = deque()
        self.taken: int = 0
        """Bytes that were to be written so far."""
        self.written: int = 0
        """Bytes that were written."""
        self._changed = threading.Condition()
        self._error: OSError | None = None
        self._is_running = False
        self._waiters: list[Callable[[], object]] = []

    def writable(self) -> bool:
        """Return True."""
        return True

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return self._raw.isatty()

    def fileno(self) -> int:
        """Return the file's number."""
        return self._raw.fileno()

    def write(self, data: "ReadableBuffer", /) -> int:
        """Take ``data``; once a write has failed, everything is taken and dropped."""
        chunk = bytes(data)
        with self._changed:
            self.taken += len(chunk)
            if self._error is None:
                self._chunks.append(chunk)
                if not self._is_running:
                    self._is_running = True
                    # A daemon: a reader that never reads must not keep the process alive.
                    threading.Thread(target=self._run, name="kaspi-delivery-output", daemon=True).start()
        return len(chunk)

    @property
    def pending(self) -> int:
        """Bytes that are still to be written."""
        return 0 if self._error else self.taken - self.written

    def check(self) -> None:
        """Raise `OutputError` if a write has failed."""
        if self._error is not None:
            raise OutputError(self._error)

    async def room(self, *, pending: int = CAPACITY) -> None:
        """Wait until at most ``pending`` bytes are still to be written; raises `OutputError` if a write has failed."""
        loop = asyncio.get_running_loop()
        while self.pending > pending:
            changed = asyncio.Event()
            with self._changed:
                self._waiters.append(partial(loop.call_soon_threadsafe, changed.set))
            if self.pending > pending:
                await changed.wait()
        self.check()

    def wait(self, *, limit: float | None = None) -> bool:
        """Wait until everything is written, for at most ``limit`` seconds, and return whether it is.

        Raises `OutputError` if a write has failed.
        """
        with self._changed:
            is_done = self._changed.wait_for(lambda: self.pending == 0, limit)
        self.check()
        return is_done

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._chunks:
                    self._is_running = False
                    return
                chunk = b"".join(self._chunks)
                self._chunks.clear()
            try:
                self._write_all(memoryview(chunk))
            except OSError as error:
                with self._changed:
                    self._error = error
                    self._chunks.clear()
            with self._changed:
                self._announce()

    def _announce(self) -> None:
        self._changed.notify_all()
        for wake in self._waiters:
            with suppress(RuntimeError):  # of an event loop that has ended
                wake()
        self._waiters.clear()

    def _write_all(self, data: memoryview) -> None:
        while data:
            written = self._raw.write(data)
            if written is None:  # a non-blocking file that takes nothing now
                poll = select.poll()
                poll.register(self._raw.fileno(), select.POLLOUT)
                poll.poll()
            else:
                self.written += written
                data = data[written:]


class BackgroundText(io.TextIOWrapper):
    """Text over a `BackgroundWriter`."""

    def __init__(
        self,
        raw: io.RawIOBase,
        *,
        encoding: str = "utf-8",
        newline: str | None = None,
        line_buffering: bool = False,
        write_through: bool = False,
    ) -> None:
        """Write to ``raw``, which stays open."""
        self.writer: BackgroundWriter = BackgroundWriter(raw)
        super().__init__(
            io.BufferedWriter(self.writer),
            encoding=encoding,
            # Names are Cyrillic here; an output that cannot show them must not end in a traceback.
            errors="backslashreplace",
            newline=newline,
            line_buffering=line_buffering,
            write_through=write_through,
        )

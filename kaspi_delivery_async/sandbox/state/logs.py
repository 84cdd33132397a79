"""Logs: the newest requests and webhook attempts."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar, overload

import attrs

_T = TypeVar("_T")

LARGEST_LOG = 64 * 1024 * 1024
"""Bytes of headers and bodies that a log keeps; a sender of requests needs no key."""

_SHOWN = 20  # entries in a repr


@attrs.frozen(kw_only=True)
class RecordedRequest:
    """One request that reached the sandbox, but for its control API."""

    at: float
    """Unix seconds on the sandbox clock."""
    method: str
    path: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    """Case-insensitive."""
    body: bytes = attrs.field(repr=False)
    operation: str | None
    """``create``, ``get``, ``cancel``, ``test-webhook``, or ``None`` where the path names none."""
    status: int | None = None
    """The status of the response; ``None`` while it is held back, and for good where a fault cut the connection."""
    replayed: bool = False
    """Whether the response was the original one of its idempotency key."""
    fault: str | None = None
    """The fault that was applied, in its text form."""

    def __str__(self) -> str:
        """Describe the request in a line."""
        parts = [self.method, self.path, "no response" if self.status is None else str(self.status)]
        if self.idempotency_key is not None:
            parts.append(f"key={self.idempotency_key}")
        if self.replayed:
            parts.append("replayed")
        if self.fault is not None:
            parts.append(f"fault={self.fault}")
        return " ".join(parts)

    @property
    def idempotency_key(self) -> str | None:
        """The key that it came with."""
        return self.headers.get("Idempotency-Key")

    @property
    def size(self) -> int:
        """Bytes that it takes to remember it, about."""
        return len(self.body) + len(self.path) + sum(len(name) + len(value) for name, value in self.headers.items())


@attrs.frozen(kw_only=True)
class WebhookAttempt:
    """One attempt to hand an event to a receiver."""

    event_id: str
    type: str
    delivery_id: str
    attempt: int
    """1 for the first."""
    at: float
    """When it was sent: Unix seconds on the sandbox clock."""
    url: str = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    status: int | None = None
    """The status of the receiver's response, ``None`` where there was none."""
    error: str | None = None
    """Why there was no response."""
    duration: float = 0.0
    """Seconds of the event loop's time from sending to the response."""
    fault: str | None = None
    """The fault that was applied, in its text form."""

    def __str__(self) -> str:
        """Describe the attempt in a line."""
        end = self.error if self.status is None else str(self.status)
        fault = "" if self.fault is None else f" fault={self.fault}"
        return f"{self.type} {self.delivery_id} event={self.event_id} attempt={self.attempt} {end}{fault}"

    @property
    def succeeded(self) -> bool:
        """Whether the receiver responded with any 2xx, which ends the attempts. Source: WH."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def size(self) -> int:
        """Bytes that it takes to remember it, about."""
        return len(self.body) + len(self.url)


class Log(Sequence[_T], Generic[_T]):
    """The newest entries of something that never ends, and how many there were in all.

    What it returns is a copy: threads may read it, and clear it, while entries are added.
    """

    def __init__(self, keep: int, *, largest: int = LARGEST_LOG, size: Callable[[_T], int] = lambda _: 0) -> None:
        self._keep = keep
        self._largest = largest
        self._size = size
        self._entries: dict[int, _T] = {}
        self._next = 0
        self._bytes = 0
        self._changing = threading.Lock()
        self.total: int = 0
        """How many there were, those no longer remembered included."""
        self.changes: int = 0
        """How often anything of it has changed."""
        self.observer: Callable[[_T], None] | None = None
        """Called with each entry when nothing of it will change any more."""

    def append(self, entry: _T, *, final: bool = True) -> int:
        """Add an entry and return its number; ``final`` if it will not be replaced."""
        with self._changing:
            number = self._next
            self.changes += 1
            self._next = number + 1
            self._entries[number] = entry
            self._bytes += self._size(entry)
            self.total += 1
            while len(self._entries) > self._keep or (self._bytes > self._largest and self._entries):
                self._bytes -= self._size(self._entries.pop(self._next - len(self._entries)))
        if final and self.observer is not None:
            self.observer(entry)
        return number

    def replace(self, number: int, entry: _T) -> None:
        """Put the final version of an entry in its place, if it is still remembered."""
        with self._changing:
            if number in self._entries:
                self._entries[number] = entry
                self.changes += 1
        if self.observer is not None:
            self.observer(entry)

    def page(
        self, limit: int, before: int | None = None, *, where: Callable[[_T], bool] | None = None
    ) -> tuple[tuple[tuple[int, _T], ...], int | None]:
        """Return the newest entries before an entry's number, and the number to go on from, if there are older ones.

        Each has its number; ``where`` leaves some out.
        """
        if where is not None:
            kept = self._entries.copy().items()
            chosen = [each for each in kept if where(each[1]) and (before is None or each[0] < before)]
            newest = tuple(chosen[-limit:])
            return newest, newest[0][0] if len(chosen) > limit else None
        with self._changing:
            oldest = self._next - len(self._entries)
            end = self._next if before is None else min(max(before, oldest), self._next)
            start = max(end - limit, oldest)
            entries = tuple((number, self._entries[number]) for number in range(start, end))
        return entries, start if start > oldest else None

    def clear(self) -> None:
        """Forget everything, the count included."""
        with self._changing:
            self._entries.clear()
            self._bytes = 0
            self.total = 0
            self.changes += 1

    def __repr__(self) -> str:
        """Show the newest entries: it is what a failing assertion prints."""
        newest = self[-_SHOWN:]
        omitted = f"{self.total - len(newest)} older, " if self.total > len(newest) else ""
        return f"<{self.total} in all: {omitted}[{', '.join(map(str, newest))}]>"

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[_T]:
        return iter(tuple(self._entries.values()))

    @overload
    def __getitem__(self, index: int) -> _T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[_T]: ...
    def __getitem__(self, index: int | slice) -> _T | Sequence[_T]:
        entries = tuple(self._entries.values())
        try:
            return entries[index]
        except IndexError:
            raise IndexError(f"entry {index} of {len(entries)} remembered ones") from None

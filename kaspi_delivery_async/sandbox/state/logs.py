"""Logs: the newest requests and webhook attempts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Generic, TypeVar, overload

import attrs

_T = TypeVar("_T")


@attrs.frozen(kw_only=True)
class RecordedRequest:
    """One request that reached the Delivery API."""

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
    """The status answered; ``None`` while the answer is held back, and for good where a fault cut the connection."""
    fault: str | None = None
    """The fault that was applied, in its text form."""


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
    status: int | None
    """The receiver's answer, ``None`` where there was none."""
    error: str | None
    """Why there was no answer."""
    duration: float
    """Seconds of the event loop's time from sending to the answer."""
    fault: str | None = None
    """The fault that was applied, in its text form."""

    @property
    def succeeded(self) -> bool:
        """Whether the receiver answered with any 2xx, which ends the attempts. Source: WH."""
        return self.status is not None and 200 <= self.status < 300


class Log(Sequence[_T], Generic[_T]):
    """The newest entries of something that never ends, and how many there were in all.

    Entries are numbered from 0 for ever; those older than the newest ``keep`` are forgotten.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._entries: dict[int, _T] = {}
        self.total: int = 0

    def append(self, entry: _T) -> int:
        """Add an entry and return its number."""
        number = self.total
        self._entries[number] = entry
        self.total = number + 1
        if len(self._entries) > self._keep:
            del self._entries[number - self._keep]
        return number

    def replace(self, number: int, entry: _T) -> None:
        """Put a newer version of an entry in its place, if it is still remembered."""
        if number in self._entries:
            self._entries[number] = entry

    def clear(self) -> None:
        """Forget everything, the count included."""
        self._entries.clear()
        self.total = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[_T]:
        return iter(tuple(self._entries.values()))

    @overload
    def __getitem__(self, index: int) -> _T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[_T]: ...
    def __getitem__(self, index: int | slice) -> _T | Sequence[_T]:
        if isinstance(index, slice):
            return tuple(self._entries.values())[index]
        position = index + len(self._entries) if index < 0 else index
        if not 0 <= position < len(self._entries):
            raise IndexError(f"entry {index} of {len(self._entries)} remembered ones")
        return self._entries[self.total - len(self._entries) + position]

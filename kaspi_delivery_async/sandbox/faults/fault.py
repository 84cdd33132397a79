"""Faults as values: what may go wrong with which operation, how often, and how that is written down."""

import enum
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import attrs

from kaspi_delivery_async.sandbox.deliveries import lifecycle

OPERATIONS = ("create", "get", "cancel", "test-webhook")
EVERY_OPERATION = "*"
EVERY_EVENT = "webhook"


class FaultKind(enum.StrEnum):
    """What goes wrong: the first group with a request, the second with a webhook attempt."""

    LATENCY = "latency"
    """The request is handled ``seconds`` late, even if the client has gone by then."""
    STALL = "stall"
    """The request is never handled nor answered; after ``seconds``, if given, its connection is reset."""
    DROP_BEFORE = "drop-before"
    """The connection is reset before the request is handled."""
    COMMIT_THEN_DROP = "commit-then-drop"
    """The request is handled, then the connection is reset instead of the answer."""
    TRUNCATE = "truncate"
    """The request is handled, then the connection is closed in the middle of the answer's body."""
    STATUS = "status"
    """The request is not handled but answered with ``status``."""
    RATE_LIMIT = "rate-limit"
    """Requests beyond ``rate`` per second are answered 429 with ``Retry-After``; it fires only on those."""

    DUPLICATE = "duplicate"
    """The attempt is sent twice at once."""
    REORDER = "reorder"
    """The attempt waits until the delivery's next event has been sent, ``seconds`` at most."""
    DELAY = "delay"
    """The attempt is sent ``seconds`` late."""
    DROP = "drop"
    """The attempt is lost on the way; like any unanswered one it is followed by the next."""
    BAD_SIGNATURE = "bad-signature"
    """The signature is made with a wrong secret."""
    CLOCK_SKEW = "clock-skew"
    """The timestamp is ``seconds`` ahead (behind, if negative), and properly signed."""


_WEBHOOK_KINDS = frozenset(tuple(FaultKind)[tuple(FaultKind).index(FaultKind.DUPLICATE) :])

_OWN_SETTINGS: Mapping[FaultKind, Mapping[str, Any]] = MappingProxyType({
    FaultKind.LATENCY: {"seconds": 1.0},
    FaultKind.STALL: {"seconds": None},
    FaultKind.STATUS: {
        "status": 503, "retry_after": None, "retry_after_as": "seconds", "body": "json", "replay": False,
    },
    FaultKind.RATE_LIMIT: {"rate": None, "burst": None},
    FaultKind.REORDER: {"seconds": 30.0},
    FaultKind.DELAY: {"seconds": 60.0},
    FaultKind.CLOCK_SKEW: {"seconds": 600.0},
})  # fmt: skip


class FaultError(ValueError):
    """A fault that makes no sense, or a text that is none."""


def _kind(value: str) -> FaultKind:
    try:
        return FaultKind(value)
    except ValueError:
        raise FaultError(f"{value!r} is no kind of fault; known are {', '.join(FaultKind)}") from None


@attrs.frozen
class Fault:
    """Something that goes wrong, for a share of the requests or attempts it is aimed at, or a number of times.

    Raises:
        FaultError: A part is unknown, out of range, or does not belong to this kind.

    """

    target: str
    """``create``, ``get``, ``cancel``, ``test-webhook``, or ``*`` for any of them; ``webhook`` for every event or the
    type of one, such as ``delivery.accepted``."""
    kind: FaultKind = attrs.field(converter=_kind)
    probability: float = attrs.field(default=1.0, kw_only=True)
    """More than 0, at most 1."""
    count: int | None = attrs.field(default=None, kw_only=True)
    """How often it happens; ``None`` for as long as it is there."""
    seconds: float | None = attrs.field(default=None, kw_only=True)
    """Of latency and stall, in the client's time; of delay, reorder and clock-skew, on the sandbox clock."""
    status: int | None = attrs.field(default=None, kw_only=True)
    """400 to 599; 503 unless given."""
    retry_after: int | None = attrs.field(default=None, kw_only=True)
    """Whole seconds to tell in ``Retry-After``; no such header if ``None``."""
    retry_after_as: str | None = attrs.field(default=None, kw_only=True)
    """``seconds`` or ``date``."""
    body: str | None = attrs.field(default=None, kw_only=True)
    """``json`` or ``html``."""
    replay: bool | None = attrs.field(default=None, kw_only=True)
    """Whether the answer claims to be a replay (``X-Idempotent-Replay``)."""
    rate: float | None = attrs.field(default=None, kw_only=True)
    """Requests per second of the client's time."""
    burst: float | None = attrs.field(default=None, kw_only=True)
    """Requests that may come at once; as many as ``rate`` allows in a second, and at least 1, unless given."""

    def __attrs_post_init__(self) -> None:
        own = _OWN_SETTINGS.get(self.kind, {})
        for name in _SETTINGS:
            if getattr(self, name) is None:
                object.__setattr__(self, name, own.get(name))
            elif name not in own:
                raise FaultError(f"a {self.kind} fault has no {name.replace('_', '-')}")
        self._check()

    def __str__(self) -> str:
        """Write the fault as `parse_fault` reads it."""
        own = _OWN_SETTINGS.get(self.kind, {})
        parts = [self.target, str(self.kind)]
        if self.probability != 1:
            parts.append(repr(self.probability))
        for name in ("count", *_SETTINGS):
            value = getattr(self, name)
            if value is not None and value != own.get(name):
                parts.append(f"{name.replace('_', '-')}={str(value).lower()}")
        return ":".join(parts)

    @property
    def is_for_webhooks(self) -> bool:
        """Whether it happens to webhook attempts rather than to requests."""
        return self.kind in _WEBHOOK_KINDS

    def matches(self, target: str) -> bool:
        """Whether it is aimed at an operation or an event type."""
        everything = EVERY_OPERATION if target in OPERATIONS else EVERY_EVENT
        return self.target in {target, everything}

    def _check(self) -> None:
        targets = (
            (EVERY_EVENT, *lifecycle.EVENT_TYPES.values()) if self.is_for_webhooks else (EVERY_OPERATION, *OPERATIONS)
        )
        if self.target not in targets:
            raise FaultError(f"a {self.kind} fault is aimed at one of {', '.join(targets)}, not at {self.target!r}")
        if not 0 < self.probability <= 1:
            raise FaultError(f"probability: more than 0, at most 1, not {self.probability!r}")
        if self.count is not None and self.count < 1:
            raise FaultError(f"count: at least 1, not {self.count!r}")
        lowest = -math.inf if self.kind is FaultKind.CLOCK_SKEW else 0.0
        if self.seconds is not None and (not math.isfinite(self.seconds) or self.seconds < lowest):
            raise FaultError(f"seconds: a finite number{'' if lowest else ' from 0'}, not {self.seconds!r}")
        if self.status is not None and not 400 <= self.status <= 599:
            raise FaultError(f"status: 400 to 599, not {self.status!r}")
        if self.retry_after is not None and self.retry_after < 0:
            raise FaultError(f"retry-after: whole seconds from 0, not {self.retry_after!r}")
        if self.retry_after_as not in {None, "seconds", "date"}:
            raise FaultError(f"retry-after-as: seconds or date, not {self.retry_after_as!r}")
        if self.body not in {None, "json", "html"}:
            raise FaultError(f"body: json or html, not {self.body!r}")
        if self.kind is FaultKind.RATE_LIMIT:
            self._check_rate()

    def _check_rate(self) -> None:
        if self.rate is None or not 0 < self.rate < math.inf:
            raise FaultError(f"rate: requests per second, more than 0, not {self.rate!r}")
        if self.burst is None:
            object.__setattr__(self, "burst", max(1.0, self.rate))
        elif not 1 <= self.burst < math.inf:
            raise FaultError(f"burst: at least 1, not {self.burst!r}")


_SETTINGS = ("seconds", "status", "retry_after", "retry_after_as", "body", "replay", "rate", "burst")


def _flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError(text)
    return text == "true"


_READERS: Mapping[str, Callable[[str], Any]] = MappingProxyType({
    "count": int,
    "seconds": float,
    "status": int,
    "retry_after": int,
    "retry_after_as": str,
    "body": str,
    "replay": _flag,
    "rate": float,
    "burst": float,
})  # fmt: skip


def parse_fault(text: str) -> Fault:
    """Read a fault written as ``TARGET:KIND[:PROBABILITY][:NAME=VALUE]...``.

    Examples: ``create:commit-then-drop:0.05``, ``*:latency:seconds=0.2``, ``get:503:0.1:body=html:count=3``,
    ``create:429:retry-after=2``, ``*:rate-limit:rate=50``, ``delivery.accepted:drop``. A number as the kind is short
    for ``status`` with that status.

    Raises:
        FaultError: The text is no such thing; the message says where.

    """
    target, separator, rest = text.partition(":")
    if not separator:
        raise FaultError(f"a fault is written TARGET:KIND[:PROBABILITY][:NAME=VALUE]..., not {text!r}")
    kind, *settings = rest.split(":")
    values: dict[str, Any] = {}
    if kind.isdecimal() and kind.isascii():
        kind, values["status"] = FaultKind.STATUS, int(kind)
    if settings and "=" not in settings[0]:
        values["probability"] = _read(float, settings.pop(0), "probability")
    for setting in settings:
        wire_name, separator, value = setting.partition("=")
        name = wire_name.replace("-", "_")
        if not separator or name not in _READERS or name in values:
            raise FaultError(f"{setting!r} in {text!r}: expected NAME=VALUE with a name given once of {_names()}")
        values[name] = _read(_READERS[name], value, wire_name)
    return Fault(target, kind, **values)


def _read(reader: Callable[[str], Any], text: str, name: str) -> Any:
    try:
        return reader(text)
    except ValueError:
        raise FaultError(f"{name}: {text!r} is no value for it") from None


def _names() -> str:
    return ", ".join(name.replace("_", "-") for name in _READERS)

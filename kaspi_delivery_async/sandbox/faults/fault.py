"""Faults as values: what may go wrong with which operation, how often, and how that is written down."""

import enum
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

import attrs

from kaspi_delivery_async.sandbox.deliveries import lifecycle
from kaspi_delivery_async.sandbox.routes import OPERATIONS

EVERY_OPERATION = "*"
EVERY_EVENT = "webhook"


class FaultKind(enum.StrEnum):
    """What goes wrong with a request or a webhook attempt; `fault_help` says what each kind does."""

    LATENCY = "latency"
    STALL = "stall"
    DROP_BEFORE = "drop-before"
    COMMIT_THEN_DROP = "commit-then-drop"
    COMMIT_THEN_STALL = "commit-then-stall"
    TRUNCATE = "truncate"
    STATUS = "status"
    RATE_LIMIT = "rate-limit"
    WITHOUT = "without"
    UNKNOWN_STATUS = "unknown-status"

    DUPLICATE = "duplicate"
    REORDER = "reorder"
    DELAY = "delay"
    DROP = "drop"
    BAD_SIGNATURE = "bad-signature"
    CLOCK_SKEW = "clock-skew"
    UNKNOWN_EVENT = "unknown-event"


WEBHOOK_KINDS = frozenset({
    FaultKind.DUPLICATE, FaultKind.REORDER, FaultKind.DELAY, FaultKind.DROP, FaultKind.BAD_SIGNATURE,
    FaultKind.CLOCK_SKEW, FaultKind.UNKNOWN_EVENT,
})  # fmt: skip
"""The kinds that happen to webhook attempts; all others happen to requests."""

OWN_SETTINGS: Mapping[FaultKind, Mapping[str, Any]] = MappingProxyType({
    FaultKind.LATENCY: {"seconds": 1.0},
    FaultKind.STALL: {"seconds": None},
    FaultKind.COMMIT_THEN_STALL: {"seconds": None},
    FaultKind.STATUS: {
        "status": 503, "retry_after": None, "retry_after_as": "seconds", "body": "json", "replay": False,
    },
    FaultKind.RATE_LIMIT: {"rate": None, "burst": None, "retry_after_as": "seconds"},
    FaultKind.WITHOUT: {"field": "eta"},
    FaultKind.UNKNOWN_STATUS: {"value": "returned_to_sender"},
    FaultKind.REORDER: {"seconds": 30.0},
    FaultKind.DELAY: {"seconds": 60.0},
    FaultKind.CLOCK_SKEW: {"seconds": 600.0},
    FaultKind.UNKNOWN_EVENT: {"value": "returned_to_sender"},
})  # fmt: skip
"""The settings that a kind has, beside those of every fault, with their defaults."""


class FaultError(ValueError):
    """A fault that makes no sense, or a text that is none."""


def _is_finite(value: float) -> bool:
    return math.isfinite(value)


def _is_name(value: str) -> bool:
    return value != "" and value.isprintable()


def _flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError(text)
    return text == "true"


@attrs.frozen
class _Setting:
    """How a setting is read from text, which values it takes, and how to say so."""

    read: Callable[[str], Any]
    accepts: Callable[[Any], bool]
    expected: str


_SETTINGS: Mapping[str, _Setting] = MappingProxyType({
    "count": _Setting(int, lambda count: isinstance(count, int) and count >= 1, "a whole number from 1"),
    "order": _Setting(unquote, _is_name, "an externalOrderId"),
    "key": _Setting(unquote, _is_name, "an idempotency key"),
    "seconds": _Setting(float, _is_finite, "a finite number"),
    "status": _Setting(int, lambda status: 400 <= status <= 599, "400 to 599"),
    "retry_after": _Setting(int, lambda seconds: seconds >= 0, "whole seconds from 0"),
    "retry_after_as": _Setting(str, {"seconds", "date"}.__contains__, "seconds or date"),
    "body": _Setting(str, {"json", "html", "empty"}.__contains__, "json, html or empty"),
    "replay": _Setting(_flag, lambda flag: isinstance(flag, bool), "true or false"),
    "rate": _Setting(float, lambda rate: 0 < rate < math.inf, "requests per second, more than 0"),
    "burst": _Setting(float, lambda burst: 1 <= burst < math.inf, "a number from 1"),
    "field": _Setting(unquote, _is_name, "the name of a field"),
    "value": _Setting(unquote, _is_name, "a status"),
})  # fmt: skip
"""Every setting, in the order in which they are written."""

_COMMON = ("count", "order", "key")
_TEXTS = frozenset({"order", "key", "field", "value"})


def _own(kind: FaultKind) -> Mapping[str, Any]:
    return OWN_SETTINGS.get(kind, {})


@attrs.frozen(init=False)
class Fault:
    """Something that goes wrong, for a share of the requests or attempts it is aimed at, or a number of times.

    ``Fault("create", "status", status=503, count=2)``. A setting that is ``None`` has its kind's default.

    Raises:
        FaultError: A part is unknown, out of range, or does not belong to this kind.

    """

    target: str
    """``create``, ``get``, ``cancel``, ``test-webhook``, or ``*`` for any of them; ``webhook`` for every event or the
    type of one, such as ``delivery.accepted``."""
    kind: FaultKind
    probability: float
    """More than 0, at most 1."""
    count: int | None
    """How often it happens; ``None`` for as long as it is there."""
    order: str | None = attrs.field(repr=False)
    """The ``externalOrderId`` that it is aimed at; ``None`` for any."""
    key: str | None = attrs.field(repr=False)
    """The idempotency key that it is aimed at; ``None`` for any."""
    seconds: float | None
    """Of latency and stalls, in the client's time; of delay, reorder and clock-skew, on the sandbox clock."""
    status: int | None
    """400 to 599."""
    retry_after: int | None
    """Whole seconds in ``Retry-After``; no such header if ``None``."""
    retry_after_as: str | None
    """``seconds`` or ``date``."""
    body: str | None
    """``json``, ``html`` or ``empty``."""
    replay: bool | None
    """Whether the response claims to be a replay (``X-Idempotent-Replay``)."""
    rate: float | None
    """Requests per second of the client's time."""
    burst: float | None
    """Requests that may come at once; as many as ``rate`` allows in a second, and at least 1, unless given."""
    field: str | None
    """What the response lacks."""
    value: str | None
    """The unknown status."""

    def __init__(self, target: str, kind: FaultKind | str, *, probability: float = 1.0, **settings: Any) -> None:
        known = _kind(kind)
        self.__attrs_init__(  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
            target=_target(target, known),
            kind=known,
            probability=_probability(probability),
            **_completed(known, settings),
        )

    def __str__(self) -> str:
        """Write the fault as `parse_fault` reads it."""
        parts = [self.target, str(self.kind)]
        if self.probability != 1:
            parts.append(repr(self.probability))
        for name in _SETTINGS:
            value = getattr(self, name)
            if value is not None and value != _own(self.kind).get(name):
                parts.append(f"{name.replace('_', '-')}={_written(name, value)}")
        return ":".join(parts)

    def matches(self, target: str, *, order: str | None = None, key: str | None = None) -> bool:
        """Whether it is aimed at an operation or an event type, of an order and under a key."""
        everything = EVERY_OPERATION if target in OPERATIONS else EVERY_EVENT
        return (
            self.target in {target, everything}
            and (self.order is None or self.order == order)
            and (self.key is None or self.key == key)
        )


def parse_fault(text: str) -> Fault:
    """Read a fault written as ``TARGET:KIND[:PROBABILITY][:NAME=VALUE]...``.

    Examples: ``create:commit-then-drop:0.05``, ``*:latency:seconds=0.2``, ``get:503:0.1:body=html:count=3``,
    ``create:429:retry-after=2``, ``*:rate-limit:rate=50``, ``delivery.accepted:drop``, ``create:503:order=order-742``.
    A number as the kind is short for ``status`` with that status. In a value, ``%3A`` stands for a colon and ``%25``
    for a percent sign.

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
        written, separator, value = setting.partition("=")
        name = written.replace("-", "_")
        if not separator or name not in _SETTINGS or name in values:
            expected = ", ".join(wire_name(known) for known in _SETTINGS)
            raise FaultError(f"{setting!r} in {text!r}: expected NAME=VALUE with a name given once of {expected}")
        values[name] = _read(_SETTINGS[name].read, value, written)
    return Fault(target, kind, **values)


def _kind(value: str) -> FaultKind:
    try:
        return FaultKind(value)
    except ValueError:
        raise FaultError(f"{value!r} is no kind of fault; known are {', '.join(FaultKind)}") from None


def _target(target: str, kind: FaultKind) -> str:
    webhooks = kind in WEBHOOK_KINDS
    targets = (EVERY_EVENT, *lifecycle.EVENT_TYPES.values()) if webhooks else (EVERY_OPERATION, *OPERATIONS)
    if target not in targets:
        raise FaultError(f"a {kind} fault is aimed at one of {', '.join(targets)}, not at {target!r}")
    return target


def _probability(value: float) -> float:
    if not 0 < value <= 1:
        raise FaultError(f"probability: more than 0, at most 1, not {value!r}")
    return value


def _completed(kind: FaultKind, given: Mapping[str, Any]) -> dict[str, Any]:
    """Check the settings that were given and add the defaults of the kind."""
    own = _own(kind)
    allowed = {*_COMMON, *own} - ({"key"} if kind in WEBHOOK_KINDS else set[str]())
    for name, value in given.items():
        if value is not None and name not in allowed:
            raise FaultError(f"a {kind} fault has no {wire_name(name)}")
    settings = {**dict.fromkeys(_SETTINGS), **own, **{name: each for name, each in given.items() if each is not None}}
    for name, value in settings.items():
        if value is not None and not _accepts(name, value, kind):
            raise FaultError(f"{wire_name(name)}: {_SETTINGS[name].expected}, not {value!r}")
    if kind is FaultKind.RATE_LIMIT:
        if settings["rate"] is None:
            raise FaultError("rate: a rate-limit fault requires the requests per second, such as rate=50")
        settings["burst"] = settings["burst"] or max(1.0, settings["rate"])
    return settings


def _accepts(name: str, value: Any, kind: FaultKind) -> bool:
    try:
        accepted = _SETTINGS[name].accepts(value)
    except (TypeError, AttributeError):
        return False
    return accepted and (name != "seconds" or value >= 0 or kind is FaultKind.CLOCK_SKEW)


def _read(reader: Callable[[str], Any], text: str, name: str) -> Any:
    try:
        return reader(text)
    except ValueError:
        raise FaultError(f"{name}: {text!r} is no value for it") from None


def _written(name: str, value: object) -> str:
    if name in _TEXTS:
        return str(value).replace("%", "%25").replace(":", "%3A")
    return str(value).lower()


def wire_name(name: str) -> str:
    """Return the name of a setting in the text form."""
    return name.replace("_", "-")

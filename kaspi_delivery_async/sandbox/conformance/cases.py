"""The cases of an exam as data: which messages are sent, and what the receiver has to do with the last ones."""

import enum
from typing import Any

import attrs

from kaspi_delivery_async.sandbox.conformance.events import Events, escaped, indented, with_blanks
from kaspi_delivery_async.sandbox.conformance.messages import Message, Signature, Stamp
from kaspi_delivery_async.sandbox.deliveries.lifecycle import STATUSES
from kaspi_delivery_async.sandbox.wire_format import dumps

AT_ONCE = 200
"""Messages that are in flight together in one case."""

_LARGE = 64 * 1024  # bytes
_HUGE = 1024 * 1024  # bytes
_DAY = 24 * 3600.0  # seconds


class Expected(enum.StrEnum):
    """What a receiver has to do with a message."""

    ACCEPTED = "a 2xx"
    REFUSED = "no 2xx"
    HANDLED = "no 5xx"


@attrs.frozen
class Companion:
    """A message over another connection, which stays open meanwhile."""

    message: Message
    complete: bool = attrs.field(kw_only=True)
    """Whether all of it is sent, and its response not read; else half of its body is sent, and the rest never."""


@attrs.frozen(kw_only=True)
class Case:
    """Messages over connections of their own, and what is expected."""

    name: str
    title: str
    messages: tuple[Message, ...]
    """Each has to be responded to as expected."""
    before: tuple[Message, ...] = ()
    """Sent first, over the same connection; if the vendor sends such messages, each has to be accepted."""
    expected: Expected = Expected.ACCEPTED
    pages: str = ""
    """The vendor's pages that demand it; empty for good practice."""
    at_once: bool = False
    companion: Companion | None = None

    @property
    def required(self) -> bool:
        """Whether the vendor's pages demand it."""
        return self.pages != ""

    @property
    def is_load(self) -> bool:
        """Whether it may slow others down, so that it comes after them."""
        return len(self.messages) == AT_ONCE or self.companion is not None


def all_cases(run: str, *, now: float) -> tuple[Case, ...]:
    """Return the cases of an exam; the first one shows whether the receiver is there."""
    events = Events(run, now=now)
    return (*_statuses(events), *_repeats(events), *_writings(events), *_transfers(events), *_forgeries(events),
            *_oddities(events), *_load(events))  # fmt: skip


def _statuses(events: Events) -> list[Case]:
    return [
        Case(
            name=f"event-{status.replace('_', '-')}", title=f"the event delivery.{status} is accepted",
            messages=(Message(body=events.body(status)),), pages="WE WH",
        )
        for status in STATUSES
    ]  # fmt: skip


def _repeats(events: Events) -> list[Case]:
    """Retries, which the vendor makes for a day, and what follows from them. Source: CD, WH."""
    again = events.event()
    same, several = Message(body=events.body()), Message(body=events.body())
    later = events.event("out_for_delivery")
    earlier = {**later, "eventId": f"{later['eventId']}_1", "type": "delivery.accepted",
               "data": {**later["data"], "status": "accepted"}}  # fmt: skip
    return [
        Case(
            name="duplicate", title="an event that comes again is accepted again", pages="CD WH",
            before=(Message(body=dumps(again)),), messages=(Message(body=dumps({**again, "attempt": 2})),),
        ),
        Case(
            name="same-message", title="the very same message is accepted twice", pages="WH",
            before=(same,), messages=(same,),
        ),
        Case(
            name="duplicates-at-once", title="five copies of an event at once are all accepted", pages="WH",
            messages=(several,) * 5, at_once=True,
        ),
        Case(
            name="late", title="the eleventh attempt, 17 hours after the event, is accepted", pages="WH",
            messages=(Message(body=events.body("delivered", attempt=11, age=17 * 3600)),),
        ),
        Case(
            name="out-of-order", title="an earlier status is accepted after a later one", pages="WH",
            before=(Message(body=dumps(later)),), messages=(Message(body=dumps(earlier)),),
        ),
        Case(
            name="four-minutes-old", title="a message that was signed four minutes ago is accepted", pages="WH",
            messages=(Message(body=events.body(), age=240),),
        ),
    ]  # fmt: skip


def _writings(events: Events) -> list[Case]:
    """The same JSON in other bytes: what is signed is the body as it was sent. Source: WH."""
    writings = {
        "blanks": ("with blanks after commas and colons", events.body(write=with_blanks)),
        "indented": ("over several lines", events.body(write=indented)),
        "escapes": ("with escaped letters", events.body(write=escaped)),
        "unicode": ("with Kazakh letters", events.body().replace(b"order-", "тапсырыс-".encode())),
    }
    return [
        Case(
            name=name, title=f"JSON {how} is accepted", pages="WH EX",
            messages=(Message(body=body),),
        )
        for name, (how, body) in writings.items()
    ]  # fmt: skip


def _transfers(events: Events) -> list[Case]:
    """How messages may travel. Source: GS, WH: any 2xx within 5 seconds, whatever the connection."""
    forged = Message(body=events.body(), signature=Signature.WRONG_SECRET)
    return [
        Case(
            name="same-connection", title="further messages over one connection are accepted", pages="GS WH",
            before=(Message(body=events.body()),), messages=(*(Message(body=events.body()) for _ in range(2)),),
        ),
        Case(
            name="after-a-refusal", title="a message is accepted over the connection of a refused one",
            pages="GS WH", before=(forged,), messages=(Message(body=events.body()),),
        ),
        Case(
            name="in-pieces", title="a body that arrives in three pieces is accepted", pages="GS WH",
            messages=(Message(body=events.body(), pieces=3),),
        ),
        Case(
            name="lower-case-headers", title="header names in lower case are accepted",
            messages=(Message(body=events.body(), lower_case=True),),
        ),
    ]  # fmt: skip


def _forgeries(events: Events) -> list[Case]:
    """Messages that the vendor's page says to reject: another signature, or an age of more than 5 minutes."""

    def message(**attributes: Any) -> Message:
        return Message(body=events.body(), **attributes)

    forged = {
        "wrong-secret": ("signed with another secret", message(signature=Signature.WRONG_SECRET)),
        "other-body": ("with the signature of another body", message(signature=Signature.OTHER_BODY)),
        "other-time": ("with the signature of another time", message(signature=Signature.OTHER_TIME)),
        "short-signature": ("with the first half of its signature", message(signature=Signature.SHORTENED)),
        "no-signature": ("without a signature", message(signature=Signature.MISSING)),
        "no-timestamp": ("without a timestamp", message(stamp=Stamp.MISSING)),
        "no-headers": ("without both", message(signature=Signature.MISSING, stamp=Stamp.MISSING)),
        "six-minutes-old": ("that was signed six minutes ago", message(age=360.0)),
        "day-old": ("that was signed a day ago", message(age=_DAY)),
    }
    return [
        Case(
            name=name, title=f"a message {how} is refused", pages="WH", expected=Expected.REFUSED, messages=(sent,)
        )
        for name, (how, sent) in forged.items()
    ]  # fmt: skip


def _oddities(events: Events) -> list[Case]:
    """What no page speaks of, and good practice has an opinion on."""
    event = events.event
    large = {**events.event(), "note": ""}
    large["note"] = "x" * (_LARGE - len(dumps(large)))
    odd: dict[str, tuple[str, Expected, Message]] = {
        "body-alone": (
            "a signature of the body without the time is refused: the pages' prose and samples disagree",
            Expected.REFUSED, Message(body=events.body(), signature=Signature.BODY_ALONE),
        ),
        "from-the-future": (
            "a timestamp an hour ahead is refused", Expected.REFUSED, Message(body=events.body(), age=-3600),
        ),
        "a-little-ahead": (
            "a timestamp half a minute ahead is accepted", Expected.ACCEPTED, Message(body=events.body(), age=-30),
        ),
        "milliseconds": (
            "a timestamp in milliseconds is refused", Expected.REFUSED,
            Message(body=events.body(), stamp=Stamp.MILLISECONDS),
        ),
        "timestamp-not-a-number": (
            "a timestamp that is no number is refused", Expected.REFUSED,
            Message(body=events.body(), stamp=Stamp.WORD),
        ),
        "two-signatures": (
            "two signature headers are refused", Expected.REFUSED,
            Message(body=events.body(), signature=Signature.SECOND_HEADER),
        ),
        "upper-case-hex": (
            "a signature in capitals is accepted or refused", Expected.HANDLED,
            Message(body=events.body(), signature=Signature.UPPER_CASE),
        ),
        "unknown-event": (
            "an event that no page lists is accepted", Expected.ACCEPTED,
            Message(body=events.body("returned_to_sender")),
        ),
        "unknown-fields": (
            "fields that no page lists are accepted", Expected.ACCEPTED,
            Message(body=events.body(courier={"name": None, "stops": [1, 2]}, traceId="exam")),
        ),
        "64-kib": ("a body of 64 KiB is accepted", Expected.ACCEPTED, Message(body=dumps(large))),
        "1-mib": (
            "a forged body of 1 MiB is refused", Expected.REFUSED,
            Message(body=b'"' + b"x" * (_HUGE - 2) + b'"', signature=Signature.WRONG_SECRET),
        ),
        "deep": (
            "a forged body of 10,000 nested lists is refused", Expected.REFUSED,
            Message(body=b"[" * 10_000 + b"]" * 10_000, signature=Signature.WRONG_SECRET),
        ),
        "not-json": ("a signed body that is not JSON does no harm", Expected.HANDLED, Message(body=b'{"eventId": ')),
        "no-data": (
            "a signed event without data does no harm", Expected.HANDLED,
            Message(body=dumps({name: value for name, value in event().items() if name != "data"})),
        ),
        "empty-body": ("a signed empty body does no harm", Expected.HANDLED, Message(body=b"")),
        "get": (
            "GET is refused", Expected.REFUSED,
            Message(body=b"", method="GET", signature=Signature.MISSING, stamp=Stamp.MISSING),
        ),
    }  # fmt: skip
    return [
        Case(name=name, title=title, expected=expected, messages=(message,))
        for name, (title, expected, message) in odd.items()
    ]


def _load(events: Events) -> list[Case]:
    return [
        Case(
            name="unread-response", title="a sender that does not read its response holds up no other",
            messages=(Message(body=events.body()),),
            companion=Companion(Message(body=events.body()), complete=True),
        ),
        Case(
            name="stalled-sender", title="a sender that stalls in its body holds up no other",
            messages=(Message(body=events.body()),),
            companion=Companion(Message(body=events.body()), complete=False),
        ),
        Case(
            name="200-at-once", title=f"{AT_ONCE} events at once are all accepted, each within 5 s", pages="GS CD WH",
            messages=tuple(Message(body=events.body()) for _ in range(AT_ONCE)), at_once=True,
        ),
    ]  # fmt: skip

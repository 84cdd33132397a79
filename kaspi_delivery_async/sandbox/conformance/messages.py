"""A message of the exam as plain data, and its headers at the moment of sending: pure functions."""

import enum
import hashlib
import hmac

import attrs

LONGEST_AGE = 300
"""Seconds after which a message is to be refused. Source: WH."""


class Signature(enum.Enum):
    """How a message is signed."""

    RIGHT = enum.auto()
    WRONG_SECRET = enum.auto()
    OTHER_BODY = enum.auto()
    OTHER_TIME = enum.auto()
    BODY_ALONE = enum.auto()
    SHORTENED = enum.auto()
    UPPER_CASE = enum.auto()
    SECOND_HEADER = enum.auto()
    """A right one, and another header of the same name with a wrong one."""
    MISSING = enum.auto()


class Stamp(enum.Enum):
    """How the time of a message is written."""

    SECONDS = enum.auto()
    MILLISECONDS = enum.auto()
    WORD = enum.auto()
    MISSING = enum.auto()


@attrs.frozen(kw_only=True)
class Message:
    """A request to the receiver."""

    body: bytes = attrs.field(repr=False)
    method: str = "POST"
    signature: Signature = Signature.RIGHT
    stamp: Stamp = Stamp.SECONDS
    age: float = 0.0
    """Seconds from its timestamp to its sending; negative for one from the future."""
    lower_case: bool = False
    """Whether the names of its headers are."""
    pieces: int = 1
    """How many the body is sent in, `GAP` seconds apart."""

    @property
    def is_genuine(self) -> bool:
        """Whether the vendor sends messages like this, and in time."""
        return (
            self.method == "POST"
            and self.signature is Signature.RIGHT
            and self.stamp is Stamp.SECONDS
            and abs(self.age) <= LONGEST_AGE
        )


GAP = 0.1
"""Seconds between two pieces of a body."""


def right_signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the hex HMAC-SHA256 of ``"{timestamp}.{body}"``. Source: WH, EX."""
    return _hmac(secret, timestamp.encode() + b"." + body)


def headers_of(message: Message, *, secret: str, now: float) -> list[tuple[str, str]]:
    """Return the headers of a message that is sent now."""
    timestamp = _timestamp(message, now)
    pairs = [("Content-Type", "application/json")]
    if message.stamp is not Stamp.MISSING:
        pairs.append(("X-Kaspi-Timestamp", timestamp))
    pairs += [("X-Kaspi-Signature", each) for each in _signatures(message, secret, timestamp)]
    return [(name.lower(), value) for name, value in pairs] if message.lower_case else pairs


def _timestamp(message: Message, now: float) -> str:
    seconds = int(now - message.age)
    if message.stamp is Stamp.MILLISECONDS:
        return str(seconds * 1000)
    return "yesterday" if message.stamp is Stamp.WORD else str(seconds)


def _signatures(message: Message, secret: str, timestamp: str) -> list[str]:
    body, right = message.body, right_signature(secret, timestamp, message.body)
    wrong = right_signature(f"{secret}?", timestamp, body)
    signatures = {
        Signature.RIGHT: [right],
        Signature.WRONG_SECRET: [wrong],
        Signature.OTHER_BODY: [right_signature(secret, timestamp, body.replace(b"exam", b"exan"))],
        Signature.OTHER_TIME: [right_signature(secret, f"{timestamp}0", body)],
        Signature.BODY_ALONE: [_hmac(secret, body)],
        Signature.SHORTENED: [right[:32]],
        Signature.UPPER_CASE: [right.upper()],
        Signature.SECOND_HEADER: [right, wrong],
        Signature.MISSING: list[str](),
    }
    return signatures[message.signature]


def _hmac(secret: str, text: bytes) -> str:
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()

"""Whatever comes in, the verifier gives an event or one `WebhookVerificationError`.

The suite tries 20,000 pairs; ``python -m tests.webhooks.test_verifier_properties 1000000`` as many as it is given.
"""

import random
import sys
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspi_delivery_async import DeliveryWebhook, WebhookVerificationError, WebhookVerifier
from tests.support.webhook_messages import NOW, SECRET, body, headers

REASONS = {
    "body_not_raw",
    "malformed_body",
    "malformed_signature",
    "malformed_timestamp",
    "missing_signature",
    "missing_timestamp",
    "repeated_header",
    "signature_mismatch",
    "too_new",
    "too_old",
}
VERIFIER = WebhookVerifier([SECRET, "an older secret"], clock=lambda: NOW)

TIMES = (
    *("inf", "-inf", "nan", "1e9", "1718093454000", "-1", "", " ", "0", "0x66680b6e", "1718093454.0", "1_718_093_454"),
    *("+1718093454", "1718093454\n", "9" * 12, "9" * 13, "None", "\0", "2024-06-11T08:10:54Z", "١٧١٨٠٩٣٤٥٤"),
)
SIGNATURES = ("", "0" * 64, "f" * 63, "g" * 64, "sha256=" + "0" * 57, "٣" * 64, "0" * 64 + "\n", "\0" * 64, "é" * 64)
BODIES = (
    *(b"", b"{}", b"[]", b"null", b"0", b'"', b"\xff\xfe", b"\xed\xa0\x80", b"1e999", b"9" * 5000),
    *(b"[" * 100_000, b'{"eventId":' * 5000, b'{"eventId":"\\ud800"}'),
    *(body(data=None), body(data=[]), body(type=None), body(attempt="1"), body(attempt=1e300)),
    body(data={"deliveryId": "d", "status": "s", "timestamp": "0001-01-01"}),
    body(data={"deliveryId": "d", "status": "s", "timestamp": "9999-12-31T23:59:59-23:59"}),
)

Draw = random.Random


def some_bytes(draw: Draw) -> bytes:
    """Return arbitrary bytes, a body that is wrong in a known way, or a good one with a few bytes changed."""
    kind = draw.random()
    if kind < 0.2:
        return draw.randbytes(draw.randrange(200))
    if kind < 0.3:
        return draw.choice(BODIES)
    raw = bytearray(body(f"wh_{draw.randrange(9)}", status=draw.choice(["delivered", "weighed", "cancelled"])))
    for _ in range(draw.choice([0, 0, 1, 3, 20])):
        raw[draw.randrange(len(raw))] = draw.randrange(256)
    return bytes(raw)


def some_time(draw: Draw) -> str:
    """Return a timestamp: odd, arbitrary, at an edge of the tolerance, or good."""
    kind = draw.random()
    if kind < 0.2:
        return draw.choice(TIMES)
    if kind < 0.3:
        return draw.randbytes(draw.randrange(20)).decode("latin-1")
    return str(int(NOW) + draw.choice([0, 0, 0, 299, 300, 301, -299, -300, -301, draw.randrange(-(10**12), 10**12)]))


def some_headers(draw: Draw, raw: bytes) -> Any:
    """Return headers in any of the forms that frameworks use; often signed, often not well."""
    at = some_time(draw)
    secret = draw.choice([SECRET, SECRET, "an older secret", "nobody's"])
    numeric = at.lstrip("-").isascii() and at.lstrip("-").isdigit()
    signed = headers(raw, at=int(at) if numeric else NOW, secret=secret)["X-Kaspi-Signature"]
    signature = signed if draw.random() < 0.7 else draw.choice([*SIGNATURES, signed.upper(), signed[:-1]])
    pairs: list[tuple[Any, Any]] = [("X-Kaspi-Timestamp", at), ("X-Kaspi-Signature", signature)]
    pairs.append((draw.choice(["Host", "", "\0", "x-kaspi-signaturé"]), draw.randbytes(5).decode("latin-1")))
    change = draw.choice(["title", "lower", "upper", "swapcase"])
    pairs = [(getattr(name, change)(), value) for name, value in pairs]
    draw.shuffle(pairs)
    if draw.random() < 0.1:
        pairs.pop()
    if draw.random() < 0.1:
        pairs += draw.choices(pairs, k=1)
    if draw.random() < 0.3:
        pairs = [(name.encode(), value.encode()) for name, value in pairs]
    return dict(pairs) if draw.random() < 0.5 else pairs


def fuzz(count: int, *, seed: int) -> Counter[str]:
    """Verify ``count`` pairs; count what came out. Anything but an event or the one error is raised."""
    draw, outcomes = Draw(seed), Counter[str]()
    for _ in range(count):
        raw = some_bytes(draw)
        try:
            event = VERIFIER.verify(raw, some_headers(draw, raw))
        except WebhookVerificationError as error:
            outcomes[error.reason] += 1
        else:
            assert isinstance(event, DeliveryWebhook)
            outcomes["event"] += 1
    return outcomes


def test_fuzzed_messages_give_an_event_or_the_one_error() -> None:
    outcomes = fuzz(20_000, seed=5)

    assert outcomes.keys() == (REASONS - {"body_not_raw"}) | {"event"}


@given(
    raw=st.binary() | st.text(),
    sent=st.lists(st.tuples(st.text() | st.just("X-Kaspi-Signature") | st.just("X-Kaspi-Timestamp"), st.text()))
    | st.lists(st.tuples(st.binary() | st.just(b"x-kaspi-signature") | st.just(b"x-kaspi-timestamp"), st.binary()))
    | st.dictionaries(st.text(), st.text() | st.none() | st.integers()),
)
def test_arbitrary_messages_are_refused_with_a_reason(raw: Any, sent: Any) -> None:
    with pytest.raises(WebhookVerificationError) as caught:
        VERIFIER.verify(raw, sent)

    assert caught.value.reason in REASONS


@given(raw=st.binary())
def test_every_genuine_message_is_an_event_or_a_malformed_body(raw: bytes) -> None:
    try:
        VERIFIER.verify(raw, headers(raw))
    except WebhookVerificationError as error:
        assert error.reason == "malformed_body"


@given(flipped=st.integers(min_value=0), bit=st.integers(min_value=0, max_value=7))
def test_a_message_changed_in_one_bit_is_refused(flipped: int, bit: int) -> None:
    raw = bytearray(body())
    signed = headers(bytes(raw))
    raw[flipped % len(raw)] ^= 1 << bit

    with pytest.raises(WebhookVerificationError) as caught:
        VERIFIER.verify(bytes(raw), signed)

    assert caught.value.reason == "signature_mismatch"


if __name__ == "__main__":
    for outcome, count in sorted(fuzz(int(sys.argv[1]), seed=int(NOW)).items()):
        sys.stdout.write(f"{count:9} {outcome}\n")

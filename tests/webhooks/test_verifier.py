"""What the verifier accepts and refuses, by vectors made with another HMAC than Python's.

Each signature below is the output of ``printf '%s.' TIMESTAMP | cat - BODY | openssl dgst -sha256 -hmac SECRET``.
"""

import time
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_string
from typing import Any

import pytest

from kaspi_delivery_async import ConfigurationError, WebhookVerificationError, WebhookVerifier
from kaspi_delivery_async.webhooks import sign

AT = 1718093454
BODY = (
    b'{"eventId":"wh_3e0a","type":"delivery.delivered","attempt":1,"data":{"deliveryId":"dlv_01hfz18tnb7tqw",'
    b'"externalOrderId":"order-742","status":"delivered","timestamp":"2024-06-11T18:02:11Z"}}'
)
SIGNATURE = "31e0c76754cd4ceeb092f0e598b5d8518557246367244692cbd50327bfb44c8f"
SIGNATURE_TWO = "15bdb2ab60e6a5e3e392346bd8d8dea8299e9a82db3f6fa927d45dbaa67e816f"
SNOW = '{"eventId": "wh_☃", "type": "delivery.weighed", "data": {"deliveryId": "dlv_1", "status": "weighed"}}'.encode()
VECTORS = [
    ("whsec_one", AT, BODY, SIGNATURE),
    ("whsec_two", AT, BODY, SIGNATURE_TWO),
    ("ключ", AT, SNOW, "bc9f4c48eb3c98620d8c59a05e91c48e48006a606d7d4ba2a4fc799e603e2a0c"),
    ("whsec_one", 0, BODY, "1d27da3c0104fa59190a327a0ee38d55d776d2bc036ae69f15c0ed5596bc4822"),
    ("whsec_one", AT, b"", "1272738dc0ef7544793b2db03cc2d6f1b7ea4bc824440be86532ab6a6612b48c"),
]
VERIFIER = WebhookVerifier(["whsec_one"], clock=lambda: float(AT))


def signed(timestamp: str = str(AT), signature: str = SIGNATURE) -> dict[str, str]:
    return {"X-Kaspi-Timestamp": timestamp, "X-Kaspi-Signature": signature}


def reason(
    body: Any = BODY, headers: Any = None, *, verifier: WebhookVerifier = VERIFIER, received_at: Any = None
) -> str | None:
    """Return why a message is refused; None if it is accepted."""
    try:
        verifier.verify(body, signed() if headers is None else headers, received_at)
    except WebhookVerificationError as error:
        return error.reason
    return None


@pytest.mark.parametrize(("secret", "timestamp", "body", "signature"), VECTORS)
def test_signatures_are_openssls(secret: str, timestamp: int, body: bytes, signature: str) -> None:
    assert sign(secret, timestamp, body) == signature


def test_a_genuine_message_is_read() -> None:
    event = VERIFIER.verify(BODY, signed())

    assert (event.event_id, event.type, event.attempt) == ("wh_3e0a", "delivery.delivered", 1)
    assert event.data.timestamp == datetime(2024, 6, 11, 18, 2, 11, tzinfo=UTC)


def test_an_unknown_type_and_status_and_a_missing_attempt_are_accepted() -> None:
    event = WebhookVerifier(["ключ"], clock=lambda: AT).verify(SNOW, signed(signature=VECTORS[2][3]))

    assert (event.event_id, event.type, event.data.status, event.attempt) == (
        "wh_☃",
        "delivery.weighed",
        "weighed",
        None,
    )


def test_the_raw_body_alone_is_not_what_is_signed() -> None:
    """The prose of the vendor's page says so; made by ``openssl dgst -sha256 -hmac whsec_one BODY``."""
    raw_body_signature = "a852aa3663c7d9532bb02f38ea782e1c36db6dd4e41063dc7820ca1710060707"
    assert reason(headers=signed(signature=raw_body_signature)) == "signature_mismatch"


@pytest.mark.parametrize(
    ("age", "expected"),
    [(0, None), (300, None), (-300, None), (301, "too_old"), (-301, "too_new"), (300.5, "too_old"), (-300.5, "too_new"),
     (1e18, "too_old"), (float("inf"), "too_old"), (float("-inf"), "too_new"), (float("nan"), "too_new")],
)  # fmt: skip
def test_a_message_is_good_for_five_minutes_before_and_after(age: float, expected: str | None) -> None:
    clocks: dict[str, Any] = {
        "clock": {"verifier": WebhookVerifier(["whsec_one"], clock=lambda: AT + age)},
        "argument": {"received_at": AT + age},
    }
    assert [reason(**given) for given in clocks.values()] == [expected] * 2


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5))])
def test_the_time_of_reception_may_be_a_datetime_with_its_zone(zone: timezone) -> None:
    received = datetime.fromtimestamp(AT, tz=zone)

    assert reason(received_at=received + timedelta(seconds=300)) is None
    assert reason(received_at=received + timedelta(seconds=301)) == "too_old"


def test_a_datetime_without_its_zone_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ConfigurationError, match="without its zone"):
        VERIFIER.verify(BODY, signed(), datetime.fromtimestamp(AT, tz=UTC).replace(tzinfo=None))


@pytest.mark.parametrize(
    "timestamp",
    ["", " ", "inf", "nan", "1e9", "-1718093454", "+1718093454", "1718093454000", "1718093454.0", "1_718_093_454",
     " 1718093454", "1718093454\n", "٣٤", "0x1", "None"],
)  # fmt: skip
def test_a_timestamp_is_whole_seconds_in_ascii_digits(timestamp: str) -> None:
    assert reason(headers=signed(timestamp)) == "malformed_timestamp"


@pytest.mark.parametrize(
    "signature",
    ["", SIGNATURE[:-1], SIGNATURE + "0", "g" * 64, f"sha256={SIGNATURE}", f" {SIGNATURE}", f"{SIGNATURE}\n", "٣" * 64],
)
def test_a_signature_is_64_hexadecimal_digits(signature: str) -> None:
    assert reason(headers=signed(signature=signature)) == "malformed_signature"


@pytest.mark.parametrize("signature", ["0" * 64, SIGNATURE_TWO, SIGNATURE[::-1]])
def test_another_signature_does_not_match(signature: str) -> None:
    assert reason(headers=signed(signature=signature)) == "signature_mismatch"


def test_the_timestamp_is_signed_too() -> None:
    assert reason(headers=signed(str(AT + 1))) == "signature_mismatch"


@pytest.mark.parametrize(
    ("secrets", "accepted"),
    [
        (["whsec_one"], [True, False]),
        (["whsec_two", "whsec_one"], [True, True]),
        (["whsec_one", "whsec_two"], [True, True]),
        (["whsec_two"], [False, True]),
        (["whsec_three"], [False, False]),
        ("whsec_one", [True, False]),
    ],
)
def test_secrets_rotate(secrets: list[str], accepted: list[bool]) -> None:
    verifier = WebhookVerifier(secrets, clock=lambda: AT)

    assert [
        reason(headers=signed(signature=s), verifier=verifier) is None for s in (SIGNATURE, SIGNATURE_TWO)
    ] == accepted


@pytest.mark.parametrize(
    "form",
    [
        dict,
        lambda headers: list(headers.items()),
        lambda headers: {name.lower(): value for name, value in headers.items()},
        lambda headers: {name.upper(): value.upper() for name, value in headers.items()},
        lambda headers: {name.encode(): value.encode() for name, value in headers.items()},
        lambda headers: [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        lambda headers: ((name, value) for name, value in headers.items()),
        lambda headers: message_from_string("".join(f"{name}: {value}\n" for name, value in headers.items())),
    ],
)
def test_headers_come_in_any_form(form: Callable[[Mapping[str, str]], Any]) -> None:
    assert reason(headers=form({"Host": "shop", **signed()})) is None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "missing_timestamp"),
        ([], "missing_timestamp"),
        ({"X-Kaspi-Signature": SIGNATURE}, "missing_timestamp"),
        ({"X-Kaspi-Timestamp": str(AT)}, "missing_signature"),
        ([*signed().items(), ("x-kaspi-signature", SIGNATURE)], "repeated_header"),
        ([*signed().items(), ("X-KASPI-TIMESTAMP", str(AT))], "repeated_header"),
        ({**signed(), "x-kaspi-signature": "0" * 64}, "repeated_header"),
        ({**signed(), "X-Kaspi-Timestamp": None}, "malformed_timestamp"),
    ],
)
def test_each_header_comes_once(headers: Any, expected: str) -> None:
    assert reason(headers=headers) == expected


@pytest.mark.parametrize("headers", [None, 5, "X-Kaspi-Timestamp: 1", [("X-Kaspi-Timestamp",)], [5]])
def test_what_holds_no_headers_is_refused_like_a_message_without_them(headers: Any) -> None:
    with pytest.raises(WebhookVerificationError, match="missing_timestamp"):
        VERIFIER.verify(BODY, headers)


@pytest.mark.parametrize(
    "body",
    [
        BODY.replace(b"T18:02:11Z", b"T18:02:11"),
        BODY.replace(b'"2024-06-11T18:02:11Z"', b'""'),
        BODY.replace(b'"2024-06-11T18:02:11Z"', b"1718128931"),
        BODY.replace(b'"attempt":1', b'"attempt":"2"'),
        BODY.replace(b'"order-742"', b"742"),
        b"\xef\xbb\xbf" + BODY,
    ],
)
def test_what_is_beside_the_point_hides_no_event(body: bytes) -> None:
    event = VERIFIER.verify(body, signed(signature=sign("whsec_one", AT, body)), AT)

    assert (event.event_id, event.type, event.data.status) == ("wh_3e0a", "delivery.delivered", "delivered")
    assert event.data.delivery_id == "dlv_01hfz18tnb7tqw"


@pytest.mark.parametrize("secrets", ["whsec\n", " whsec", ["good", "whsec\r\n"], "\t", "a\nb", 7])
def test_a_secret_that_was_copied_with_blanks_is_refused_and_not_shown(secrets: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        WebhookVerifier(secrets)

    assert "whsec" not in str(caught.value)
    module = "kaspi_delivery_async/webhooks/verifier.py"
    ours = [frame.f_locals for frame, _ in traceback.walk_tb(caught.tb) if module in frame.f_code.co_filename]
    assert ours
    assert not any("whsec" in repr(value) for found in ours for value in found.values())


@pytest.mark.parametrize("moment", ["now", b"1", object()])
def test_a_time_of_receipt_that_is_none_is_refused(moment: Any) -> None:
    with pytest.raises(ConfigurationError, match="received_at"):
        VERIFIER.verify(BODY, signed(), moment)


def test_the_time_of_day_is_looked_up_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = WebhookVerifier(["whsec_one"])
    monkeypatch.setattr(time, "time", lambda: AT + 1.0)

    assert verifier.verify(BODY, signed()).event_id == "wh_3e0a"


@pytest.mark.parametrize("body", [BODY.decode(), None, {"eventId": "wh_1"}, 7])
def test_a_body_that_is_not_raw_bytes_is_refused(body: Any) -> None:
    assert reason(body) == "body_not_raw"


@pytest.mark.parametrize("form", [bytes, bytearray, memoryview])
def test_a_body_is_any_bytes(form: Callable[[bytes], Any]) -> None:
    assert reason(form(BODY)) is None


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", r"\$: expected an object"),
        (b"{}", r"\$\.eventId: is missing"),
        (BODY.replace(b'"wh_3e0a"', b"7"), r"\$\.eventId: expected a string, got a number"),
        (BODY.replace(b'"dlv_01hfz18tnb7tqw"', b"null"), r"\$\.data\.deliveryId: expected a string, got null"),
    ],
)
def test_a_genuine_message_that_cannot_be_read_names_what_is_wrong_without_quoting_it(body: bytes, where: str) -> None:
    with pytest.raises(WebhookVerificationError, match=where) as caught:
        VERIFIER.verify(body, signed(signature=sign("whsec_one", AT, body)))

    assert caught.value.reason == "malformed_body"
    assert "order-742" not in str(caught.value)


@pytest.mark.parametrize("secrets", [[], "", [""], ["good", ""], [None], ["\ud800"]])
def test_a_verifier_without_a_usable_secret_is_refused(secrets: Any) -> None:
    with pytest.raises(ConfigurationError):
        WebhookVerifier(secrets)


def test_neither_secret_nor_signature_is_shown() -> None:
    with pytest.raises(WebhookVerificationError) as caught:
        VERIFIER.verify(BODY, signed(signature=SIGNATURE_TWO))

    assert not any(secret in f"{VERIFIER!r} {caught.value!r}" for secret in ("whsec", SIGNATURE, SIGNATURE_TWO))


def test_the_clock_is_the_time_of_day_by_default() -> None:
    assert reason(verifier=WebhookVerifier(["whsec_one"])) == "too_old"

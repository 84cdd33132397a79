"""Plays every row of docs/faults.md against every operation, on real sockets and virtual time."""

import logging
import pickle
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest
import trustme
from aiohttp.abc import AbstractResolver, ResolveResult

from kaspi_delivery_async import DeliveryClient, KaspiDeliveryError, errors
from kaspi_delivery_async._call.retry import AttemptFailed
from kaspi_delivery_async._transport import sessions
from tests.support import server_scripts
from tests.support.orders import PERSONAL, order
from tests.support.raw_server import GOOD_BODY, RawServer

pytestmark = pytest.mark.chaos

API_KEY = "key-of-marked-value"
TABLE = Path(__file__).parents[2] / "docs" / "faults.md"

HEADERS_CUT = b"HTTP/1.1 200 OK\r\nContent-Type: app"
BODY_CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + GOOD_BODY
NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def http_date(*, seconds: float) -> str:
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


DATE = f"Date: {http_date(seconds=0)}"

PLAYS = {
    "reset before the request is read": server_scripts.reset_before_request,
    "hang-up after the request": server_scripts.close_after_request,
    "reset after the request": server_scripts.reset_after_request,
    "reset inside the headers": server_scripts.send_and_reset(HEADERS_CUT),
    "reset inside the body": server_scripts.send_and_reset(BODY_CUT),
    "body cut short": server_scripts.send(BODY_CUT),
    "no response": server_scripts.stall,
    "response stops in the body": server_scripts.stall_in_body,
    "one byte a second": server_scripts.drip,
    "not HTTP at all": server_scripts.send(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "header line of 100,000 bytes": server_scripts.send(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n"),
    "429 after 2 s": server_scripts.respond(429, b"{}", "Retry-After: 2"),
    "429 after a date 2 s away": server_scripts.respond(429, b"{}", DATE, f"Retry-After: {http_date(seconds=2)}"),
    "429 after a date in the past": server_scripts.respond(429, b"{}", DATE, f"Retry-After: {http_date(seconds=-60)}"),
    "429 after nonsense": server_scripts.respond(429, b"{}", "Retry-After: soon"),
    "429 without Retry-After": server_scripts.respond(429, b"{}"),
    "429 after a day": server_scripts.respond(429, b"{}", "Retry-After: 86400"),
    "500 with HTML": server_scripts.respond(500, server_scripts.HTML, kind="text/html"),
    "501 with HTML": server_scripts.respond(501, server_scripts.HTML, kind="text/html"),
    "502 with HTML": server_scripts.respond(502, server_scripts.HTML, kind="text/html"),
    "503 after 2 s": server_scripts.respond(503, server_scripts.HTML, "Retry-After: 2", kind="text/html"),
    "504 with HTML": server_scripts.respond(504, server_scripts.HTML, kind="text/html"),
    "500 kept under the key": server_scripts.respond(500, b"{}", "X-Idempotent-Replay: true"),
    "400": server_scripts.respond(400, b'{"code": "bad_request", "message": "$.parcel: is missing"}'),
    "401": server_scripts.respond(401, b'{"code": "unauthorized", "message": "no"}'),
    "403": server_scripts.respond(403, b'["not", "an", "object"]'),
    "404 without a body": server_scripts.respond(404, b""),
    "405": server_scripts.respond(405, server_scripts.HTML, kind="text/html"),
    "407": server_scripts.respond(407, b""),
    "408": server_scripts.respond(408, b""),
    "415": server_scripts.respond(415, server_scripts.HTML, kind="text/html"),
    "421": server_scripts.respond(421, b""),
    "423": server_scripts.respond(423, b'{"code": "locked", "message": "at work"}'),
    "425": server_scripts.respond(425, b""),
    "499": server_scripts.respond(499, b""),
    "409": server_scripts.respond(409, b'{"code": "conflict", "message": "no"}'),
    "418": server_scripts.respond(418, b'{"code": 7, "message": null}'),
    "redirect to another host": server_scripts.respond(307, b"", "Location: http://127.0.0.2:9/"),
    "200 with HTML": server_scripts.respond(200, server_scripts.HTML, kind="text/html"),
    "200 with half of the JSON": server_scripts.respond(200, GOOD_BODY[: len(GOOD_BODY) // 2]),
    "200 with wrong types": server_scripts.respond(
        200, b'{"deliveryId": "dlv_1", "status": 7, "eventId": [], "eta": "soon"}'
    ),
    "200 with 20 MiB": server_scripts.send(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (20 * 1024 * 1024)),
    "204": server_scripts.send(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "request echoed as an error": server_scripts.echo_in_error,
    "request echoed as garbage": server_scripts.echo_as_garbage,
}


class FailingResolver(AbstractResolver):
    def __init__(self, error: Exception) -> None:
        self._error = error

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        raise self._error

    async def close(self) -> None:
        """Nothing to close."""


NAMES = {
    "host name not found": OSError(None, "name unknown"),
    "host name that cannot exist": UnicodeError("label empty or too long"),
}
PROXIES = {
    "407 of a proxy": server_scripts.respond_head(b"HTTP/1.1 407 X\r\nContent-Length: 0\r\n\r\n"),
    "503 of a proxy": server_scripts.respond_head(b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"),
}
NOT_HTTP = {"connection refused", "certificate not trusted"}


@asynccontextmanager
async def client_facing(fault: str, *, own_session: bool = False) -> AsyncIterator[DeliveryClient]:
    async with AsyncExitStack() as stack:
        session: aiohttp.ClientSession | None = None
        base_url = "https://api.invalid"
        if fault in NAMES:
            connector = aiohttp.TCPConnector(resolver=FailingResolver(NAMES[fault]))
            session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        elif fault in PROXIES:
            proxy = await stack.enter_async_context(RawServer([PROXIES[fault]]))
            session = await stack.enter_async_context(aiohttp.ClientSession(proxy=proxy.base_url))
        else:
            base_url = await stack.enter_async_context(server_with(fault))
            if own_session:
                session = await stack.enter_async_context(aiohttp.ClientSession())
        yield await stack.enter_async_context(DeliveryClient(API_KEY, base_url=base_url, session=session))


@asynccontextmanager
async def server_with(fault: str) -> AsyncIterator[str]:
    if fault == "connection refused":
        with socket.socket() as closed_again:
            closed_again.bind(("127.0.0.1", 0))
            port = closed_again.getsockname()[1]
        yield f"http://127.0.0.1:{port}"
        return
    context = None
    if fault == "certificate not trusted":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with RawServer([PLAYS.get(fault, server_scripts.stall)], ssl=context) as server:
        yield server.base_url


@attrs.frozen
class Row:
    fault: str
    keyed: int
    read: int
    keyless: int
    error: str
    outcome: str
    wait: str


def rows() -> list[Row]:
    table, _, _ = TABLE.read_text().partition("\n## ")
    lines = [line for line in table.splitlines() if line.startswith("|")][2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [Row(fault, int(keyed), int(read), int(keyless), *rest) for fault, keyed, read, keyless, *rest in cells]


OPERATIONS: dict[str, tuple[str, Callable[[DeliveryClient], Awaitable[Any]]]] = {
    "create_delivery": ("keyed", lambda client: client.create_delivery(order())),
    "cancel_delivery": ("keyed", lambda client: client.cancel_delivery("dlv_1", PERSONAL[-1])),
    "get_delivery": ("read", lambda client: client.get_delivery("dlv_1")),
    "send_test_webhook": ("keyless", lambda client: client.send_test_webhook("http://127.0.0.1/", "delivery.created")),
}

WAITS: dict[str, list[tuple[float, float]]] = {
    "none": [],
    "backoff": [(0, 0.5), (0, 1), (0, 2)],
    "2 s + backoff": [(2, 2.5), (2, 3), (2, 4)],
    "0.5 s for all": [(0.5, 0.525), (0.5, 1), (0.5, 2)],
}

ERROR_OF_409 = {"create_delivery": "IdempotencyConflictError", "cancel_delivery": "CancelNotAllowedError"}


def test_every_row_can_be_played_and_every_play_has_a_row() -> None:
    assert {row.fault for row in rows()} == PLAYS.keys() | NAMES.keys() | PROXIES.keys() | NOT_HTTP


@pytest.mark.looptime
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("row", rows(), ids=lambda row: row.fault)
async def test_fault(row: Row, operation: str, caplog: pytest.LogCaptureFixture) -> None:
    """The fault ends in the row's error, after the row's attempts and waits, and shows nothing secret or personal."""
    caplog.set_level(logging.DEBUG)
    await assert_row(row, operation, caplog)


@pytest.mark.looptime
@pytest.mark.parametrize("operation", ["create_delivery", "get_delivery"])
@pytest.mark.parametrize("row", [row for row in rows() if row.fault in PLAYS], ids=lambda row: row.fault)
async def test_fault_on_a_session_of_the_callers_own(
    row: Row, operation: str, caplog: pytest.LogCaptureFixture
) -> None:
    await assert_row(row, operation, caplog, own_session=True)


@pytest.mark.looptime
@pytest.mark.parametrize("operation", ["create_delivery", "get_delivery"])
@pytest.mark.parametrize("row", [row for row in rows() if row.fault in PLAYS], ids=lambda row: row.fault)
async def test_fault_without_our_request_class(
    row: Row, operation: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It only saves time: on the day when aiohttp calls it otherwise, it can go."""
    monkeypatch.setattr(sessions, "REQUEST_CLASS", aiohttp.ClientRequest)
    await assert_row(row, operation, caplog)


async def assert_row(row: Row, operation: str, caplog: pytest.LogCaptureFixture, *, own_session: bool = False) -> None:
    kind, call = OPERATIONS[operation]
    async with client_facing(row.fault, own_session=own_session) as client:
        with pytest.raises(KaspiDeliveryError) as caught:
            await call(client)
    error = caught.value
    expected = ERROR_OF_409.get(operation, row.error) if row.fault == "409" else row.error
    assert type(error) is getattr(errors, expected)
    assert error.operation == operation
    assert error.outcome == row.outcome
    assert len(error.attempts) == attrs.asdict(row)[kind]
    assert_waits(error, WAITS[row.wait])
    assert not {type(above) for above in contexts(error)} & {AttemptFailed}  # it would drag along the whole call
    assert_survives_pickling(error)
    assert_discreet(error, caplog.text)


def assert_waits(error: KaspiDeliveryError, bounds: list[tuple[float, float]]) -> None:
    for before, after, (least, most) in zip(error.attempts, error.attempts[1:], bounds, strict=False):
        wait = after.start - before.start - before.duration
        assert least - 0.001 <= wait <= most + 0.001


def contexts(error: BaseException) -> Iterator[BaseException]:
    above = error.__context__
    while above is not None:
        yield above
        above = above.__context__


def assert_survives_pickling(error: KaspiDeliveryError) -> None:
    twin = pickle.loads(pickle.dumps(error))
    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert vars(twin) == vars(error)


def assert_discreet(error: KaspiDeliveryError, logged: str) -> None:
    cause = repr(error.__cause__) + str(error.__cause__)
    shown = "\n".join([str(error), repr(error), repr(error.attempts), cause, logged])
    for secret in (API_KEY, *PERSONAL):
        assert secret not in shown

"""An exam ends in time, follows no redirect, and reaches no host that it may not."""

import asyncio
import socket
import time
from typing import Any, NoReturn

import pytest
from aiohttp import web

from kaspi_delivery_async.sandbox.conformance import Report, Result, TargetError, cases, examine
from tests.support.faulty_receivers import SECRET, Receiver, served

pytestmark = pytest.mark.newest


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send 30 messages at once instead of 200, which take most of an exam's processor time."""
    monkeypatch.setattr(cases, "AT_ONCE", 30)


def row(report: Report, name: str) -> tuple[Result, str]:
    return next((each.result, each.detail) for each in report.rows if each.name == name)


def slow_to_connect(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    loop = type(asyncio.get_running_loop())
    connect = loop.sock_connect

    async def late(self: Any, *arguments: Any) -> None:
        await asyncio.sleep(seconds)
        await connect(self, *arguments)

    monkeypatch.setattr(loop, "sock_connect", late)


class SlowBy(Receiver):
    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    async def take(self, event: dict[str, Any]) -> None:
        await super().take(event)
        await asyncio.sleep(self.seconds)


async def never(_request: web.BaseRequest) -> web.StreamResponse:
    await asyncio.sleep(1e6)
    raise AssertionError


@pytest.mark.looptime
async def test_a_receiver_that_never_responds_ends_the_exam_in_time() -> None:
    async with served(never) as url:
        report = await examine(url, secret=SECRET)
    assert report.seconds < 90
    assert row(report, "in-time")[0] is Result.FAILED
    assert row(report, "wrong-secret")[0] is Result.SKIPPED
    assert not report.passed


@pytest.mark.looptime
async def test_a_slow_receiver_passes_as_long_as_each_response_is_in_time() -> None:
    async with served(SlowBy(4.8)) as url:
        report = await examine(url, secret=SECRET)
    assert report.passed
    assert report.seconds < 90
    assert next(each.seconds for each in report.rows if each.name == "in-time") == pytest.approx(4.8, abs=0.1)


@pytest.mark.looptime
async def test_time_counts_from_when_a_message_left(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(SlowBy(3)) as url:
        slow_to_connect(monkeypatch, 4)
        report = await examine(url, secret=SECRET)
    assert report.passed
    assert next(each.seconds for each in report.rows if each.name == "in-time") == pytest.approx(3, abs=0.1)


@pytest.mark.looptime
async def test_what_cannot_be_sent_in_time_fails_the_exam(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(SlowBy(4.9)) as url:
        slow_to_connect(monkeypatch, 4.9)
        report = await examine(url, secret=SECRET)
    assert row(report, "in-time") == (Result.FAILED, "2 cases were not sent: the receiver is too slow")
    assert row(report, "200-at-once") == (Result.SKIPPED, "the messages were not sent")
    assert report.seconds < 90


@pytest.mark.looptime
async def test_a_connection_that_is_never_made_ends_the_exam(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(Receiver()) as url:
        slow_to_connect(monkeypatch, 1e6)
        report = await examine(url, secret=SECRET)
    assert row(report, "responds") == (Result.FAILED, "event-created: no connection")
    assert report.seconds < 10


@pytest.mark.looptime
@pytest.mark.parametrize("piece", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"])
async def test_a_response_that_begins_in_time_and_does_not_end_is_none(piece: bytes) -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(piece)
        while await reader.read(1024):
            pass
        writer.close()

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        report = await examine(f"http://127.0.0.1:{port}/", secret=SECRET)
    result, detail = row(report, "in-time")
    assert (result, "event-created: no complete response within 5 s" in detail) == (Result.FAILED, True)
    assert report.seconds < 90


@pytest.mark.looptime
async def test_connections_that_break_are_no_response() -> None:
    async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    server = await asyncio.start_server(drop, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        report = await examine(f"http://127.0.0.1:{port}/", secret=SECRET)
    result, detail = row(report, "responds")
    assert (result, "event-created: the connection broke" in detail) == (Result.FAILED, True)


async def test_a_port_where_nothing_listens_is_reported_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        report = await examine(f"http://127.0.0.1:{taken.getsockname()[1]}/", secret=SECRET)
    assert row(report, "responds") == (Result.FAILED, "event-created: no connection")
    assert {each.result for each in report.rows if each.name != "responds"} <= {Result.PASSED, Result.SKIPPED}
    assert report.seconds < 1


@pytest.mark.looptime
async def test_a_redirect_is_not_followed() -> None:
    elsewhere = Receiver()
    async with served(elsewhere) as other:

        async def redirect(_request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(status=307, headers={"Location": other})

        async with served(redirect) as url:
            report = await examine(url, secret=SECRET)
    assert row(report, "no-redirect")[0] is Result.FAILED
    assert elsewhere.events == []


async def test_a_wrong_secret_fails_what_should_be_accepted_and_grades_no_refusal() -> None:
    async with served(Receiver()) as url:
        report = await examine(url, secret="another secret")
    assert row(report, "event-created") == (Result.FAILED, "status 401 instead of a 2xx")
    assert row(report, "wrong-secret")[0] is Result.SKIPPED
    assert row(report, "duplicate") == (Result.SKIPPED, "the message before it was not accepted")


@pytest.mark.parametrize(
    "url",
    [
        "http://receiver.test/", "http://10.0.0.1/", "http://127.0.0.1.receiver.test/", "http://0x7f.1/",
        "http://127.1/", "http://localhost.receiver.test/", "http://[::ffff:10.0.0.1]/", "https://169.254.169.254/",
    ],
)  # fmt: skip
async def test_no_other_host_is_looked_up_or_called(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_more: object) -> NoReturn:
        raise AssertionError("a look-up or a connection")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    with pytest.raises(TargetError, match="--i-own-this-url"):
        await examine(url, secret=SECRET)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://127.0.0.1/", "absolute http or https URL"), ("127.0.0.1:80", "absolute http or https URL"),
        ("http://user:word@127.0.0.1/", "without a user name"), ("http://127.0.0.1:99999/", "absolute http"),
    ],
)  # fmt: skip
async def test_a_url_that_is_none_is_refused_without_being_repeated(url: str, problem: str) -> None:
    with pytest.raises(TargetError, match=problem) as raised:
        await examine(url, secret=SECRET, owned=True)
    assert "word" not in str(raised.value).replace("password", "")


@pytest.mark.parametrize("secret", ["", " blank", "line\nbreak"])
async def test_a_secret_that_no_console_shows_is_refused(secret: str) -> None:
    with pytest.raises(TargetError, match="the signing secret"):
        await examine("http://127.0.0.1:9/", secret=secret)


@pytest.mark.looptime
async def test_localhost_is_reached_without_a_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(Receiver()) as url:
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_m: pytest.fail("a look-up"))
        report = await examine(url.replace("127.0.0.1", "localhost") + "?token=abc", secret=SECRET)
    assert report.passed
    assert "token" not in report.url


@pytest.mark.looptime
async def test_a_host_of_ones_own_is_looked_up_once_and_asked_to_use_https(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[str] = []

    async def look_up(_loop: object, host: str, port: int, **_more: object) -> list[Any]:
        looked_up.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    async with served(Receiver()) as url:
        monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", look_up)
        report = await examine(url.replace("127.0.0.1", "shop.test"), secret=SECRET, owned=True)
    assert report.passed
    assert looked_up == ["shop.test"]
    assert row(report, "https") == (Result.WARNING, "the URL begins with http:")


async def test_a_host_without_an_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def look_up(*_arguments: object, **_more: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", look_up)
    with pytest.raises(TargetError, match=r"shop\.test: the name has no address"):
        await examine("http://shop.test/", secret=SECRET, owned=True)


async def test_messages_are_signed_with_the_time_of_their_sending() -> None:
    async with served(Receiver()) as url:
        report = await examine(url, secret=SECRET, wall=lambda: time.time() - 3600)
    assert row(report, "event-created")[0] is Result.FAILED


@pytest.mark.looptime
async def test_a_second_connection_that_is_refused_does_not_end_the_exam(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_arguments: object, **_more: object) -> NoReturn:
        raise ConnectionRefusedError

    async with served(Receiver()) as url:
        monkeypatch.setattr(asyncio, "open_connection", refuse)
        report = await examine(url, secret=SECRET)
    assert row(report, "stalled-sender") == (Result.PASSED, "")

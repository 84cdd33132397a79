"""`check`: what it finds right and wrong in a set-up, on real sockets, and the rules that it follows."""

import email.utils
import socket
import ssl
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from kaspi_delivery_async import DeliveryClient, Environment
from kaspi_delivery_async.cli.check.findings import CheckStatus, about_clock, about_connection, about_settings
from kaspi_delivery_async.cli.check.probe import ProbeResult, probe
from kaspi_delivery_async.sandbox import Sandbox
from tests.support import server_scripts
from tests.support.cli_process import started
from tests.support.cli_runner import Ended, Run
from tests.support.raw_server import Play, RawServer

CHECKS = ["settings", "connection", "key", "clock", "webhooks"]
UNAUTHORIZED = server_scripts.respond(401, b'{"code": "unauthorized", "message": "no"}')


def results(ended: Ended) -> dict[str, str]:
    return {line["check"]: line["result"] for line in ended.json_lines}


def detail(ended: Ended, check: str) -> str:
    [text] = [line["detail"] for line in ended.json_lines if line["check"] == check]
    return str(text)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Point the environment to a server."""

    def point(base_url: str) -> None:
        monkeypatch.setenv("KASPI_API_KEY", "the-key")
        monkeypatch.setenv("KASPI_BASE_URL", base_url)

    return point


@asynccontextmanager
async def tls_server(authority: trustme.CA, *script: Play) -> AsyncGenerator[RawServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with RawServer(script, ssl=context) as server:
        yield server


@pytest.mark.meets("error-bodies")
async def test_all_is_well(run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KASPI_WEBHOOK_SECRET", "sandbox-secret")
    ended = await run("check")
    lines = ended.out.splitlines()
    assert (ended.code, ended.err) == (0, "")
    assert [line.split()[:2] for line in lines] == [["ok", check] for check in CHECKS]
    assert sandbox.base_url in lines[0]
    assert "sandbox-key" not in ended.out
    assert "sandbox-secret" not in ended.out


async def test_it_orders_nothing(run: Run, sandbox: Sandbox) -> None:
    await run("check")
    assert [request.operation for request in sandbox.requests] == ["get", "get"]
    assert len(sandbox.deliveries) == 0


async def test_without_a_webhook_secret_that_check_is_left_out(run: Run, sandbox: Sandbox) -> None:
    ended = await run("check", "--json")
    assert ended.code == 0
    assert results(ended) == dict.fromkeys(CHECKS, "ok") | {"webhooks": "skipped"}


async def test_a_wrong_key(run: Run, sandbox: Sandbox) -> None:
    sandbox.api_key = "another"
    ended = await run("check", "--json")
    assert ended.code == 1
    assert results(ended) == dict.fromkeys(CHECKS, "ok") | {"key": "failed", "webhooks": "skipped"}
    assert "keys of their own" in detail(ended, "key")


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("get:status:status=403", "disabled"),
        ("get:status:status=429:retry-after=7", "check again in 7 s"),
        ("get:status:status=429", "check again in a minute"),
        ("get:status:status=503:retry-after=60", "responded 503"),
        ("get:status:status=400", "check the base URL"),
    ],
)
@pytest.mark.meets("error-bodies")
async def test_a_response_of_a_server_in_trouble(run: Run, sandbox: Sandbox, fault: str, expected: str) -> None:
    sandbox.faults.add(fault)
    ended = await run("check", "--json")
    assert ended.code == 1
    assert results(ended) == dict.fromkeys(CHECKS, "ok") | {"key": "failed", "webhooks": "skipped"}
    assert expected in detail(ended, "key")
    assert sandbox.requests.total == 1


async def test_a_base_url_that_is_cut_short(run: Run, sandbox: Sandbox) -> None:
    """There every key gets a 404, which must not pass for a good key."""
    ended = await run("check", "--json", "--base-url", sandbox.root_url)
    assert (ended.code, results(ended)["key"]) == (1, "failed")
    assert "end in /delivery" in detail(ended, "key")


@pytest.mark.parametrize(
    "play",
    [
        server_scripts.respond(200),
        server_scripts.respond(200, server_scripts.HTML, kind="text/html"),
        server_scripts.respond(302, b"", "Location: /"),
    ],
)
async def test_a_server_that_is_none_of_the_api(run: Run, use: Callable[[str], None], play: Play) -> None:
    async with RawServer([play]) as server:
        use(server.base_url)
        ended = await run("check", "--json")
    assert (ended.code, results(ended)["key"]) == (1, "failed")
    assert "check the base URL" in detail(ended, "key")


async def test_a_made_up_key_that_cannot_be_tried_does_not_spoil_a_good_one(
    run: Run, use: Callable[[str], None]
) -> None:
    async with RawServer([server_scripts.respond(404, b""), server_scripts.respond(503, b"")]) as server:
        use(server.base_url)
        ended = await run("check", "--json")
    assert (ended.code, results(ended)["key"]) == (0, "ok")
    assert [request.headers["x-api-key"] == "the-key" for request in server.requests] == [True, False]


async def test_nobody_listens(run: Run, use: Callable[[str], None]) -> None:
    with socket.socket() as closed_again:
        closed_again.bind(("127.0.0.1", 0))
        port = closed_again.getsockname()[1]
    use(f"http://127.0.0.1:{port}/delivery")
    ended = await run("check", "--json")
    assert ended.code == 1
    assert results(ended) == {
        "settings": "ok", "connection": "failed", "key": "skipped", "clock": "skipped", "webhooks": "skipped",
    }  # fmt: skip
    assert "127.0.0.1: could not connect: Connection refused; check the base URL" in detail(ended, "connection")


@pytest.mark.looptime
async def test_a_server_that_does_not_respond() -> None:
    async with (
        RawServer([server_scripts.stall]) as server,
        DeliveryClient("the-key", base_url=server.base_url) as client,
    ):
        reply = await probe(client)
        found = about_connection(reply, base_url=client.base_url)
    assert found.status is CheckStatus.FAILED
    assert "no complete response within the attempt's time; the server was reached" in found.detail
    assert len(server.requests) == 1


async def test_an_invalid_certificate(run: Run, use: Callable[[str], None]) -> None:
    async with tls_server(trustme.CA(), UNAUTHORIZED) as server:
        use(server.base_url)
        ended = await run("check", "--json")
    assert ended.code == 1
    assert results(ended)["connection"] == "failed"
    assert "the TLS certificate of 127.0.0.1 is not valid" in detail(ended, "connection")


async def test_a_valid_certificate(use: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with tls_server(authority, server_scripts.respond(404, b""), UNAUTHORIZED) as server:
        use(server.base_url)
        async with started("check") as process:
            out, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert b"connection  127.0.0.1 responds, its TLS certificate is valid" in out


@pytest.mark.parametrize(("ahead", "result", "code"), [(-150, "warning", 0), (150, "warning", 0), (400, "failed", 1)])
async def test_a_clock_that_is_wrong(
    run: Run, use: Callable[[str], None], ahead: float, result: str, code: int
) -> None:
    date = email.utils.formatdate(time.time() - ahead, usegmt=True)
    async with RawServer([server_scripts.respond(404, b"", f"Date: {date}"), UNAUTHORIZED]) as server:
        use(server.base_url)
        ended = await run("check", "--json")
    assert (ended.code, results(ended)["clock"]) == (code, result)
    assert ("ahead of" if ahead > 0 else "behind") in detail(ended, "clock")


async def test_settings_that_make_no_sense_leave_the_secret_to_be_checked(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KASPI_WEBHOOK_SECRET", "new, old")
    ended = await run("check", "--json")
    assert ended.code == 2
    assert list(results(ended).values()) == ["failed", "skipped", "skipped", "skipped", "ok"]
    assert "KASPI_API_KEY is not set" in detail(ended, "settings")
    assert "all 2 secrets" in detail(ended, "webhooks")


@pytest.mark.parametrize(
    ("secret", "expected"), [("good,", "empty between its commas"), ("\udcff", "cannot be printed")]
)
async def test_a_webhook_secret_that_is_none(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, secret: str, expected: str
) -> None:
    monkeypatch.setenv("KASPI_WEBHOOK_SECRET", secret)
    ended = await run("check", "--json")
    assert (ended.code, results(ended)["webhooks"]) == (2, "failed")
    assert expected in detail(ended, "webhooks")


async def test_the_first_failure_chooses_the_exit_code(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.api_key = "another"
    monkeypatch.setenv("KASPI_WEBHOOK_SECRET", "good,")
    assert (await run("check")).code == 1


@pytest.mark.parametrize("environment", Environment)
def test_the_environment_is_named(environment: Environment) -> None:
    assert f"{environment.base_url} ({environment}) is called" in about_settings(environment.base_url).detail


def test_another_server_passes_for_no_environment() -> None:
    assert "/delivery (neither" in about_settings("https://proxy.example/delivery").detail


@pytest.mark.parametrize(
    ("ahead", "result"),
    [(0, "ok"), (60, "ok"), (-60, "ok"), (61, "warning"), (-300, "warning"), (301, "failed"), (-301, "failed")],
)
def test_how_far_a_clock_may_be_off(ahead: float, result: str) -> None:
    date = "Tue, 11 Jun 2024 08:10:54 GMT"
    assert about_clock(ProbeResult(error=None, date=date, received_at=1718093454.0 + ahead)).status == result


@given(st.text())
def test_a_date_that_is_none_says_nothing(date: str) -> None:
    assert about_clock(ProbeResult(error=None, date=date, received_at=0.0)).status is CheckStatus.SKIPPED


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/delivery/v1", "/V1", "/v1/deliveries"])
async def test_a_base_url_that_has_the_apis_own_path_is_no_success(
    run: Run, use: Callable[[str], None], path: str
) -> None:
    """There a right key gets 404, too: every create would be."""
    missing = server_scripts.respond(404, b'{"code": "not_found", "message": "no"}')
    async with RawServer([missing, UNAUTHORIZED]) as server:
        use(server.base_url + path)
        ended = await run("check", "--json")
    assert ended.code == 1
    assert f"the base URL ends in {path.removeprefix('/delivery').rstrip('/')}, which the client adds" in detail(
        ended, "key"
    )


@pytest.mark.parametrize("url", ["https://api.kaspi.kz", "https://sandbox.kaspi.kz/delivry", "https://api.kaspi.kz/v1"])
def test_another_path_on_a_host_of_the_vendor_is_doubtful(url: str) -> None:
    finding = about_settings(url)
    assert finding.status is CheckStatus.WARNING
    assert "the vendor's URL there is https://" in finding.detail

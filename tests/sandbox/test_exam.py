"""The exam of a receiver: good ones pass, and each fault shows in the row that it belongs to."""

import asyncio
import itertools
import socket
import ssl
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trustme
from aiohttp import web

from kaspi_delivery_async.sandbox.conformance import Report, Result, cases, examine
from kaspi_delivery_async.sandbox.conformance.leaks import leak
from kaspi_delivery_async.webhooks import MemoryStore, WebhookInbox, WebhookVerifier
from tests.support import faulty_receivers as receivers
from tests.support.faulty_receivers import SECRET, Receiver, served
from tests.support.receiver_apps import SERVERS

pytestmark = pytest.mark.newest


def named(report: Report, result: Result) -> set[str]:
    return {row.name for row in report.rows if row.result is result}


@pytest.mark.parametrize("server", sorted(SERVERS))
async def test_the_receivers_of_the_package_pass_without_a_warning(server: str) -> None:
    async def handle(_event: object) -> None:
        """Do nothing."""

    inbox = WebhookInbox(WebhookVerifier([SECRET]), store=MemoryStore(), handler=handle)
    async with SERVERS[server](inbox) as url:
        report = await examine(url, secret=SECRET)
    assert report.passed
    assert [row for row in report.rows if row.result is not Result.PASSED] == []


@pytest.mark.looptime
async def test_a_receiver_that_is_written_with_care_passes_without_a_warning() -> None:
    receiver = Receiver()
    async with served(receiver) as url:
        report = await examine(url, secret=SECRET)
    assert [row for row in report.rows if row.result is not Result.PASSED] == []
    assert report.passed
    assert len(report.rows) > 40
    assert len(receiver.events) > 200


DEEP = "" if sys.version_info >= (3, 14) else "refusal-status"
"""What 10,000 nested lists are to json before Python 3.14: a RecursionError, so a 500."""

FAULTS: dict[type[Receiver], tuple[str, str]] = {
    receivers.SignsRewrittenJson: ("blanks indented escapes", ""),
    receivers.ChecksNoSignature: (
        "wrong-secret other-body other-time short-signature no-signature", f"body-alone two-signatures {DEEP}"
    ),
    receivers.ComparesTheBeginning: ("short-signature", ""),
    receivers.ChecksNoAge: ("six-minutes-old day-old", "from-the-future milliseconds"),
    receivers.RefusesDuplicates: ("duplicate same-message duplicates-at-once", ""),
    receivers.LosesARace: ("duplicates-at-once", ""),
    receivers.WorksBeforeItResponds: ("in-time", ""),
    receivers.RedirectsToTheSlash: ("no-redirect", ""),
    receivers.TrustsTheOrder: ("out-of-order", ""),
    receivers.ForgetsInTransit: ("event-in-transit", ""),
    receivers.WorksOneByOne: ("200-at-once", ""),
    receivers.TakesTheEventsTimeForItsAge: ("late", ""),
    receivers.ReadsTheFirstPiece: ("in-pieces", ""),
    receivers.NeverEnds: ("in-time", ""),
    receivers.ListsTheTypes: ("", "unknown-event"),
    receivers.ShowsItsTraceback: ("", "no-error-text"),
    receivers.AcceptsGet: ("", "get"),
    receivers.AcceptsTheBodyAlone: ("", "body-alone"),
    receivers.RefusesWithA500: ("", "refusal-status upper-case-hex"),
    receivers.ShowsTheRightSignature: ("", "no-error-text"),
    receivers.LimitsBodies: ("", "64-kib"),
    receivers.KnowsEveryField: ("", "unknown-fields 64-kib"),
    receivers.ReadsHeadersAsTheyAreWritten: ("", "lower-case-headers"),
}  # fmt: skip


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send 30 messages at once instead of 200, which take most of an exam's processor time."""
    monkeypatch.setattr(cases, "AT_ONCE", 30)


@pytest.mark.looptime
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_each_fault_shows_in_its_rows_and_no_others(fault: type[Receiver], few_at_once: None) -> None:
    failed, warned = map(set, map(str.split, FAULTS[fault]))
    async with served(fault()) as url:
        report = await examine(url, secret=SECRET)
    assert (named(report, Result.FAILED), named(report, Result.WARNING)) == (failed, warned)
    assert report.passed == (not failed)


def test_ten_kinds_of_fault_fail_and_each_row_that_can_fail_rests_on_a_page() -> None:
    assert len([failed for failed, _ in FAULTS.values() if failed]) >= 10
    assert len({*itertools.chain.from_iterable(failed.split() for failed, _ in FAULTS.values())}) >= 15


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('Traceback (most recent call last):\n  File "app.py", line 3', "a Python traceback"),
        ("RangeError at Object.<anonymous> (/srv/app/index.js:10:5)", "a JavaScript stack"),
        ("    at kz.shop.Hooks.receive(Hooks.java:41)", "a Java stack"),
        ("goroutine 1 [running]:", "a Go stack"),
        ("Warning in /srv/www/hook.php on line 7", "a PHP error"),
        ("/srv/app/hook.rb:12:in `call'", "a Ruby stack"),
        ("UNIQUE constraint failed: events.id", "a database error"),
        ("<title>Whoops, looks like something went wrong</title>", "a page of a debugger"),
        ("ValueError: invalid literal", "the text of an exception"),
        ('{"result": "signature_mismatch"}', None),
        ('{"error": "unauthorized", "message": "the signature differs"}', None),
        ("signed with whsec_1", "the signing secret"),
        ("expected ABCDEF", "the signature that it expected, with which anyone can sign"),
    ],
)
def test_what_a_response_gives_away_is_named(text: str, found: str | None) -> None:
    assert leak(text.encode(), secret="whsec_1", signature="abcdef") == found


@asynccontextmanager
async def served_over_tls(authority: trustme.CA) -> AsyncGenerator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("shop.test").configure_cert(context)
    runner = web.ServerRunner(web.Server(Receiver()), shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def test_a_receiver_on_this_machine_may_have_a_certificate_of_its_own(few_at_once: None) -> None:
    async with served_over_tls(trustme.CA()) as port:
        report = await examine(f"https://127.0.0.1:{port}/webhooks", secret=SECRET)
    assert [row for row in report.rows if row.result is not Result.PASSED] == []


async def test_elsewhere_the_certificate_must_be_valid(monkeypatch: pytest.MonkeyPatch, few_at_once: None) -> None:
    async def look_up(_loop: object, _host: str, port: int, **_more: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", look_up)
    authority = trustme.CA()
    async with served_over_tls(authority) as port:
        report = await examine(f"https://shop.test:{port}/webhooks", secret=SECRET, owned=True)
        assert named(report, Result.FAILED) == {"responds"}
        with authority.cert_pem.tempfile() as file:
            monkeypatch.setenv("SSL_CERT_FILE", file)
            report = await examine(f"https://shop.test:{port}/webhooks", secret=SECRET, owned=True)
    assert [row for row in report.rows if row.result is not Result.PASSED] == []

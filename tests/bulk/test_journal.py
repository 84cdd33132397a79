"""The journal: what it keeps, for whom, and what it refuses."""

import asyncio
import sqlite3
import time
from pathlib import Path

import attrs
import pytest
from aiohttp import web
from sqlalchemy import select, text

from kaspi_delivery_async import ConfigurationError, DeliveryClient, RetryPolicy, StorageError, Timeout
from kaspi_delivery_async._database.database import Database
from kaspi_delivery_async.bulk import Journal, Line, OrderState, Paused, create_deliveries
from kaspi_delivery_async.bulk.journal import tables
from kaspi_delivery_async.bulk.journal.journal import PAGE
from kaspi_delivery_async.bulk.order import prepare
from kaspi_delivery_async.sandbox import Sandbox
from kaspi_delivery_async.webhooks import WebhookInbox, WebhookVerifier
from tests.support.bulk_runs import counts, entries, event, made, once, orders, run, states, until
from tests.support.orders import PERSONAL, order

HOUR = 3600.0
ONE_ATTEMPT = RetryPolicy(max_attempts=1)


class WallClock:
    """Seconds since the epoch, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


async def leave_unanswered(location: str, client: DeliveryClient, sandbox: Sandbox, clock: WallClock) -> None:
    """Have two orders sent whose responses are lost."""
    sandbox.faults.add("create:commit-then-drop")
    async with Journal(location, clock=clock) as journal:
        assert states(await run(client.with_options(retry=ONE_ATTEMPT), orders(2), journal)) == {"sent": 2}
    sandbox.faults.clear()


async def test_a_key_of_23_hours_is_sent_no_more(location: str, client: DeliveryClient, sandbox: Sandbox) -> None:
    clock = WallClock()
    await leave_unanswered(location, client, sandbox, clock)
    before = sandbox.requests.total
    clock.now += 23 * HOUR
    async with Journal(location, clock=clock) as journal:
        results = await run(client, journal.unfinished(), journal)
        assert states(results) == {"in_doubt": 2}
        assert {result.error_type for result in results} == {"InDoubt"}
        assert states(await run(client, orders(2), journal)) == {"in_doubt": 2}
        assert [line async for line in journal.unfinished()] == []
    assert sandbox.requests.total == before


async def test_a_younger_key_is_sent_again(location: str, client: DeliveryClient, sandbox: Sandbox) -> None:
    clock = WallClock()
    await leave_unanswered(location, client, sandbox, clock)
    clock.now += 23 * HOUR - 60
    async with Journal(location, clock=clock) as journal:
        assert states(await run(client, journal.unfinished(), journal)) == {"created": 2}
    assert made(sandbox) == once(2)


async def test_asking_again_makes_no_key_younger(location: str, client: DeliveryClient, sandbox: Sandbox) -> None:
    """The vendor counts 24 hours from the first request, so the journal does."""
    clock = WallClock()
    await leave_unanswered(location, client, sandbox, clock)
    clock.now += 12 * HOUR
    await leave_unanswered(location, client, sandbox, clock)
    clock.now += 11 * HOUR
    async with Journal(location, clock=clock) as journal:
        assert states(await run(client, orders(2), journal)) == {"in_doubt": 2}


async def test_a_machine_whose_clock_is_ahead_leaves_no_order_in_doubt(
    postgresql_url: str, client: DeliveryClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Times are the database's; by that machine's own, the orders would have been sent in the future."""
    with monkeypatch.context() as ahead:
        time_of_day = time.time
        ahead.setattr(time, "time", lambda: time_of_day() + 600)
        sandbox.faults.add("create:503")
        async with Journal(postgresql_url) as journal:
            assert states(await run(client.with_options(retry=ONE_ATTEMPT), orders(2), journal)) == {"sent": 2}
    sandbox.faults.clear()
    async with Journal(postgresql_url) as journal:
        assert states(await run(client, orders(2), journal)) == {"created": 2}


async def test_a_pause_that_outlives_the_keys_sends_nothing(location: str, sandbox: Sandbox) -> None:
    """Neither the order that the server delays, nor those that wait behind it."""
    clock = WallClock()
    brief = Timeout(attempt=0.9, total=0.9)
    async with DeliveryClient(sandbox.api_key, base_url=sandbox.base_url, timeout=brief) as client:
        await leave_unanswered(location, client, sandbox, clock)
        before = sandbox.requests.total
        clock.now += 22 * HOUR
        sandbox.faults.add("create:429:retry-after=1:count=1")

        def two_hours_pass(_: Paused) -> None:
            clock.now += 2 * HOUR

        async with Journal(location, clock=clock) as journal:
            results = [
                result
                async for result in create_deliveries(
                    client, orders(2), journal=journal, concurrency=1, on_pause=two_hours_pass
                )
            ]
    assert states(results) == {"in_doubt": 2}
    assert sandbox.requests.total == before + 1


async def test_a_wait_that_outlives_a_key_sends_nothing(
    location: str, client: DeliveryClient, sandbox: Sandbox
) -> None:
    """The second order is written down while the first is in flight, and its turn comes half a day later."""
    clock = WallClock()
    await leave_unanswered(location, client, sandbox, clock)
    clock.now += 12 * HOUR
    before = sandbox.requests.total
    sandbox.faults.add("create:latency:seconds=0.3:count=1")
    async with Journal(location, clock=clock, lease=1e9) as journal:  # or the end of the lease would stop it
        running = asyncio.create_task(run(client, orders(2), journal, concurrency=1))
        await until(lambda: sandbox.requests.total > before)
        clock.now += 11.5 * HOUR
        assert states(await running) == {"created": 1, "in_doubt": 1}
    assert sandbox.requests.total == before + 1


async def test_a_run_that_was_killed_makes_no_key_younger(
    location: str, client: DeliveryClient, sandbox: Sandbox
) -> None:
    clock = WallClock()
    await leave_unanswered(location, client, sandbox, clock)
    clock.now += 12 * HOUR
    async with Journal(location, clock=clock) as journal:
        killed = await journal.begin(sandbox.base_url.split("/")[2])
        for line in [line async for line in journal.unfinished()]:
            await killed.claim(prepare(line))
        await killed.close()
        clock.now += 11 * HOUR
        assert states(await run(client, orders(2), journal)) == {"in_doubt": 2}


async def test_what_was_never_sent_has_no_age(location: str) -> None:
    clock = WallClock()
    async with Sandbox() as sandbox:
        address = sandbox.base_url
        port = int(address.split(":")[2].split("/")[0])
    async with (
        Journal(location, clock=clock) as journal,
        DeliveryClient("sandbox-key", base_url=address, retry=ONE_ATTEMPT) as client,
    ):
        assert states(await run(client, orders(2), journal)) == {"failed": 2}
        clock.now += 100 * HOUR
        async with Sandbox(port=port):
            assert states(await run(client, journal.unfinished(), journal)) == {"created": 2}


async def test_a_webhook_confirms_an_order_in_doubt(
    location: str, client: DeliveryClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Through the inbox, verified: the sandbox's own event, sent when the delivery moves on."""
    clock = WallClock()
    await leave_unanswered(location, client, sandbox, clock)
    clock.now += 24 * HOUR
    handled = asyncio.Event()
    async with Journal(location, clock=clock) as journal:
        await run(client, orders(2), journal)
        assert await counts(journal) == {"in_doubt": 2}

        async def handle(message: object) -> None:
            await journal.confirm(message)  # type: ignore[arg-type]
            handled.set()

        inbox = WebhookInbox(
            WebhookVerifier([sandbox.webhook_secret]), store=tmp_path / "events.sqlite", handler=handle
        )
        app = web.Application()
        app.router.add_post("/", inbox.aiohttp)
        app.cleanup_ctx.append(inbox.cleanup_ctx)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        sandbox.webhook_url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        delivery_id = next(iter(sandbox.deliveries))
        await sandbox.advance(delivery_id, "accepted")
        await handled.wait()
        await runner.cleanup()
        assert await counts(journal) == {"in_doubt": 1, "created": 1}
        confirmed = (await entries(journal))[sandbox.deliveries[delivery_id].external_order_id]
        assert (confirmed.state, confirmed.delivery_id) == (OrderState.CREATED, delivery_id)
        assert states(await run(client, orders(2), journal)) == {"in_doubt": 1, "created": 1}


async def test_a_webhook_confirms_an_order_without_a_response(
    location: str, client: DeliveryClient, sandbox: Sandbox
) -> None:
    await leave_unanswered(location, client, sandbox, WallClock())
    async with Journal(location) as journal:
        assert await journal.confirm(event("order-0"))
        assert not await journal.confirm(event("order-0", delivery_id="dlv_other"))
        assert (await entries(journal))["order-0"].delivery_id == "dlv_9"


@pytest.mark.parametrize("order_id", [None, "", "order-77"])
async def test_a_webhook_of_another_order_confirms_nothing(journal: Journal, order_id: str | None) -> None:
    assert not await journal.confirm(event(order_id))
    assert await counts(journal) == {}


async def test_a_response_after_the_webhook_adds_its_details(
    location: str, client: DeliveryClient, sandbox: Sandbox
) -> None:
    sandbox.faults.add("create:latency:seconds=0.2")
    async with Journal(location) as journal:
        running = asyncio.create_task(run(client, orders(1), journal))
        await until(lambda: bool(sandbox.requests.total))
        assert await journal.confirm(event("order-0"))
        (result,) = await running
        entry = (await entries(journal))["order-0"]
        assert (entry.state, entry.delivery_id) == (OrderState.CREATED, result.delivery_id)
        assert entry.tracking_url == result.tracking_url is not None


async def test_a_lost_response_takes_back_no_webhook(location: str, client: DeliveryClient, sandbox: Sandbox) -> None:
    sandbox.faults.add("create:latency:seconds=0.2")
    hasty = client.with_options(retry=ONE_ATTEMPT, timeout=Timeout(attempt=0.1, total=0.1))
    async with Journal(location) as journal:
        running = asyncio.create_task(run(hasty, orders(1), journal))
        await until(lambda: bool(sandbox.requests.total))
        assert await journal.confirm(event("order-0"))
        await running
        entry = (await entries(journal))["order-0"]
        assert (entry.state, entry.delivery_id) == (OrderState.CREATED, "dlv_9")


async def test_no_personal_data_stays_of_what_is_final(file: str, client: DeliveryClient, sandbox: Sandbox) -> None:
    sandbox.faults.add("create:400:count=1")
    async with Journal(file) as journal:
        await run(client, orders(3), journal)
        bodies = await journal._database.read(lambda connection: connection.scalars(select(tables.orders.c.body)).all())
        assert set(bodies) == {None}
    content = await asyncio.to_thread(Path(file).read_bytes)
    assert b"order-1" in content
    assert not [text for text in PERSONAL if text.encode() in content]


async def test_what_is_deleted_is_overwritten(file: str) -> None:
    """Whatever SQLite was built to do by itself."""
    async with Journal(file) as journal:
        assert await journal._database.read(lambda connection: connection.scalar(text("PRAGMA secure_delete"))) == 1


async def test_the_file_is_its_owners_alone(file: str) -> None:
    async with Journal(file):
        assert {oct(found.stat().st_mode & 0o777) for found in Path(file).parent.glob("run.sqlite*")} == {"0o600"}


async def test_many_orders_are_read_in_pages(location: str) -> None:
    total = 2 * PAGE
    async with Journal(location) as journal:
        session = await journal.begin("127.0.0.1")
        lines = [Line(place=f"line {number}", order=order(f"order-{number}")) for number in range(total)]
        await asyncio.gather(*(session.claim(prepare(line)) for line in lines))
        await session.close()
        assert {line.place async for line in journal.unfinished()} == {line.place for line in lines}
        assert len(await entries(journal)) == total


async def test_a_journal_of_another_environment_is_refused(
    location: str, client: DeliveryClient, sandbox: Sandbox
) -> None:
    async with Journal(location) as journal:
        assert (await journal.totals()).environment is None
        await run(client, orders(1), journal)
        assert (await journal.totals()).environment == sandbox.base_url.split("/")[2]
        async with DeliveryClient("production-key", "production") as other:
            with pytest.raises(
                ConfigurationError, match=r"holds orders for 127\.0\.0\.1.*this run is for api\.kaspi\.kz"
            ):
                await run(other, orders(1), journal)
        assert await counts(journal) == {"created": 1}


async def test_a_journal_of_another_version_is_refused(location: str) -> None:
    database = await Database.open(location, attrs.evolve(tables.JOURNAL, version=tables.JOURNAL.version + 1))
    await database.close()
    with pytest.raises(ConfigurationError, match="version 2, made by a newer"):
        await Journal(location).__aenter__()


async def test_another_programs_database_is_refused(file: str) -> None:
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE notes (text)")
    connection.close()
    with pytest.raises(ConfigurationError, match="another program"):
        await Journal(file).__aenter__()


async def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file or directory"):
        await Journal(tmp_path / "missing" / "run.sqlite").__aenter__()


async def test_a_journal_that_is_not_open_says_so(file: str) -> None:
    with pytest.raises(ConfigurationError, match="the journal is not open"):
        await Journal(file).totals()


@pytest.mark.parametrize("lease", [0.0, -1.0, float("nan")])
def test_a_lease_that_makes_no_sense(file: str, lease: float) -> None:
    with pytest.raises(ConfigurationError, match="lease"):
        Journal(file, lease=lease)


async def test_a_database_that_fails_ends_the_run_and_sends_nothing_more(
    file: str, client: DeliveryClient, sandbox: Sandbox
) -> None:
    """An intent that cannot be written down is not acted upon; the journal stays usable."""
    async with Journal(file) as journal:
        await run(client, orders(1), journal)
        other = sqlite3.connect(file)
        other.execute(
            "CREATE TRIGGER full BEFORE INSERT ON kaspi_delivery_orders "
            "WHEN NEW.order_id = 'order-50' BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
        )
        with pytest.raises(StorageError, match="database or disk is full"):
            await run(client, orders(100), journal, concurrency=4)
        assert "order-50" not in made(sandbox)
        other.execute("DROP TRIGGER full")
        other.close()
        assert states(await run(client, orders(100), journal)) == {"created": 100}
    assert made(sandbox) == once(100)


async def test_no_personal_data_is_in_errors_and_results(
    file: str, client: DeliveryClient, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    sandbox.faults.add("create:400:0.5")
    async with Journal(file) as journal:
        results = await run(client, [*orders(10), order("order-0")], journal)
        shown = f"{results!r} {await entries(journal)!r} {caplog.text}"
    assert not [text for text in PERSONAL if text in shown]
    assert sandbox.api_key not in shown

"""The relay: each order once, whatever happens to requests, relays and clocks."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from kaspi_delivery_async import ConfigurationError, DeliveryClient, Timeout
from kaspi_delivery_async.outbox import DeliveryOutbox, OutboxState
from kaspi_delivery_async.outbox.relay import claims, pauses, relay
from kaspi_delivery_async.outbox.relay.sending import Sending
from kaspi_delivery_async.sandbox import Sandbox
from tests.outbox.conftest import QUICK
from tests.support.orders import order
from tests.support.outbox_shop import ShiftedClock, Shop, book, until, until_state

HOUR = 3600.0


def made(sandbox: Sandbox) -> dict[str, int]:
    return dict(Counter(record.external_order_id for record in sandbox.deliveries.values()))


async def test_an_order_is_sent_and_becomes_created(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, sandbox: Sandbox
) -> None:
    async with outbox.relay(client):
        await shop.order(outbox, "order-1")
        entry = await until_state(outbox, "order-1", OutboxState.CREATED)

    (delivery,) = sandbox.deliveries.values()
    assert (entry.delivery_id, entry.tracking_url) == (delivery.delivery_id, delivery.tracking_url)
    assert (entry.attempts, entry.status, entry.error) == (1, "created", None)
    assert entry.first_sent_at is not None
    assert entry.enqueued_at <= entry.first_sent_at <= entry.updated_at
    status = await outbox.status()
    assert status.environment == client.base_url.split("/")[2]
    assert (status.counts[OutboxState.CREATED], status.relays, status.pauses) == (1, 0, ())
    assert status.oldest_age[OutboxState.PENDING] is None
    assert 0 <= (status.oldest_age[OutboxState.CREATED] or 0) < 60


async def test_an_order_that_was_withdrawn_or_rolled_back_is_not_sent(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, sandbox: Sandbox
) -> None:
    await shop.order(outbox, "order-1", "order-2")
    async with shop.transaction() as session:
        await outbox.withdraw(session, "order-1")
    async with AsyncSession(shop.engine) as session:
        await outbox.enqueue(session, order("order-3"))
        await session.rollback()
    async with outbox.relay(client):
        await until_state(outbox, "order-2", OutboxState.CREATED)
        async with shop.transaction() as session:
            assert await outbox.withdraw(session, "order-2") is False

    assert made(sandbox) == {"order-2": 1}


async def test_two_relays_send_each_order_once_although_responses_are_lost(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaspi_delivery_async.outbox.decisions.LONGEST_RETRY", 0.01)
    sandbox.faults.add("create:commit-then-drop:0.2")
    sandbox.faults.add("create:status:0.1:status=429")
    sandbox.faults.add("create:status:0.1:status=503")
    orders = [f"order-{number}" for number in range(20)]
    await shop.order(outbox, *orders)
    async with (
        DeliveryOutbox(shop.location) as other,
        outbox.relay(client, book, concurrency=4),
        other.relay(client, book, concurrency=4),
    ):
        await until(lambda: _all_in(outbox, OutboxState.CREATED, len(orders)))
        await until(lambda: _booked(shop, len(orders)))

    assert made(sandbox) == dict.fromkeys(orders, 1)
    by_id = {record.external_order_id: record.delivery_id for record in sandbox.deliveries.values()}
    assert {entry.order_id: entry.delivery_id async for entry in outbox.entries()} == by_id
    booked = await shop.rows("SELECT id, state, delivery FROM shop_results")
    assert sorted(booked) == sorted((order_id, "created", by_id[order_id]) for order_id in orders)


async def test_an_order_that_is_refused_is_rejected_and_holds_nobody_up(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, sandbox: Sandbox
) -> None:
    sandbox.faults.add("create:status:order=order-1:status=400")
    await shop.order(outbox, "order-1", "order-2")
    async with outbox.relay(client, on_result=book, concurrency=1):
        entry = await until_state(outbox, "order-1", OutboxState.REJECTED)
        await until_state(outbox, "order-2", OutboxState.CREATED)
        await until(lambda: _booked(shop, 2))

    assert entry.error is not None
    assert "400" in entry.error
    assert await shop.rows("SELECT state FROM shop_results WHERE id = 'order-1'") == [("rejected",)]


async def test_an_order_for_later_is_sent_when_its_time_has_come(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, sandbox: Sandbox, clock: ShiftedClock
) -> None:
    await shop.order(outbox, "order-1", not_before=datetime.now(UTC) + timedelta(hours=1))
    await shop.order(outbox, "order-2")
    async with outbox.relay(client):
        await until_state(outbox, "order-2", OutboxState.CREATED)
        assert made(sandbox) == {"order-2": 1}
        clock.ahead = HOUR
        await until_state(outbox, "order-1", OutboxState.CREATED)


async def test_an_order_without_a_response_is_sent_again_under_the_same_key_and_bytes(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, sandbox: Sandbox, clock: ShiftedClock
) -> None:
    sandbox.faults.add("create:commit-then-drop:count=1")
    await shop.order(outbox, "order-1", idempotency_key="key-1")
    async with outbox.relay(client):
        await until(lambda: _attempted(shop, "order-1"))
        entry = await until_state(outbox, "order-1", OutboxState.SENT)
        assert entry.error is not None
        clock.ahead += 400
        again = await until_state(outbox, "order-1", OutboxState.CREATED)

    assert (again.first_sent_at, again.attempts, again.error) == (entry.first_sent_at, 2, None)
    first, second = (request for request in sandbox.requests if request.method == "POST")
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"] == "key-1"
    assert made(sandbox) == {"order-1": 1}


async def test_an_order_that_certainly_did_not_arrive_is_pending_again(
    shop: Shop, outbox: DeliveryOutbox, clock: ShiftedClock
) -> None:
    async with Sandbox() as sandbox:
        base_url = sandbox.base_url
    async with DeliveryClient("sandbox-key", base_url=base_url, retry=QUICK) as client:
        await shop.order(outbox, "order-1")
        async with outbox.relay(client):
            await until(lambda: _attempted(shop, "order-1"))

    entry = await outbox.find("order-1")
    assert entry is not None
    assert (entry.state, entry.first_sent_at) == (OutboxState.PENDING, None)
    assert entry.error is not None


async def test_an_order_without_a_response_for_23_hours_is_in_doubt_and_never_sent_again(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, sandbox: Sandbox, clock: ShiftedClock
) -> None:
    sandbox.faults.add("create:commit-then-drop")
    await shop.order(outbox, "order-1", not_before=datetime.now(UTC) + timedelta(hours=24))
    async with outbox.relay(client):
        clock.ahead = 25 * HOUR  # since it was enqueued, which does not count
        await until(lambda: _attempted(shop, "order-1"))
    clock.ahead = 25 * HOUR + 22 * HOUR
    async with outbox.relay(client):
        await until(lambda: _attempted(shop, "order-1", times=2))
        clock.ahead = 25 * HOUR + 23 * HOUR + 60
        entry = await until_state(outbox, "order-1", OutboxState.IN_DOUBT)
        sandbox.faults.clear()
        clock.ahead += 24 * HOUR
        await asyncio.sleep(0.2)

    assert (await outbox.find("order-1")) == entry
    assert entry.attempts == 2
    assert entry.error is not None
    assert "23 hours" in entry.error
    assert len([request for request in sandbox.requests if request.method == "POST"]) == 2


async def test_another_api_key_does_not_send_what_may_have_arrived_under_the_first(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, sandbox: Sandbox, clock: ShiftedClock
) -> None:
    sandbox.api_keys.add("other-key")
    sandbox.faults.add("create:commit-then-drop:count=1")
    await shop.order(outbox, "order-1")
    async with outbox.relay(client):
        await until(lambda: _attempted(shop, "order-1"))
    clock.ahead += 400
    async with (
        DeliveryClient("other-key", base_url=sandbox.base_url) as other,
        outbox.relay(other),
    ):
        await shop.order(outbox, "order-2")
        await until_state(outbox, "order-2", OutboxState.CREATED)
        assert (await until_state(outbox, "order-1", OutboxState.SENT)).attempts == 1
    async with outbox.relay(client):
        await until_state(outbox, "order-1", OutboxState.CREATED)

    assert made(sandbox) == {"order-1": 1, "order-2": 1}


@pytest.mark.parametrize("fault", ["401", "404", "415"])
async def test_a_wrong_key_or_address_pauses_the_relay_until_it_is_put_right(
    shop: Shop,
    outbox: DeliveryOutbox,
    client: DeliveryClient,
    sandbox: Sandbox,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
) -> None:
    monkeypatch.setattr(pauses, "SHOWN", 0.0)
    monkeypatch.setattr(pauses, "retry_delay", lambda _failures: 0.05)
    sandbox.faults.add(f"create:status:status={fault}")
    await shop.order(outbox, "order-1", "order-2")
    async with outbox.relay(client):
        await until(lambda: _paused(outbox))
        (pause,) = (await outbox.status()).pauses
        assert fault in pause.reason
        assert pause.since <= pause.until
        requests = sandbox.requests.total
        await until(lambda: _later(lambda: sandbox.requests.total >= requests + 2))
        states = {entry.order_id: entry.state async for entry in outbox.entries()}
        assert OutboxState.REJECTED not in states.values()
        sandbox.faults.clear()
        await until_state(outbox, "order-1", OutboxState.CREATED)
        await until_state(outbox, "order-2", OutboxState.CREATED)
        await until(lambda: _not_paused(outbox))

    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len([error for error in errors if "the relay is paused" in error]) == 1


async def test_a_rate_limit_pauses_the_relay_and_counts_as_no_failure(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, sandbox: Sandbox
) -> None:
    sandbox.faults.add("create:status:count=2:status=429:retry_after=1")
    await shop.order(outbox, "order-1", "order-2")
    async with outbox.relay(client):
        await until(lambda: _paused(outbox))
        assert (await outbox.status()).pauses[0].reason == "the API is rate limiting"
        await until_state(outbox, "order-1", OutboxState.CREATED)
        await until_state(outbox, "order-2", OutboxState.CREATED)


@pytest.mark.parametrize("problem", [RuntimeError("the vault is down"), asyncio.CancelledError()])
async def test_a_function_of_the_clients_that_raises_pauses_the_relay(
    shop: Shop,
    outbox: DeliveryOutbox,
    sandbox: Sandbox,
    problem: BaseException,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(pauses, "retry_delay", lambda _failures: 0.05)
    problems = [problem]

    def api_key() -> str:
        if problems:
            raise problems.pop()
        return sandbox.api_key

    async with (
        DeliveryClient(api_key, base_url=sandbox.base_url) as client,
        outbox.relay(client),
    ):
        await shop.order(outbox, "order-1")
        await until_state(outbox, "order-1", OutboxState.CREATED)

    assert f"the relay is paused: {type(problem).__name__} in a function of the client" in caplog.text


async def test_leaving_lets_calls_in_flight_end_and_gives_the_rest_back(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, sandbox: Sandbox
) -> None:
    sandbox.faults.add("create:latency:seconds=0.3")
    orders = [f"order-{number}" for number in range(6)]
    await shop.order(outbox, *orders)
    async with outbox.relay(client, concurrency=2):
        await until(lambda: _later(lambda: sandbox.requests.total >= 2))

    entries = {entry.order_id: entry async for entry in outbox.entries()}
    assert Counter(entry.state for entry in entries.values()) == {OutboxState.CREATED: 2, OutboxState.PENDING: 4}
    assert {entry.first_sent_at for entry in entries.values() if entry.state is OutboxState.PENDING} == {None}
    assert {entry.attempts for entry in entries.values() if entry.state is OutboxState.PENDING} == {0}
    assert len(sandbox.deliveries) == 2


async def test_cancelled_twice_a_relay_cancels_its_calls(shop: Shop, outbox: DeliveryOutbox, sandbox: Sandbox) -> None:
    sandbox.faults.add("create:stall")
    orders = [f"order-{number}" for number in range(3)]
    await shop.order(outbox, *orders)
    client = DeliveryClient(sandbox.api_key, base_url=sandbox.base_url, timeout=Timeout(attempt=60, total=60))

    async def run() -> None:
        async with client, outbox.relay(client, concurrency=1):
            await asyncio.Event().wait()

    task = asyncio.create_task(run())
    await until(lambda: _later(lambda: sandbox.requests.total >= 1))
    task.cancel()
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    states = Counter([entry.state async for entry in outbox.entries()])
    assert states[OutboxState.SENT] >= 1
    assert (await outbox.status()).relays == 0


async def test_cancelled_twice_a_relay_gives_back_what_has_certainly_not_left(
    shop: Shop, outbox: DeliveryOutbox, sandbox: Sandbox
) -> None:
    asked = asyncio.Event()

    async def api_key() -> str:
        asked.set()
        return await asyncio.Event().wait() and ""

    async def run() -> None:
        async with DeliveryClient(api_key, base_url=sandbox.base_url) as client, outbox.relay(client):
            await asyncio.Event().wait()

    await shop.order(outbox, "order-1")
    task = asyncio.create_task(run())
    await asked.wait()
    task.cancel()
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    entry = await outbox.find("order-1")
    assert entry is not None
    assert (entry.state, entry.first_sent_at, entry.attempts) == (OutboxState.PENDING, None, 0)


async def test_a_part_of_the_relay_that_fails_is_started_again(
    shop: Shop,
    outbox: DeliveryOutbox,
    client: DeliveryClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(relay, "RETRY", 0.01)
    run, failures = Sending.run, [ZeroDivisionError()]

    async def fail(sending: Sending) -> None:
        if failures:
            raise failures.pop()
        await run(sending)

    monkeypatch.setattr(Sending, "run", fail)
    async with outbox.relay(client):
        await shop.order(outbox, "order-1")
        await until_state(outbox, "order-1", OutboxState.CREATED)
    assert "a part of the relay has failed and is started again" in caplog.text


async def test_what_a_relay_that_was_killed_has_claimed_is_sent_by_another_one(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, sandbox: Sandbox, clock: ShiftedClock
) -> None:
    await shop.order(outbox, "order-1")
    await shop.execute(
        "UPDATE kaspi_delivery_outbox_entries SET state = 'sent', owner = 'killed', attempts = 1, "
        f"first_sent_at = {clock()}, account = '{client.api_key_digest}'"
    )
    await shop.execute(
        "INSERT INTO kaspi_delivery_outbox_relays (owner, name, alive_until) "
        f"VALUES ('killed', 'host:1', {clock() + claims.LEASE})"
    )
    async with outbox.relay(client):
        await asyncio.sleep(0.2)
        assert made(sandbox) == {}
        clock.ahead = claims.LEASE + 1
        entry = await until_state(outbox, "order-1", OutboxState.CREATED)

    assert entry.attempts == 2


async def test_a_relay_whose_lease_has_run_out_sends_nothing(
    shop: Shop, outbox: DeliveryOutbox, sandbox: Sandbox, clock: ShiftedClock
) -> None:
    released = asyncio.Event()

    async def api_key() -> str:
        clock.ahead += claims.LEASE + 1  # the process was stopped between claim and call
        released.set()
        return sandbox.api_key

    async with (
        DeliveryClient(api_key, base_url=sandbox.base_url, retry=QUICK) as client,
        outbox.relay(client),
    ):
        await shop.order(outbox, "order-1")
        await released.wait()
        await asyncio.sleep(0.1)
        assert made(sandbox) == {}


async def test_a_client_of_another_environment_is_refused(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient
) -> None:
    async with outbox.relay(client):
        pass
    async with DeliveryClient("key", "production") as other:
        with pytest.raises(ConfigurationError, match="the outbox holds orders for 127"):
            async with outbox.relay(other):
                pass
        with pytest.raises(ConfigurationError, match="the outbox holds orders for 127"):
            await outbox.reconcile(other)


@pytest.mark.parametrize("concurrency", [0, True, 1.5])
async def test_a_concurrency_that_makes_no_sense_is_refused(
    outbox: DeliveryOutbox, client: DeliveryClient, concurrency: int
) -> None:
    with pytest.raises(ConfigurationError, match="concurrency"):
        async with outbox.relay(client, concurrency=concurrency):
            pass


async def test_an_outbox_of_a_shop_that_does_not_notify_is_looked_at_regularly(
    shop: Shop, client: DeliveryClient
) -> None:
    async with DeliveryOutbox(shop.location, notify=False) as quiet, quiet.relay(client):
        await shop.order(quiet, "order-1")
        await until_state(quiet, "order-1", OutboxState.CREATED)


async def _later(condition: Callable[[], bool]) -> bool:
    return condition()


async def _attempted(shop: Shop, order_id: str, *, times: int = 1) -> bool:
    """Whether a number of calls have ended."""
    ended = f"order_id = '{order_id}' AND owner IS NULL AND error IS NOT NULL"
    rows = await shop.rows(f"SELECT attempts FROM kaspi_delivery_outbox_entries WHERE {ended}")
    return bool(rows) and rows[0][0] >= times


async def _all_in(outbox: DeliveryOutbox, state: OutboxState, count: int) -> bool:
    return (await outbox.status()).counts[state] == count


async def _booked(shop: Shop, count: int) -> bool:
    return len(await shop.rows("SELECT id FROM shop_results")) == count


async def _paused(outbox: DeliveryOutbox) -> bool:
    return bool((await outbox.status()).pauses)


async def _not_paused(outbox: DeliveryOutbox) -> bool:
    return not (await outbox.status()).pauses

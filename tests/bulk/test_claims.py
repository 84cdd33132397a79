"""Several runs on one journal at once: each order is sent by one of them at a time."""

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from kaspi_delivery_async import DeliveryClient, StorageError
from kaspi_delivery_async._exactly_once.closing import finished
from kaspi_delivery_async._exactly_once.decisions import OrderUpdate, put_back
from kaspi_delivery_async.bulk import Journal, Line, OrderState, runner
from kaspi_delivery_async.bulk.journal.claims import Claims, Send
from kaspi_delivery_async.bulk.order import prepare
from kaspi_delivery_async.sandbox import Sandbox
from tests.support.bulk_runs import counts, entries, made, once, orders, run, states, until


async def test_two_runs_at_once_create_each_order_once(location: str, client: DeliveryClient, sandbox: Sandbox) -> None:
    sandbox.faults.add("create:commit-then-drop:0.05")
    # With a lease that ends on no machine, however busy it is.
    async with Journal(location, lease=600) as one, Journal(location, lease=600) as other:
        first, second = await asyncio.gather(run(client, orders(300), one), run(client, orders(300), other))
        assert await counts(one) == {"created": 300}
    assert states(first) == states(second) == {"created": 300}
    assert made(sandbox) == once(300)
    assert len([result for result in [*first, *second] if result.known]) == 300
    creates = [request.headers["Idempotency-Key"] for request in sandbox.requests if request.fault is None]
    assert len(creates) == 300


async def test_an_order_in_anothers_hands_is_waited_for(
    location: str, client: DeliveryClient, sandbox: Sandbox
) -> None:
    sandbox.faults.add("create:latency:seconds=0.3:count=1")
    async with Journal(location) as one, Journal(location) as other:
        first = asyncio.create_task(run(client, orders(1), one))
        await until(lambda: bool(sandbox.requests.total))
        (second,) = await run(client, orders(1), other)
        assert second.known
        await first
    assert sandbox.requests.total == 1


async def test_the_orders_of_a_lost_run_are_taken_up_when_its_lease_ends(
    location: str, client: DeliveryClient, sandbox: Sandbox
) -> None:
    """A session that is never closed and shows no more life stands for a process that was killed."""
    async with Journal(location, lease=0.5) as lost:
        session = await lost.begin(sandbox.base_url.split("/")[2])
        for position, request in enumerate(orders(3)):
            await session.claim(prepare(Line(place=f"order {position + 1}", order=request)))
        await session.stop_renewing()
        async with Journal(location) as journal:
            began = asyncio.get_running_loop().time()
            assert states(await run(client, orders(3), journal)) == {"created": 3}
            assert asyncio.get_running_loop().time() - began > 0.2
    assert made(sandbox) == once(3)


@pytest.mark.parametrize("first_ends_first", [True, False])
@pytest.mark.parametrize("first_is_answered", [True, False])
async def test_a_run_that_lost_its_lease_takes_no_order_back(
    location: str, *, first_is_answered: bool, first_ends_first: bool
) -> None:
    """A run that seemed dead was only slow, and another one has taken its order: a delivery made by either stays."""
    order = prepare(Line(place="order 1", order=orders(1)[0]))
    made = OrderUpdate(state=OrderState.CREATED, delivery_id="dlv_1", tracking_url="https://track.kaspi.kz/dlv_1")
    async with Journal(location, lease=0.05) as one, Journal(location) as other:
        slow = await one.begin("here")
        await slow.stop_renewing()
        claim = await slow.claim(order)
        assert isinstance(claim, Send)
        assert not claim.may_have_arrived
        await asyncio.sleep(0.1)
        second = await other.begin("here")
        taken = await second.claim(order)
        assert isinstance(taken, Send)
        assert taken.may_have_arrived
        ends = [
            (slow, claim, made if first_is_answered else put_back(may_have_arrived=False)),
            (second, taken, put_back(may_have_arrived=True) if first_is_answered else made),
        ]
        for session, held, update in ends if first_ends_first else reversed(ends):
            await session.end(order, held, update)
        (entry,) = (await entries(other)).values()
        assert (entry.state, entry.delivery_id) == (OrderState.CREATED, "dlv_1")
        assert entry.sent_at == pytest.approx(claim.sent_at)
        await slow.close()
        await second.close()


async def test_a_lease_is_renewed_for_as_long_as_the_run_lives(
    location: str, client: DeliveryClient, sandbox: Sandbox
) -> None:
    sandbox.faults.add("create:latency:seconds=1:count=1")
    async with Journal(location, lease=0.3) as one, Journal(location) as other:
        first = asyncio.create_task(run(client, orders(1), one))
        await until(lambda: bool(sandbox.requests.total))
        await run(client, orders(1), other)
        await first
    assert sandbox.requests.total == 1


def failing(_work: object) -> None:
    raise StorageError("the disk is gone")


async def test_a_lease_that_cannot_be_renewed_or_given_back_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run goes on: what protects its orders is their keys."""
    async with Journal(tmp_path / "run.sqlite") as journal:
        database = journal._database
        session = Claims(database, run_id=None, account=None, lease=0.03, rate=None, clock=lambda: 0.0)
        await session.open("here")
        monkeypatch.setattr(database, "write", failing)
        await until(lambda: "could not be renewed" in caplog.text)
        await session.close()
        assert "could not be given back" in caplog.text


async def test_an_order_whose_claimant_was_cancelled_meanwhile_is_given_back(location: str) -> None:
    order = prepare(Line(place="order 1", order=orders(1)[0]))
    async with Journal(location) as journal:
        session = await journal.begin("here")
        claiming = asyncio.create_task(session.claim(order))
        await asyncio.sleep(0)
        claiming.cancel()
        await asyncio.wait([claiming])
        await session.close()
        assert await counts(journal) == {"pending": 1}


async def test_an_order_that_is_done_is_not_touched_by_a_claimant_that_was_cancelled(
    location: str, client: DeliveryClient, sandbox: Sandbox
) -> None:
    async with Journal(location) as journal:
        await run(client, orders(1), journal)
        session = await journal.begin(sandbox.base_url.split("/")[2])
        claiming = asyncio.create_task(session.claim(prepare(Line(place="order 1", order=orders(1)[0]))))
        await asyncio.sleep(0)
        claiming.cancel()
        await asyncio.wait([claiming])
        await session.close()
        assert await counts(journal) == {"created": 1}


async def test_an_order_that_another_run_keeps_sending_is_left_to_it(
    location: str, client: DeliveryClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LONGEST_WAIT", 0.3)
    async with Journal(location) as one, Journal(location) as other:
        session = await one.begin(sandbox.base_url.split("/")[2])
        assert isinstance(await session.claim(prepare(Line(place="order 1", order=orders(1)[0]))), Send)
        (result,) = await run(client, orders(1), other)
        assert (result.state, result.error_type) == (OrderState.SENT, "InFlight")
        await session.close()
    assert sandbox.requests.total == 0


async def test_an_order_of_a_cancelled_run_that_never_left_is_given_back(location: str, sandbox: Sandbox) -> None:
    asked = asyncio.Event()

    async def no_key_yet() -> str:
        asked.set()
        await asyncio.Event().wait()
        return "never"

    async with DeliveryClient(no_key_yet, base_url=sandbox.base_url) as client, Journal(location) as journal:
        running = asyncio.create_task(run(client, orders(1), journal))
        await asked.wait()
        for _ in range(2):  # the first lets the calls in flight end, the second does not
            running.cancel()
            await asyncio.sleep(0)
        await asyncio.wait([running])
    async with Journal(location) as journal:
        assert await counts(journal) == {"pending": 1}


@pytest.mark.parametrize("ends_well", [True, False])
async def test_what_has_to_end_is_waited_for_however_often_the_waiting_is_cancelled(*, ends_well: bool) -> None:
    cancellations: list[str] = []
    may_end = asyncio.Event()

    async def end() -> None:
        await may_end.wait()
        if not ends_well:
            raise asyncio.CancelledError

    task = asyncio.create_task(end())
    waiting = asyncio.create_task(finished(task, on_cancelled=lambda: cancellations.append("cancelled")))
    for _ in range(2):
        await asyncio.sleep(0)
        waiting.cancel()
    await asyncio.sleep(0)
    assert not waiting.done()
    may_end.set()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert cancellations


async def test_claims_that_could_not_be_opened_can_be_closed(location: str) -> None:
    async with Journal(location) as journal:
        session = Claims(journal._database, run_id=None, account=None, lease=1.0, rate=None, clock=None)
        await session.close()
        assert await counts(journal) == {}


async def test_an_order_is_not_sent_after_its_lease_ran_out(
    file: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process was stopped between claiming and sending, and another run has taken the order up."""
    monkeypatch.setattr(runner, "LONGEST_WAIT", 0.1)

    def stopped() -> str:
        time.sleep(0.15)
        with closing(sqlite3.connect(file)) as other, other:
            other.execute("INSERT INTO kaspi_delivery_runs VALUES ('other', ?)", [time.time() + 60])
            other.execute("UPDATE kaspi_delivery_orders SET owner = 'other'")
        return sandbox.api_key

    async with DeliveryClient(stopped, base_url=sandbox.base_url) as client, Journal(file, lease=0.1) as journal:
        (result,) = await run(client, orders(1), journal)
    assert (result.state, result.error_type) == (OrderState.SENT, "InFlight")
    assert sandbox.requests.total == 0


async def test_an_engine_that_failed_waits_for_the_orders_of_its_workers_for_a_while(location: str) -> None:
    async with Journal(location, lease=0.5) as journal:
        session = await journal.begin("here", run_id="r")
        await session.claim(prepare(Line(place="order 1", order=orders(1)[0])))
        start = time.monotonic()
        await journal.wait_until_ended("r", timeout=0.4)
        assert time.monotonic() - start >= 0.4
        await session.stop_renewing()  # as if its process was killed
        await journal.wait_until_ended("r", timeout=60)
        assert time.monotonic() - start < 30
        await session.close()

"""A bulk run against a sandbox on real sockets: every order once, whatever goes wrong."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import attrs
import pytest

from kaspi_delivery_async import (
    AuthenticationError,
    ConfigurationError,
    Contact,
    DeliveryClient,
    DeliveryRequest,
    InvalidRequestError,
    Limits,
    RetryPolicy,
    Timeout,
)
from kaspi_delivery_async.bulk import Journal, Line, OrderState, Paused, Result, create_deliveries
from kaspi_delivery_async.sandbox import Sandbox
from tests.support import server_scripts
from tests.support.bulk_runs import counts, entries, made, once, orders, run, states, until
from tests.support.orders import order
from tests.support.raw_server import RawServer


async def test_every_order_is_created_once(client: DeliveryClient, sandbox: Sandbox, journal: Journal) -> None:
    results = await run(client, orders(200), journal)
    assert states(results) == {"created": 200}
    assert made(sandbox) == once(200)
    known = await entries(journal)
    assert {entry.delivery_id for entry in known.values()} == set(sandbox.deliveries)
    assert {result.delivery_id for result in results} == set(sandbox.deliveries)
    assert all(result.tracking_url and not result.known and not result.replayed for result in results)


async def test_a_second_run_sends_nothing(client: DeliveryClient, sandbox: Sandbox, journal: Journal) -> None:
    first = await run(client, orders(20), journal)
    second = await run(client, orders(20), journal)
    assert sandbox.requests.total == 20
    assert {attrs.evolve(result, known=True) for result in first} == set(second)


async def test_orders_whose_response_was_lost_are_sent_again(
    client: DeliveryClient, sandbox: Sandbox, journal: Journal
) -> None:
    sandbox.faults.add("create:commit-then-drop:0.3")
    patient = client.with_options(retry=RetryPolicy(max_attempts=20, base=0.001, cap=0.001))
    results = await run(patient, orders(100), journal)
    assert states(results) == {"created": 100}
    assert made(sandbox) == once(100)
    assert any(result.replayed for result in results)


async def test_the_intent_is_durable_before_the_request_leaves(location: str, sandbox: Sandbox) -> None:
    """A reader of the journal finds an order `sent` for as long as its response is held back."""
    sandbox.faults.add("create:stall")
    async with (
        DeliveryClient(sandbox.api_key, base_url=sandbox.base_url) as client,
        Journal(location) as journal,
        Journal(location) as reader,
    ):
        running = asyncio.create_task(run(client, orders(3), journal))
        await until(lambda: sandbox.requests.total >= 3)
        assert await counts(reader) == {"sent": 3}
        running.cancel()
        await client.aclose()
        sandbox.faults.clear()
        await sandbox.stop()
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_a_place_that_no_database_keeps_loses_no_order(
    client: DeliveryClient, sandbox: Sandbox, journal: Journal
) -> None:
    (result,) = await run(client, [Line(place="a\0b\udcff.csv, line 2", order=order("order-0"))], journal)
    assert (result.place, result.state) == ("a\N{REPLACEMENT CHARACTER}b?.csv, line 2", OrderState.CREATED)
    assert (await entries(journal))["order-0"].place == result.place


async def test_a_refused_order_stops_no_other(client: DeliveryClient, sandbox: Sandbox, journal: Journal) -> None:
    sandbox.faults.add("create:400:count=1")
    results = await run(client, orders(20), journal)
    assert states(results) == {"created": 19, "rejected": 1}
    assert await counts(journal) == {"created": 19, "rejected": 1}
    (refused,) = [result for result in results if result.state is OrderState.REJECTED]
    assert refused.error_type == "BadRequestError"
    assert "400" in str(refused.error)


async def test_open_orders_are_sent_again_under_the_same_key(
    client: DeliveryClient, sandbox: Sandbox, journal: Journal
) -> None:
    sandbox.faults.add("create:commit-then-drop")
    hasty = client.with_options(retry=RetryPolicy(max_attempts=1))
    assert states(await run(hasty, orders(5), journal)) == {"sent": 5}
    sandbox.faults.clear()
    results = await run(hasty, journal.unfinished(), journal)
    assert states(results) == {"created": 5}
    assert all(result.replayed for result in results)
    assert made(sandbox) == once(5)


async def test_an_api_that_is_not_there_fails_orders_that_a_later_run_sends(location: str) -> None:
    async with Sandbox() as sandbox:
        address = sandbox.base_url
        port = int(address.split(":")[2].split("/")[0])
    quick = RetryPolicy(max_attempts=1)
    async with Journal(location) as journal, DeliveryClient("sandbox-key", base_url=address, retry=quick) as client:
        assert states(await run(client, orders(3), journal)) == {"failed": 3}
        async with Sandbox(port=port) as sandbox:
            assert states(await run(client, journal.unfinished(), journal)) == {"created": 3}
            assert made(sandbox) == once(3)


async def test_a_long_pause_fails_no_order_and_is_reported_once(journal: Journal, sandbox: Sandbox) -> None:
    """The API wants more rest than a call has time: the run rests, and sends the same orders again."""
    sandbox.faults.add("create:429:retry-after=1:count=1")
    pauses: list[Paused] = []
    short = Timeout(attempt=0.9, total=0.9)
    async with DeliveryClient(sandbox.api_key, base_url=sandbox.base_url, timeout=short) as client:
        results = [
            result async for result in create_deliveries(client, orders(20), journal=journal, on_pause=pauses.append)
        ]
    assert states(results) == {"created": 20}
    assert made(sandbox) == once(20)
    assert len(pauses) == 1
    assert pauses[0].seconds == pytest.approx(1, abs=0.1)
    keys = [request.headers["Idempotency-Key"] for request in sandbox.requests]
    assert set(keys) == set(once(20))


async def test_a_pause_that_nobody_listens_to(journal: Journal, sandbox: Sandbox) -> None:
    sandbox.faults.add("create:429:retry-after=1:count=1")
    short = Timeout(attempt=0.9, total=0.9)
    async with DeliveryClient(sandbox.api_key, base_url=sandbox.base_url, timeout=short) as client:
        assert states(await run(client, orders(2), journal)) == {"created": 2}


async def test_cancelling_during_a_pause_leaves_the_orders_pending(journal: Journal, sandbox: Sandbox) -> None:
    sandbox.faults.add("create:429:retry-after=3600")
    paused = asyncio.Event()
    async with DeliveryClient(sandbox.api_key, base_url=sandbox.base_url) as client:

        async def consume() -> None:
            results = create_deliveries(
                client, orders(5), journal=journal, on_pause=lambda _: paused.set(), concurrency=2
            )
            async for _ in results:
                raise AssertionError("no order can end")

        running = asyncio.create_task(consume())
        await paused.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert set(await counts(journal)) == {"pending"}


async def test_a_turn_that_does_not_come_in_time_fails_no_order(journal: Journal, sandbox: Sandbox) -> None:
    sandbox.faults.add("create:latency:seconds=0.05")
    hasty = Timeout(attempt=0.5, total=0.5)
    async with DeliveryClient(
        sandbox.api_key, base_url=sandbox.base_url, timeout=hasty, limits=Limits(max_connections=1)
    ) as client:
        assert states(await run(client, orders(20), journal)) == {"created": 20}
    assert made(sandbox) == once(20)


async def test_a_wrong_api_key_ends_the_run_and_costs_no_order(journal: Journal, sandbox: Sandbox) -> None:
    async with DeliveryClient("wrong", base_url=sandbox.base_url) as client:
        with pytest.raises(AuthenticationError):
            await run(client, orders(500), journal, concurrency=4)
    assert set(await counts(journal)) == {"pending"}
    assert sandbox.requests.total < 50
    async with DeliveryClient(sandbox.api_key, base_url=sandbox.base_url) as client:
        await run(client, orders(500), journal)
    assert made(sandbox) == once(500)


async def test_cancelling_lets_those_in_flight_end(location: str, sandbox: Sandbox) -> None:
    sandbox.faults.add("create:latency:seconds=0.2")
    async with Journal(location) as journal, DeliveryClient(sandbox.api_key, base_url=sandbox.base_url) as client:
        running = asyncio.create_task(run(client, orders(1000), journal, concurrency=5))
        await until(lambda: sandbox.requests.total >= 5)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert len(sandbox.deliveries) == sandbox.requests.total == (await counts(journal))["created"]
        assert set(await counts(journal)) <= {"created", "pending"}
        sandbox.faults.clear()
        await run(client, orders(50), journal)
    assert made(sandbox).keys() >= once(50).keys()
    assert set(made(sandbox).values()) == {1}


@pytest.mark.assumes("key-in-flight=wait")
async def test_cancelling_twice_ends_at_once_and_still_resumes(location: str, sandbox: Sandbox) -> None:
    sandbox.faults.add("create:stall")
    async with (
        Journal(location, lease=0.3) as journal,
        DeliveryClient(sandbox.api_key, base_url=sandbox.base_url) as client,
    ):
        running = asyncio.create_task(run(client, orders(5), journal))
        await until(lambda: sandbox.requests.total >= 5)
        running.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert await counts(journal) == {"sent": 5}
        sandbox.faults.clear()
        assert states(await run(client, orders(5), journal)) == {"created": 5}
    assert made(sandbox) == once(5)


async def test_leaving_the_loop_early_lets_those_in_flight_end(location: str, sandbox: Sandbox) -> None:
    async with DeliveryClient(sandbox.api_key, base_url=sandbox.base_url) as client:
        async with Journal(location) as journal:
            results = create_deliveries(client, orders(1000), journal=journal, concurrency=3)
            async for _ in results:
                break
        async with Journal(location) as journal:
            left = await counts(journal)
    assert set(left) <= {"created", "pending"}
    assert left["created"] == len(sandbox.deliveries) < 1000
    await results.aclose()


async def test_a_run_that_is_stopped_yields_each_delivery_that_it_made(location: str, sandbox: Sandbox) -> None:
    sandbox.faults.add("create:latency:seconds=0.1")
    stop = asyncio.Event()
    async with Journal(location) as journal, DeliveryClient(sandbox.api_key, base_url=sandbox.base_url) as client:
        results = create_deliveries(client, orders(1000), journal=journal, concurrency=5, stop=stop)
        running = asyncio.create_task(_collected(results))
        await until(lambda: sandbox.requests.total >= 8)
        stop.set()
        reported = await running
    assert {result.delivery_id for result in reported} == set(sandbox.deliveries)
    assert len(reported) < 30


async def _collected(results: AsyncIterator[Result]) -> list[Result]:
    return [result async for result in results]


async def test_no_more_orders_are_taken_than_are_worked_on(
    client: DeliveryClient, sandbox: Sandbox, journal: Journal
) -> None:
    """Whoever reads results slowly holds the run back: memory is bounded."""
    taken = 0

    def source() -> Iterator[DeliveryRequest]:
        nonlocal taken
        for one in orders(1000):
            taken += 1
            yield one

    results = create_deliveries(client, source(), journal=journal, concurrency=2)
    await anext(results)
    await until(lambda: sandbox.requests.total >= 8)
    await asyncio.sleep(0.05)
    assert taken <= 10
    await results.aclose()


async def test_results_come_while_the_source_waits(client: DeliveryClient, journal: Journal) -> None:
    more = asyncio.Event()

    async def source() -> AsyncIterator[DeliveryRequest]:
        yield order("order-0")
        await more.wait()
        yield order("order-1")

    results = create_deliveries(client, source(), journal=journal)
    assert (await anext(results)).order_id == "order-0"
    more.set()
    assert (await anext(results)).order_id == "order-1"
    assert await anext(results, None) is None


async def test_a_failing_source_ends_the_run_after_those_in_flight(
    client: DeliveryClient, sandbox: Sandbox, journal: Journal
) -> None:
    def source() -> Iterator[DeliveryRequest]:
        yield from orders(3)
        raise InvalidRequestError("orders.csv, line 5", "is not utf-8 text")

    results = create_deliveries(client, source(), journal=journal)
    assert {(await anext(results)).state for _ in range(3)} == {"created"}
    with pytest.raises(InvalidRequestError, match="line 5"):
        await anext(results)
    assert made(sandbox) == once(3)


async def test_wrong_lines_are_reported_and_not_sent(
    client: DeliveryClient, sandbox: Sandbox, journal: Journal
) -> None:
    wrong = attrs.evolve(order("order-9"), parcel="shoes")  # type: ignore[arg-type]
    lines = [
        Line(place="line 2", order=InvalidRequestError("line 2", "has 3 cells")),
        Line(place="line 3", order=wrong),
        Line(place="line 4", order=order("\0\u200b")),
        Line(place="line 5", order=order("order-0")),
    ]
    results = {result.place: result for result in await run(client, lines, journal)}
    assert results["line 2"].error == "line 2: has 3 cells"
    assert str(results["line 3"].error).startswith("line 3: create_delivery: $.parcel: expected Parcel")
    assert "line 4: create_delivery: $.externalOrderId: " in str(results["line 4"].error)
    assert {place: result.state for place, result in results.items()} == {
        "line 2": "failed",
        "line 3": "failed",
        "line 4": "failed",
        "line 5": "created",
    }
    assert made(sandbox) == once(1)
    assert await counts(journal) == {"created": 1}


@pytest.mark.parametrize("gap", [0, 300])
async def test_a_duplicate_in_the_input_is_reported_with_both_lines(
    client: DeliveryClient, sandbox: Sandbox, journal: Journal, gap: int
) -> None:
    """Both where the two lines are written down together, and where the first is long finished."""
    source = [order("order-0"), *orders(gap, start=1), order("order-0")]
    results = await run(client, source, journal, concurrency=8)
    (repeated,) = [result for result in results if result.error]
    assert repeated.state is OrderState.FAILED
    assert {repeated.place, *str(repeated.error).split("order of ")[1].split(",")[:1]} == {
        "order 1",
        f"order {gap + 2}",
    }
    assert made(sandbox) == once(gap + 1)
    again = await run(client, source, journal, concurrency=8)
    assert len([result for result in again if result.error]) == 1


async def test_a_contradicting_duplicate_says_so(client: DeliveryClient, sandbox: Sandbox, journal: Journal) -> None:
    other = attrs.evolve(order("order-0").dropoff, contact=Contact(name="B.", phone="+7"))
    results = await run(client, [order("order-0"), attrs.evolve(order("order-0"), dropoff=other)], journal)
    assert sorted(result.state for result in results) == ["created", "failed"]
    assert any("contradicts the order of order 1" in str(result.error) for result in results)
    assert made(sandbox) == once(1)


async def test_a_changed_payload_is_refused_before_sending(
    client: DeliveryClient, sandbox: Sandbox, journal: Journal
) -> None:
    await run(client, [order("order-0")], journal)
    changed = attrs.evolve(order("order-0"), parcel=attrs.evolve(order().parcel, weight_grams=801))
    (result,) = await run(client, [changed], journal)
    assert result.state is OrderState.FAILED
    assert "the journal holds this order with other content, from order 1 (created, delivery dlv_" in str(result.error)
    assert sandbox.requests.total == 1
    assert await counts(journal) == {"created": 1}


async def test_a_caller_that_is_cancelled_while_the_api_stalls(journal: Journal) -> None:
    """Those in flight end with the client's own deadline."""
    brief = Timeout(attempt=1.0, total=1.0)
    async with (
        RawServer([server_scripts.stall]) as server,
        DeliveryClient("k", base_url=server.base_url, timeout=brief) as client,
    ):
        running = asyncio.create_task(run(client, orders(3), journal))
        await until(lambda: len(server.requests) == 3)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert await counts(journal) == {"sent": 3}


@pytest.mark.parametrize("concurrency", [0, -1, 1.5, float("inf"), True, "64", None])
async def test_a_concurrency_that_makes_no_sense(client: DeliveryClient, journal: Journal, concurrency: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"concurrency is .*whole number, 1 or more"):
        await run(client, orders(1), journal, concurrency=concurrency)


async def test_a_name_that_the_journal_cannot_keep(client: DeliveryClient, journal: Journal) -> None:
    with pytest.raises(ConfigurationError, match="at most 32 characters"):
        await anext(create_deliveries(client, orders(1), journal=journal, run_id="r" * 33))
    async for result in create_deliveries(client, orders(1), journal=journal, run_id="r" * 32):
        assert result.state is OrderState.CREATED

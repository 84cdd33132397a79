"""Edges of a bulk run: it always ends, nothing is sent that might act twice, and what was made is always reported."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from pathlib import Path

import anyio
import attrs
import pytest

from kaspi_delivery_async import (
    ApiError,
    DeadlineExceededError,
    DeliveryClient,
    DeliveryRequest,
    InvalidRequestError,
    KaspiDeliveryError,
    Outcome,
    RateLimitedError,
    RetryPolicy,
    StorageError,
    Timeout,
)
from kaspi_delivery_async.bulk import Journal, Line, Result, create_deliveries
from kaspi_delivery_async.bulk.chunks import Chunk, Job, create_deliveries_on, run_chunk
from kaspi_delivery_async.bulk.journal.claims import Send
from kaspi_delivery_async.bulk.order import prepare
from kaspi_delivery_async.bulk.pauses import PAUSES
from kaspi_delivery_async.bulk.runner import CALLS
from kaspi_delivery_async.sandbox import Sandbox
from tests.support.bulk_runs import counts, entries, event, made, orders, run, states, until
from tests.support.orders import changed, order
from tests.support.raw_server import Exchange, Play, RawServer

QUICK = RetryPolicy(max_attempts=2, base=0.001, cap=0.001)
HOUR = 3600.0


def respond(status: int, *headers: str, delay: float = 0.0, on_request: Callable[[], object] | None = None) -> Play:
    """Respond with this status; a 201 makes the delivery ``dlv-<idempotency key>``."""

    async def play(exchange: Exchange) -> None:
        request = await exchange.read()
        if on_request is not None:
            on_request()
        await asyncio.sleep(delay)
        made = b'{"deliveryId": "dlv-%s", "status": "created"}' % request.headers["idempotency-key"].encode()
        body = made if status == 201 else b"{}"
        head = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}", *headers, "", ""]
        exchange.writer.write("\r\n".join(head).encode() + body)

    return play


def client_of(server: RawServer, *, api_key: str = "key", retry: RetryPolicy = QUICK) -> DeliveryClient:
    return DeliveryClient(api_key, base_url=server.base_url, retry=retry)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaspi_delivery_async.bulk.pauses.SHORTEST_PAUSES", (0.001, 0.01))


async def collected(results: AsyncGenerator[Result], into: list[Result]) -> None:
    async for result in results:
        into.append(result)  # noqa: PERF401 - what came before an error counts


# Responses


@pytest.mark.parametrize("status", [408, 421, 423, 425, 499])
async def test_a_status_that_is_not_final_is_sent_again_by_the_next_run_under_the_same_key(
    file: str, status: int
) -> None:
    async with Journal(file) as journal:
        async with RawServer([respond(status)]) as server, client_of(server) as client:
            (result,) = await run(client, orders(1), journal)
            assert result.state in {"sent", "failed"}
            netloc, port = server.base_url.split("/")[2], server.port
        async with RawServer([respond(201)], port=port) as server, client_of(server) as client:
            assert server.base_url.endswith(netloc)
            (result,) = await run(client, orders(1), journal)
            assert (result.state, result.delivery_id) == ("created", "dlv-order-0")
            assert server.requests[0].headers["idempotency-key"] == "order-0"


@pytest.mark.looptime
@pytest.mark.parametrize("headers", [["Retry-After: 0"], ["Retry-After: 3600"]])
async def test_a_refusal_is_final_after_one_request_whatever_headers_it_has(file: str, headers: list[str]) -> None:
    async with (
        Journal(file, lease=1e6) as journal,
        RawServer([respond(400, *headers)]) as server,
        client_of(server) as client,
    ):
        assert states(await run(client, orders(9), journal, concurrency=1)) == {"rejected": 9}
        assert len(server.requests) == 9
    assert asyncio.get_running_loop().time() < HOUR


@pytest.mark.looptime
async def test_a_failure_that_is_kept_under_its_key_pauses_no_other_order(file: str) -> None:
    kept = respond(503, "X-Idempotent-Replay: true", "Retry-After: 3600")
    async with Journal(file, lease=1e6) as journal, RawServer([kept]) as server, client_of(server) as client:
        assert states(await run(client, orders(2), journal, concurrency=1)) == {"sent": 2}
    assert asyncio.get_running_loop().time() < HOUR


async def test_a_server_that_keeps_failing_gets_three_calls_for_each_order(file: str) -> None:
    async with (
        Journal(file) as journal,
        RawServer([respond(503, "Retry-After: 0")]) as server,
        client_of(server) as client,
    ):
        assert states(await run(client, orders(2), journal)) == {"sent": 2}
        assert len(server.requests) == 2 * CALLS * QUICK.max_attempts


async def test_a_rate_limit_that_never_ends_ends_the_run(file: str) -> None:
    async with (
        Journal(file) as journal,
        RawServer([respond(429, "Retry-After: 0")]) as server,
        client_of(server) as client,
    ):
        with pytest.raises(RateLimitedError):
            await run(client, orders(3), journal, concurrency=1)
        assert await counts(journal) == {"pending": 3}
        assert len(server.requests) <= 3 * (PAUSES + 1) * QUICK.max_attempts


@pytest.mark.looptime
async def test_a_pause_of_years_is_ended_after_an_hour(file: str) -> None:
    plays = [respond(429, "Retry-After: 1795821732"), respond(201)]
    async with Journal(file, lease=1e6) as journal, RawServer(plays) as server, client_of(server) as client:
        assert states(await run(client, orders(1), journal)) == {"created": 1}
        assert asyncio.get_running_loop().time() < 2.5 * HOUR


async def test_calls_that_never_get_a_turn_end_the_run(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaspi_delivery_async.bulk.runner.TURNS", 3)
    brief = Timeout(attempt=0.05, total=0.05)
    async with (
        Journal(file) as journal,
        RawServer([respond(201)]) as server,
        client_of(server).with_options(timeout=brief) as client,
    ):
        monkeypatch.setattr(type(client), "send", _no_turn)
        with pytest.raises(Exception, match="no order of the run could be sent in 3 calls"):
            await run(client, orders(1), journal)
        assert await counts(journal) == {"pending": 1}


async def _no_turn(*_: object) -> None:
    raise DeadlineExceededError("the call timed out waiting for a free slot")


@pytest.mark.parametrize("status", [404, 405, 415])
async def test_an_address_that_is_not_the_apis_ends_the_run_and_costs_no_order(file: str, status: int) -> None:
    async with Journal(file) as journal, RawServer([respond(status)]) as server, client_of(server) as client:
        with pytest.raises(ApiError) as raised:
            await run(client, orders(2), journal)
        assert raised.value.status == status
        assert await counts(journal) == {"pending": 2}


# The caller's own code


async def test_an_api_key_that_cannot_be_had_leaves_orders_pending(file: str) -> None:
    def api_key() -> str:
        raise RuntimeError("the vault is closed")

    async with (
        Journal(file) as journal,
        RawServer([respond(201)]) as server,
        DeliveryClient(api_key, base_url=server.base_url) as client,
    ):
        with pytest.raises(RuntimeError, match="the vault is closed"):
            await run(client, orders(3), journal)
        assert await counts(journal) == {"pending": 3}
        assert server.requests == []


async def test_an_api_key_that_fails_after_the_order_left_leaves_it_sent_and_reports_it(file: str) -> None:
    keys = iter(["key"])
    async with (
        Journal(file) as journal,
        RawServer([respond(503)]) as server,
        DeliveryClient(lambda: next(keys), base_url=server.base_url, retry=QUICK) as client,
    ):
        results: list[Result] = []
        with pytest.raises(RuntimeError):
            await collected(create_deliveries(client, orders(1), journal=journal), results)
        assert await counts(journal) == states(results) == {"sent": 1}


async def test_an_order_that_may_have_arrived_under_another_api_key_is_not_sent_under_this_one(file: str) -> None:
    async with Journal(file) as journal, RawServer([respond(503)]) as server:
        async with client_of(server, api_key="first") as client:
            assert states(await run(client, orders(1), journal)) == {"sent": 1}
        seen = len(server.requests)
        async with client_of(server, api_key="second") as client:
            (result,) = await run(client, journal.unfinished(), journal)
            assert (result.state, result.error_type) == ("sent", "OtherApiKey")
            assert states(await run(client, [order("order-9")], journal)) == {"sent": 1}
        assert [request.headers["idempotency-key"] for request in server.requests[seen:]] == ["order-9"] * 6
        async with client_of(server, api_key="first") as client:
            await run(client, orders(1), journal)
        assert len(server.requests) > seen + 6


# Lines that repeat an order


@pytest.mark.parametrize("gap", [0, 600])
@pytest.mark.parametrize("changed_line_first", [True, False])
async def test_a_repeated_order_with_other_content_is_reported_with_the_delivery_made(
    file: str, client: DeliveryClient, sandbox: Sandbox, *, gap: int, changed_line_first: bool
) -> None:
    """In one group of claims, and far apart."""
    first = order("n-1")
    heavier = changed(first, parcel=attrs.evolve(first.parcel, weight_grams=900))
    others = orders(gap)
    pair: list[DeliveryRequest | Line] = [Line(place="line 2", order=heavier), Line(place="line 3", order=first)]
    source = [*pair, *others] if changed_line_first else [pair[1], *others, pair[0]]
    async with Journal(file) as journal:
        ((made_before),) = await run(client, [Line(place="line 3", order=first)], journal)
        results = {result.place: result for result in await run(client, source, journal)}
    same, other = results["line 3"], results["line 2"]
    assert (same.state, same.known, same.delivery_id) == ("created", True, made_before.delivery_id)
    assert (other.state, other.delivery_id) == ("failed", made_before.delivery_id)
    assert "from line 3" in str(other.error) or "the order of line 3" in str(other.error)
    assert str(made_before.delivery_id) in str(other.error)
    assert made(sandbox)["n-1"] == 1
    assert sandbox.requests.total == gap + 1


async def test_a_repetition_in_the_same_run_is_reported_with_the_delivery(
    file: str, client: DeliveryClient, sandbox: Sandbox
) -> None:
    sandbox.faults.add("create:latency:seconds=0.1")
    async with Journal(file) as journal:
        results = await run(client, [order("a"), order("a")], journal)
    created, repeated = sorted(results, key=lambda result: result.state)
    assert (created.state, repeated.state) == ("created", "failed")
    assert created.delivery_id == repeated.delivery_id
    assert f"order 1, with the same order id (created, delivery {created.delivery_id})" in str(repeated.error)


async def test_one_order_id_in_two_unicode_forms_is_one_order(
    file: str, client: DeliveryClient, sandbox: Sandbox
) -> None:
    composed, decomposed = "Зай-7/\u0451", "Зай-7/\u0435\u0308"
    async with Journal(file) as journal:
        results = await run(client, [order(composed), order(decomposed), order(f"{composed} ")], journal)
        assert states(results) == {"created": 1, "failed": 2}
        assert list(await entries(journal)) == [composed]
    assert sandbox.requests.total == 1


@pytest.mark.parametrize("named", ["Зай-7/\u0451", "Зай-7/\u0435\u0308", " Зай-7/\u0451\u200b"])
async def test_a_webhook_confirms_an_order_in_any_unicode_form(file: str, named: str) -> None:
    async with Journal(file) as journal, RawServer([respond(503)]) as server, client_of(server) as client:
        await run(client, [order("Зай-7/\u0435\u0308")], journal)
        assert await journal.confirm(event(named))


# The clock


async def test_a_key_that_aged_during_the_response_is_not_sent_again(file: str) -> None:
    """As on a machine that was suspended: its wall clock has moved on when it wakes up."""
    now = 1_700_000_000.0

    def sleep_for_a_day() -> None:
        nonlocal now
        now += 25 * HOUR

    once = RetryPolicy(max_attempts=1)
    plays = [respond(503, on_request=sleep_for_a_day), respond(201)]
    async with (
        Journal(file, clock=lambda: now) as journal,
        RawServer(plays) as server,
        client_of(server, retry=once) as client,
    ):
        assert set(states(await run(client, orders(1), journal))) <= {"sent", "in_doubt"}
        assert len(server.requests) == 1


async def test_a_clock_that_is_set_back_makes_no_key_younger(file: str) -> None:
    now = 1_700_000_000.0

    async with Journal(file, clock=lambda: now, lease=1e9) as journal:
        held = await journal.begin("here")
        claim = await held.claim(prepare(Line(place="line 1", order=order())))
        assert isinstance(claim, Send)
        assert held.may_send(claim)
        now += 25 * HOUR
        held.may_send(claim)
        now -= 24 * HOUR
        assert not held.may_send(claim)
        await held.close()


# The journal


async def test_a_journal_that_vanishes_is_noticed_before_more_is_sent(file: str) -> None:
    def vanish() -> None:
        for part in Path(file).parent.glob("run.sqlite*"):
            part.unlink()

    plays = [respond(201, delay=0.05, on_request=vanish), respond(201, delay=0.05)]
    results: list[Result] = []
    async with Journal(file) as journal, RawServer(plays) as server, client_of(server) as client:
        with pytest.raises(StorageError, match=r"run\.sqlite"):
            await collected(create_deliveries(client, orders(30), journal=journal, concurrency=2), results)
        assert states(results) == {"created": len(server.requests)}
        assert len(server.requests) <= 2


async def test_a_response_that_cannot_be_noted_is_reported(file: str, client: DeliveryClient, sandbox: Sandbox) -> None:
    results: list[Result] = []
    async with Journal(file) as journal:
        await run(client, [order("before")], journal)
        other = sqlite3.connect(file)
        other.execute(
            "CREATE TRIGGER full BEFORE UPDATE ON kaspi_delivery_orders "
            "WHEN NEW.state = 'created' BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
        )
        with pytest.raises(StorageError, match="disk is full; the journal is behind"):
            await collected(create_deliveries(client, orders(50), journal=journal, concurrency=4), results)
        assert {result.delivery_id for result in results} == set(sandbox.deliveries) - {
            record.delivery_id for record in sandbox.deliveries.values() if record.external_order_id == "before"
        }
        other.execute("DROP TRIGGER full")
        other.close()
        again = await run(client, orders(50), journal)
        assert states(again) == {"created": 50}
    assert set(made(sandbox).values()) == {1}


# Cancelling


@pytest.mark.parametrize("how", ["twice", "anyio"])
async def test_after_a_cancelled_run_has_ended_nothing_leaves_and_the_journal_closes(
    location: str, how: str, sandbox: Sandbox
) -> None:
    sandbox.faults.add("create:latency:seconds=0.3")
    async with DeliveryClient(sandbox.api_key, base_url=sandbox.base_url) as client:

        async def work() -> None:
            async with Journal(location) as journal:
                await run(client, orders(100), journal, concurrency=4)

        if how == "anyio":
            with anyio.move_on_after(0.15) as scope:
                await work()
            assert scope.cancelled_caught
        else:
            running = asyncio.create_task(work())
            await until(lambda: sandbox.requests.total >= 4)
            running.cancel()
            await asyncio.sleep(0)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
        seen = sandbox.requests.total
        await asyncio.sleep(0.5)
        assert sandbox.requests.total == seen <= 8
        sandbox.faults.clear()
        async with Journal(location) as journal:
            assert set(await counts(journal)) <= {"sent", "pending"}
            assert states(await run(client, orders(100), journal)) == {"created": 100}
    assert set(made(sandbox).values()) == {1}


# Chunks


@attrs.define
class Here:
    """Runs chunks in this process."""

    workers: int

    async def run(self, job: Job, chunk: Chunk, *, on_pause: Callable[..., object] | None) -> list[Result]:
        return await run_chunk(job, chunk, on_pause=on_pause)


UNREADABLE = Line(place="orders.csv, line 2", order=InvalidRequestError("$.externalOrderId", "is missing"))


@pytest.mark.parametrize("workers", [1])
async def test_what_was_made_before_a_chunk_failed_is_reported(
    location: str, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setenv("KASPI_API_KEY", "key")
    results: list[Result] = []
    async with RawServer([*[respond(201)] * 5, respond(401)]) as server:
        spread = create_deliveries_on(
            Here(workers),
            [UNREADABLE, *orders(20)],
            base_url=server.base_url,
            journal=location,
            chunk_size=10,
            concurrency=1,
        )
        with pytest.raises(ApiError, match="401"):
            await collected(spread, results)
    assert states(results) == {"created": 5, "failed": 1}
    assert len({result.place for result in results}) == 6


async def spread_over(
    server: RawServer, source: list[Line | DeliveryRequest], location: str, *, stop: asyncio.Event | None = None
) -> list[Result]:
    """Run chunks of ten here, one order at a time, and return all results, whatever ends the run."""
    results: list[Result] = []
    spread = create_deliveries_on(
        Here(1), source, base_url=server.base_url, journal=location, chunk_size=10, concurrency=1, stop=stop
    )
    with suppress(ApiError):
        await collected(spread, results)
    return results


async def test_what_was_made_in_a_chunk_that_is_stopped_is_reported(
    location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KASPI_API_KEY", "key")
    stop = asyncio.Event()
    plays = [respond(201, delay=0.02)] * 14 + [respond(201, delay=0.02, on_request=stop.set), respond(201)]
    async with RawServer(plays) as server:
        results = await spread_over(server, [*orders(30)], location, stop=stop)
        made = len(server.requests)
    assert 10 < made < 20
    assert states(results) == {"created": made}
    assert len({result.order_id for result in results}) == made


@pytest.mark.parametrize("repeated_in", ["the same chunk", "another chunk"])
async def test_a_delivery_of_a_failed_chunk_is_reported_for_the_line_that_it_was_made_for(
    location: str, monkeypatch: pytest.MonkeyPatch, repeated_in: str
) -> None:
    monkeypatch.setenv("KASPI_API_KEY", "key")
    repeated = order("order-0")
    source = [*orders(3), repeated, *orders(6)[3:], *orders(30)[6:]]
    if repeated_in == "another chunk":
        source = [*orders(12), repeated, *orders(30)[12:]]
    good = [respond(201)] * (14 if repeated_in == "another chunk" else 5)
    async with RawServer([*good, respond(401)]) as server:
        results = await spread_over(server, [*source], location)
        made = len(server.requests) - 1
    created = [result for result in results if result.state == "created"]
    assert len({result.order_id for result in created}) == len(created) == made
    assert {result.place for result in created if result.order_id == "order-0"} == {"order 1"}


async def test_what_a_worker_that_was_given_up_still_makes_is_reported(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KASPI_API_KEY", "key")

    @attrs.define
    class Unreachable(Here):
        """Loses its connection to a worker, which goes on."""

        worker: asyncio.Task[list[Result]] | None = None

        async def run(self, job: Job, chunk: Chunk, *, on_pause: Callable[..., object] | None) -> list[Result]:
            self.worker = asyncio.create_task(run_chunk(job, chunk, on_pause=on_pause))
            await until(lambda: bool(server.requests))
            raise KaspiDeliveryError("the scheduler is gone", outcome=Outcome.UNKNOWN)

    results: list[Result] = []
    executor = Unreachable(1)
    async with RawServer([respond(201, delay=0.3)]) as server:
        spread = create_deliveries_on(executor, orders(3), base_url=server.base_url, journal=file)
        with pytest.raises(KaspiDeliveryError, match="the scheduler is gone"):
            await collected(spread, results)
        assert executor.worker is not None
        await executor.worker
    assert states(results) == {"created": 3}

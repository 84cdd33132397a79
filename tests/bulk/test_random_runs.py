"""Runs against a server that responds at random: each ends within its bound, and its report agrees with the server."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from kaspi_delivery_async import DeliveryClient, KaspiDeliveryError, RetryPolicy, Timeout
from kaspi_delivery_async.bulk import Journal, OrderState, Result, create_deliveries
from kaspi_delivery_async.bulk.pauses import PAUSES
from kaspi_delivery_async.bulk.runner import CALLS
from tests.support.bulk_runs import entries, orders
from tests.support.raw_server import Exchange, RawServer

SUITE = range(40)
LONG = range(40, 2040)
TOTAL = 3.0
LONGEST_RETRY_AFTER = 300
TROUBLE = (200, 302, 400, 401, 403, 404, 405, 408, 409, 415, 418, 421, 423, 425, 429, 429, 499, 500, 502, 503, 503, 504)
BODIES = (b"", b"{}", b"garbage", b'{"code": "x", "message": "y"}', b'{"deliveryId": "", "status": "created"}')


@attrs.define
class UnreliableServer:
    """Makes one delivery for each key, and responds truthfully, untruthfully or not at all, as the seed has it."""

    draw: random.Random
    trouble: float
    """How often it does not simply respond 201, from 0 to 1."""
    lasting: int
    """Requests after which there is no more trouble."""
    made: dict[str, str] = attrs.field(factory=dict[str, str])
    seen: int = 0

    async def __call__(self, exchange: Exchange) -> None:
        key = (await exchange.read()).headers["idempotency-key"]
        draw, self.seen = self.draw, self.seen + 1
        troubled = self.seen <= self.lasting and draw.random() < self.trouble
        status = draw.choice(TROUBLE) if troubled and draw.random() < 0.7 else 201
        # A refusal does no work; anything else may have, also if it looks like a failure.
        works = status == 201 or (draw.random() < 0.3 and status >= 500)
        if works:
            self.made.setdefault(key, f"dlv_{len(self.made)}")
        if troubled:
            await asyncio.sleep(draw.choice((0, 0, 0.1, 1.0, 2 * TOTAL)))
            if draw.random() < 0.3:
                exchange.reset()
                return
        body = b'{"deliveryId": "%s", "status": "created"}' % self.made[key].encode() if works else draw.choice(BODIES)
        headers = [f"Content-Length: {len(body)}"]
        if troubled and draw.random() < 0.5:
            headers.append(f"Retry-After: {draw.choice((0, 0, 1, 30, LONGEST_RETRY_AFTER))}")
        if troubled and draw.random() < 0.1:
            headers.append("X-Idempotent-Replay: true")
        head = "\r\n".join([f"HTTP/1.1 {status} Status", *headers, "", ""])
        exchange.writer.write(head.encode() + body)
        await exchange.writer.drain()
        if troubled and draw.random() < 0.3:
            exchange.writer.close()


async def play(seed: int, journal_file: Path) -> None:
    draw = random.Random(seed)
    count = draw.randint(1, 8)
    server = UnreliableServer(draw, trouble=draw.random(), lasting=draw.choice((3, 10, 30, 10**6)))
    loop = asyncio.get_running_loop()
    results: list[Result] = []
    ended_by: KaspiDeliveryError | None = None
    async with (
        RawServer([server]) as raw,
        DeliveryClient(
            f"key-{seed}",
            base_url=raw.base_url,
            timeout=Timeout(attempt=1.5, total=TOTAL),
            retry=RetryPolicy(base=0.1, cap=0.5),
        ) as client,
        Journal(journal_file, lease=1e6) as journal,  # virtual time would be spent on renewing it
    ):
        began = loop.time()
        try:
            async for result in create_deliveries(
                client, orders(count), journal=journal, concurrency=draw.randint(1, 4)
            ):
                results.append(result)  # noqa: PERF401 - what came before an error counts
        except KaspiDeliveryError as error:
            ended_by = error
        took = loop.time() - began
        known = await entries(journal)
    longest_pauses = (PAUSES + 1) * (LONGEST_RETRY_AFTER * 1.1 + TOTAL)
    assert took <= count * (CALLS * (TOTAL + LONGEST_RETRY_AFTER * 1.1) + longest_pauses)
    reported = {result.order_id: result for result in results}
    assert len(reported) == len(results)
    assert ended_by is not None or len(results) == count
    for key, delivery_id in server.made.items():
        # Each delivery is named, or its order is named as open, by the report and by the journal.
        entry, report = known[key], reported.get(key)
        assert entry.state in {OrderState.CREATED, OrderState.SENT}
        assert report is not None
        assert report.state == entry.state
        if entry.state is OrderState.CREATED:
            assert entry.delivery_id == report.delivery_id == delivery_id
    for key, entry in known.items():
        assert key in server.made or entry.state is not OrderState.CREATED


def inline(_executor: object, work: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
    """Do a thread's work at once: virtual time would pass while it lasts."""
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    try:
        done.set_result(work(*arguments))
    except Exception as error:  # noqa: BLE001 - it goes to whoever waits
        done.set_exception(error)
    return done


@pytest.mark.looptime
@pytest.mark.parametrize("seed", SUITE)
async def test_a_run_ends_and_its_report_agrees_with_the_server(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asyncio.get_running_loop(), "run_in_executor", inline)
    await play(seed, tmp_path / "run.sqlite")


@pytest.mark.long
@pytest.mark.looptime
@pytest.mark.parametrize("seed", LONG)
async def test_many_runs_end_and_their_reports_agree_with_the_server(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asyncio.get_running_loop(), "run_in_executor", inline)
    await play(seed, tmp_path / "run.sqlite")

"""A rate that several runs share through the journal's database."""

import asyncio
from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspi_delivery_async import ConfigurationError, DeadlineExceededError, StorageError
from kaspi_delivery_async.bulk import Journal
from kaspi_delivery_async.bulk.journal.claims import Send
from kaspi_delivery_async.bulk.journal.shared_rate import AHEAD, ARREARS, BLOCK, SharedRate, Slots, give_out
from kaspi_delivery_async.bulk.order import prepare
from kaspi_delivery_async.order_files.lines import Line
from tests.support.bulk_runs import orders

FAR = 1e9


class Table:
    """What the database does, without one."""

    def __init__(self) -> None:
        self.next_free = 0.0
        self.clock_is_ahead_by = 1.7e9
        self.takes_long = 0.004
        self.failures = 0

    async def take(self, wanted: int, rate: float) -> Slots:
        await asyncio.sleep(self.takes_long)
        if self.failures:
            self.failures -= 1
            raise StorageError("no connection")
        now = asyncio.get_running_loop().time() + self.clock_is_ahead_by
        slots = give_out(self.next_free, now=now, rate=rate, wanted=wanted)
        self.next_free = slots.next_free
        return slots


async def sends(table: Table, rate: float, *, until: float, sent: list[float], at_once: int = 8) -> None:
    """Send as fast as the rate allows."""
    loop = asyncio.get_running_loop()
    shared = SharedRate(rate, table.take)

    async def send() -> None:
        while loop.time() < until:
            await shared.turn(deadline=FAR)
            sent.append(loop.time())

    await asyncio.gather(*(send() for _ in range(at_once)))
    await shared.close()


def most_and_least(sent: list[float], *, start: float, end: float) -> tuple[int, int]:
    """How many were sent in any second."""
    sent = sorted(sent)
    counts = [
        bisect_left(sent, second / 100 + 1) - bisect_left(sent, second / 100)
        for second in range(int(start * 100), int(end * 100) - 100, 3)
    ]
    return max(counts), min(counts)


@given(
    rate=st.floats(0.1, 5000),
    turns=st.lists(st.tuples(st.floats(0, 2), st.integers(1, 100)), max_size=50),
)
def test_slots_are_given_out_once_and_neither_early_nor_far_ahead(rate: float, turns: list[tuple[float, int]]) -> None:
    now, next_free, last = 0.0, 0.0, -FAR
    for passed, wanted in turns:
        now += passed
        slots = give_out(next_free, now=now, rate=rate, wanted=wanted)
        next_free = slots.next_free
        assert slots.count <= max(1, rate * BLOCK)
        if slots.count:
            assert slots.first >= last + 0.999 / rate
            assert now - ARREARS <= slots.first <= now + AHEAD
            last = slots.first + (slots.count - 1) / rate


def test_a_clock_that_was_set_back_stops_nothing() -> None:
    assert give_out(5000.0, now=1000.0, rate=10.0, wanted=1).first == 1000.0


@pytest.mark.looptime
async def test_the_whole_rate_is_used_while_runs_join_and_leave() -> None:
    table, sent = Table(), list[float]()
    loop = asyncio.get_running_loop()
    start = loop.time()

    async def later(seconds: float, until: float) -> None:
        await asyncio.sleep(seconds)
        await sends(table, 60.0, until=start + until, sent=sent)

    await asyncio.gather(later(0, 8), later(1.2, 8), later(2, 4), later(5, 8), later(6, 6.3))
    most, least = most_and_least([moment - start for moment in sent], start=0, end=8)
    assert 57 <= least <= most <= 63


@pytest.mark.looptime
async def test_the_clock_of_the_database_may_be_set(caplog: pytest.LogCaptureFixture) -> None:
    table, sent = Table(), list[float]()
    start = asyncio.get_running_loop().time()
    sending = asyncio.create_task(sends(table, 20.0, until=start + 9, sent=sent))
    await asyncio.sleep(3)
    table.clock_is_ahead_by -= 3600
    await asyncio.sleep(3)
    table.clock_is_ahead_by += 7200
    await sending
    # A step is made up for once, by what had been given out before it.
    assert 170 <= len(sent) <= 210


@pytest.mark.looptime
async def test_a_database_that_fails_for_a_while_costs_only_that_while(caplog: pytest.LogCaptureFixture) -> None:
    table, sent = Table(), list[float]()
    table.failures = 4
    start = asyncio.get_running_loop().time()
    await sends(table, 50.0, until=start + 3, sent=sent)
    assert "no slots of the shared rate could be taken" in caplog.text
    assert 95 <= len([moment for moment in sent if moment < start + 3]) <= 101


@pytest.mark.looptime
async def test_slots_that_nobody_used_are_not_made_up_for() -> None:
    """As after a process was stopped."""
    loop = asyncio.get_running_loop()
    shared = SharedRate(10.0, Table().take)
    waiting = [asyncio.create_task(shared.turn(deadline=FAR)) for _ in range(6)]
    await waiting[0]
    await asyncio.sleep(0.2)
    for task in waiting:
        task.cancel()
    await asyncio.sleep(5)
    before = loop.time()
    await asyncio.gather(*(shared.turn(deadline=FAR) for _ in range(11)))
    assert loop.time() - before >= 0.95
    await shared.close()


@pytest.mark.looptime
async def test_a_turn_that_does_not_come_in_time_is_an_error() -> None:
    loop = asyncio.get_running_loop()
    shared = SharedRate(0.1, Table().take)
    await shared.turn(deadline=FAR)
    with pytest.raises(DeadlineExceededError, match="that several processes share"):
        await shared.turn(deadline=loop.time() + 5)
    await shared.close()


async def test_two_runs_on_a_journal_share_a_rate(location: str) -> None:
    order = prepare(Line(place="order 1", order=orders(1)[0]))
    async with Journal(location, rate=50.0) as one, Journal(location, rate=50.0) as other:
        runs = [await journal.begin("here", account="a") for journal in (one, other)]
        claim = await runs[0].claim(order)
        assert isinstance(claim, Send)
        loop = asyncio.get_running_loop()
        start = loop.time()
        await asyncio.gather(*(run.before_attempt(claim, FAR) for run in runs for _ in range(16)))
        assert loop.time() - start >= 31 / 50 - 0.05
        for run in runs:
            await run.close()


async def test_a_rate_that_makes_no_sense_is_refused(file: str) -> None:
    with pytest.raises(ConfigurationError, match=r"Limits\.rate is 0"):
        Journal(file, rate=0)


async def test_a_rate_that_nobody_asked_for_ends_at_once() -> None:
    table = Table()
    await SharedRate(10.0, table.take).close()
    assert table.next_free == 0.0

"""Every order in which events and poll responses can arrive, with duplicates and with any of them missing."""

import asyncio
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations, product

import pytest

from kaspi_delivery_async import Delivery, DeliveryStatus, DeliveryWebhookData, StatusChange, StatusHistory, StatusHub
from kaspi_delivery_async.status import MOVES, SEQUENCE, is_news, is_terminal
from kaspi_delivery_async.tracking import wait_for_status, watch

CANCELLED = (DeliveryStatus.CREATED, DeliveryStatus.ACCEPTED, DeliveryStatus.CANCELLED)
LIVES = (SEQUENCE, CANCELLED, (DeliveryStatus.CREATED, DeliveryStatus.CANCELLED))
BEGIN = datetime(2024, 6, 11, 8, tzinfo=UTC)

Statuses = Sequence[DeliveryStatus]

# All cases take a minute. 13 has no divisor in common with the number of statuses or responses that each arrival is
# combined with, so every 13th case still has each of them.
some_and_all = pytest.mark.parametrize("step", [13, pytest.param(1, marks=pytest.mark.long)])


def report(cases: str) -> None:
    """Print how many cases were gone through; `pytest -s` shows it."""
    sys.stdout.write(f"{cases}\n")


def when(life: Statuses, status: DeliveryStatus) -> datetime:
    return BEGIN + timedelta(hours=life.index(status))


def arrivals(life: Statuses) -> Iterator[Statuses]:
    """Yield every permutation of every subset of a life."""
    for size in range(len(life) + 1):
        yield from permutations(life, size)


def with_duplicates(statuses: Statuses) -> Iterator[Statuses]:
    """Yield an arrival with each of its events coming again at each later place."""
    yield statuses
    for place, status in enumerate(statuses):
        for later in range(place + 1, len(statuses) + 1):
            yield (*statuses[:later], status, *statuses[later:])


def response(life: Statuses, at: DeliveryStatus, *, history: bool) -> Delivery:
    passed = life[: life.index(at) + 1]
    entries = tuple(StatusHistory(status=status, timestamp=when(life, status)) for status in reversed(passed))
    return Delivery(delivery_id="dlv_1", status=at, history=entries if history else None)


async def follow(
    life: Statuses, published: Iterable[DeliveryStatus], responses: Callable[[int], Delivery], *, gap: float
) -> list[StatusChange]:
    """Watch a delivery while its events are published one after the other, ``gap`` seconds apart."""
    hub, polls = StatusHub(), 0

    async def fetch(delivery_id: str, *, include_history: bool) -> Delivery:
        nonlocal polls
        assert (delivery_id, include_history) == ("dlv_1", True)
        await asyncio.sleep(0.1)
        polls += 1
        return responses(polls - 1)

    async def publish() -> None:
        for status in published:
            hub.announce(DeliveryWebhookData(delivery_id="dlv_1", status=status, timestamp=when(life, status)))
            await asyncio.sleep(gap)

    publishing = asyncio.create_task(publish())
    changes = [change async for change in watch(fetch, "dlv_1", events=hub, draw=lambda: 0.5)]
    await publishing
    return changes


def assert_sound(changes: Sequence[StatusChange], life: Statuses) -> None:
    statuses = [change.status for change in changes]
    assert statuses == sorted(set(statuses), key=life.index)
    assert statuses[-1] == life[-1]


def test_the_rule_ends_in_the_right_state_for_every_arrival_with_every_duplicate() -> None:
    cases = 0
    for life in LIVES:
        for arrival in arrivals(life):
            for events in with_duplicates(arrival):
                seen: list[DeliveryStatus] = []
                for status in events:
                    if is_news(status, seen=seen):
                        seen.append(status)
                assert len(set(seen)) == len(seen)
                assert seen == sorted(seen, key=life.index)
                assert seen[-1:] == sorted(set(events), key=life.index)[-1:]
                cases += 1
    report(f"{cases} arrivals")


@pytest.mark.looptime
@some_and_all
@pytest.mark.parametrize("gap", [0.0, 0.15, 600.0])
async def test_watch_yields_every_status_once_with_its_time_whatever_arrives(gap: float, step: int) -> None:
    """The API reports the truth, late by at most one poll, with its history."""
    cases = [
        (life, events, first)
        for life in LIVES
        for arrival in arrivals(life)
        for events in (arrival, (*arrival, *reversed(arrival)))
        for first in life
    ][::step]

    def responses(life: Statuses, first: DeliveryStatus) -> Callable[[int], Delivery]:
        # The first response is what was true at the time; then the delivery has ended.
        return lambda poll: response(life, first if poll == 0 else life[-1], history=True)

    async def check(life: Statuses, events: Statuses, first: DeliveryStatus) -> None:
        changes = await follow(life, events, responses(life, first), gap=gap)
        assert_sound(changes, life)
        assert {change.status for change in changes} == set(life)
        assert all(change.timestamp == when(life, change.status) for change in changes)

    await asyncio.gather(*(check(*case) for case in cases))
    report(f"{len(cases)} runs")


@pytest.mark.looptime
@some_and_all
async def test_stale_responses_in_any_order_never_move_a_delivery_back(step: int) -> None:
    cases = [
        (life, events, polled, life.index(polled[0]) % 2 == 0)  # every other one has a history
        for life in LIVES
        for events in arrivals(life)
        for polled in product(life, repeat=2)
    ][::step]

    async def check(life: Statuses, events: Statuses, polled: Statuses, history: bool) -> None:
        def responses(poll: int) -> Delivery:
            return response(life, polled[poll] if poll < len(polled) else life[-1], history=history)

        assert_sound(await follow(life, events, responses, gap=0.15), life)

    await asyncio.gather(*(check(*case) for case in cases))
    report(f"{len(cases)} runs")


@pytest.mark.looptime
async def test_a_wait_ends_for_every_arrival() -> None:
    """Events alone suffice: the API never reports anything but the first status."""
    cases = [
        (events, goal)
        for arrival in permutations(SEQUENCE)
        for events in (arrival, (*arrival, *arrival))
        for goal in SEQUENCE
    ]

    async def check(events: Statuses, goal: DeliveryStatus) -> None:
        hub = StatusHub()

        async def fetch(delivery_id: str, *, include_history: bool) -> Delivery:
            assert delivery_id == "dlv_1"
            return response(SEQUENCE, SEQUENCE[0], history=include_history)

        waiting = asyncio.create_task(wait_for_status(fetch, "dlv_1", goal, events=hub, timeout=60.0))
        for status in events:
            await asyncio.sleep(1.0)
            hub.announce(DeliveryWebhookData(delivery_id="dlv_1", status=status))
        delivery = await waiting
        assert SEQUENCE.index(delivery.status) >= SEQUENCE.index(goal)

    await asyncio.gather(*(check(*case) for case in cases))
    report(f"{len(cases)} waits")


def test_every_life_is_a_way_through_the_table() -> None:
    ways: list[tuple[DeliveryStatus, ...]] = [(DeliveryStatus.CREATED,)]
    lives: list[Statuses] = []
    while ways:
        way = ways.pop()
        if is_terminal(way[-1]):
            lives.append(way)
        ways += [(*way, following) for following in MOVES[way[-1]]]

    assert set(lives) == set(LIVES)

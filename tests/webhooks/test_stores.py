"""What every store must do alike: memory, SQLite, PostgreSQL."""

import asyncio
import sqlite3
import threading
from contextlib import closing

import attrs
import pytest

from kaspi_delivery_async.webhooks import DeadLetter, InboxTotals, Store
from kaspi_delivery_async.webhooks.stored_events import EventState, EventUpdate, Lease, Message
from kaspi_delivery_async.webhooks.stores import sql
from kaspi_delivery_async.webhooks.stores.sql import SqlStore
from tests.support.postgresql import execute
from tests.support.webhook_messages import body
from tests.support.webhook_stores import let_pass

DONE = EventUpdate(state=EventState.HANDLED)


def message(key: str = "a", *, at: float = 100.0, error: str | None = None) -> Message:
    return Message(key=key, body=body(key), received_at=at, event=None, error=error)


async def take(store: Store, *, worker: str = "w1", seconds: float = 30.0, limit: int = 10) -> list[Lease]:
    return list(await store.lease(worker=worker, seconds=seconds, limit=limit))


async def test_a_message_is_new_once(store: Store) -> None:
    assert [await store.add(message()), await store.add(message()), await store.add(message("b"))] == [
        True,
        False,
        True,
    ]


async def test_of_many_at_once_one_is_new(store: Store) -> None:
    added = await asyncio.gather(*(store.add(message()) for _ in range(100)))

    assert sorted(added) == [False] * 99 + [True]
    assert await store.totals() == InboxTotals(waiting=1, duplicates=99, oldest_received_at=100.0)


async def test_many_at_once_of_what_is_known_are_all_counted(store: Store) -> None:
    await store.add(message())

    assert await asyncio.gather(*(store.add(message()) for _ in range(9))) == [False] * 9
    assert (await store.totals()).duplicates == 9


async def test_closing_waits_for_what_is_being_stored(store: Store) -> None:
    await store.totals()
    adding = asyncio.create_task(store.add(message()))
    await asyncio.sleep(0)

    await store.close()

    assert adding.done()
    assert adding.result()


async def test_closing_writes_what_waits_behind_a_slow_transaction_and_leaves_nothing_open(file: str) -> None:
    store = SqlStore(file)
    await store.totals()
    adding = []
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for key in ("a", "b"):  # the second waits for the transaction of the first
            adding.append(asyncio.create_task(store.add(message(key))))
            await asyncio.sleep(0.05)
        closing_store = asyncio.create_task(store.close())
        await asyncio.sleep(0.05)
        other.execute("ROLLBACK")
        await closing_store

    assert await asyncio.gather(*adding) == [True, True]
    assert [one.name for one in threading.enumerate() if one.name.startswith("kaspi-delivery-sqlite")] == []


async def test_a_duplicate_of_what_was_handled_is_not_due(store: Store) -> None:
    await store.add(message())
    [lease] = await take(store)
    await store.update(lease, DONE)

    assert not await store.add(message())
    assert await take(store) == []


async def test_a_lease_brings_the_message_and_counts_the_attempt(store: Store) -> None:
    await store.add(message())

    [lease] = await take(store)

    assert (lease.worker, lease.attempt, lease.body) == ("w1", 1, body("a"))


async def test_what_is_leased_is_not_leased_again_before_its_time(store: Store) -> None:
    await store.add(message())
    await take(store, seconds=30.0)

    await let_pass(store, 15.0)
    assert await take(store, worker="w2") == []
    await let_pass(store, 15.0)
    assert [lease.attempt for lease in await take(store, worker="w2")] == [2]


async def test_the_oldest_are_leased_first_and_no_more_than_asked_for(store: Store) -> None:
    for key in ("early", "late"):
        await store.add(message(key))
        await let_pass(store, 10.0)

    assert [lease.body for lease in await take(store, limit=1)] == [body("early")]
    assert [lease.body for lease in await take(store, limit=9)] == [body("late")]


@pytest.mark.parametrize("at", [0.0, 1e12])
async def test_a_message_is_due_at_once_whatever_the_clock_said_when_it_came(store: Store, at: float) -> None:
    await store.add(message(at=at))

    assert len(await take(store)) == 1


async def test_a_renewed_lease_lasts_longer(store: Store) -> None:
    await store.add(message())
    leases = await take(store, seconds=30.0)

    await store.renew(leases, seconds=100.0)

    await let_pass(store, 80.0)
    assert await take(store) == []
    await let_pass(store, 20.0)
    assert len(await take(store)) == 1


async def test_a_released_lease_does_not_count(store: Store) -> None:
    await store.add(message())
    leases = await take(store)

    await store.release(leases)

    assert [lease.attempt for lease in await take(store, worker="w2")] == [1]


async def test_no_leases_are_renewed_or_released_without_harm(store: Store) -> None:
    await store.add(message())
    await store.renew([], seconds=500.0)
    await store.release([])

    assert len(await take(store)) == 1


async def test_any_number_of_leases_is_renewed_at_once(store: Store) -> None:
    await asyncio.gather(*(store.add(message(str(number))) for number in range(1100)))
    leases = await take(store, limit=2000)
    assert len(leases) == 1100

    await store.renew(leases, seconds=60.0)
    await let_pass(store, 40.0)
    assert await take(store) == []

    await store.release(leases)
    assert len(await take(store, limit=2000)) == 1100


async def test_a_worker_that_lost_its_lease_changes_nothing(store: Store) -> None:
    await store.add(message())
    [lost] = await take(store)
    await let_pass(store, 30.0)
    [held] = await take(store, worker="w2")

    await store.update(lost, DONE)
    await store.renew([lost], seconds=999.0)
    await store.release([lost])

    assert (await store.totals()).waiting == 1
    await let_pass(store, 30.0)
    assert [lease.attempt for lease in await take(store)] == [3]
    await store.update(held, DONE)
    assert (await store.totals()).waiting == 1


async def test_a_lease_is_lost_to_another_worker_with_as_many_attempts(store: Store) -> None:
    await store.add(message())
    [given_back] = await take(store)
    await store.release([given_back])
    [held] = await take(store, worker="w2")

    await store.update(given_back, DONE)

    assert held.attempt == given_back.attempt
    assert (await store.totals()).waiting == 1


async def test_a_lease_is_lost_to_the_same_workers_next_attempt(store: Store) -> None:
    await store.add(message())
    [ended] = await take(store)
    await let_pass(store, 30.0)
    await take(store)

    await store.update(ended, DONE)

    assert (await store.totals()).waiting == 1


async def test_what_is_to_be_tried_again_is_due_at_its_time(store: Store) -> None:
    await store.add(message())
    [lease] = await take(store)

    await store.update(lease, EventUpdate(state=EventState.WAITING, delay=50.0, error="E"))

    await let_pass(store, 25.0)
    assert await take(store) == []
    await let_pass(store, 25.0)
    assert [lease.attempt for lease in await take(store)] == [2]


async def test_dead_letters_are_listed_oldest_first(store: Store) -> None:
    for key in ("a", "b", "c"):
        await store.add(message(key, error=f"unreadable {key}"))
    await store.add(message("b"))

    listed = await store.dead_letters(limit=2)

    assert [attrs.evolve(letter, number=0) for letter in listed] == [
        DeadLetter(number=0, received_at=100.0, attempts=0, duplicates=n, error=f"unreadable {key}", body=body(key))
        for key, n in (("a", 0), ("b", 1))
    ]


async def test_a_dead_letter_keeps_its_error_and_attempts(store: Store) -> None:
    await store.add(message())
    [lease] = await take(store)

    await store.update(lease, EventUpdate(state=EventState.DEAD, error="ValueError: no"))

    [letter] = await store.dead_letters(limit=10)
    assert (letter.number, letter.error, letter.attempts) == (lease.number, "ValueError: no", 1)
    await let_pass(store, 1e9)
    assert await take(store) == []


@pytest.mark.parametrize("chosen", ["one", "all", "none", "unknown"])
async def test_chosen_dead_letters_are_replayed_from_their_first_attempt(store: Store, chosen: str) -> None:
    for key in ("a", "b"):
        await store.add(message(key))
    for lease in await take(store):
        await store.update(lease, EventUpdate(state=EventState.DEAD, error="E"))
    numbers = [letter.number for letter in await store.dead_letters(limit=10)]
    wanted = {"one": numbers[:1], "all": None, "none": [], "unknown": [10**6]}[chosen]

    replayed = await store.replay(wanted)

    due = await take(store)
    assert replayed == len(due) == {"one": 1, "all": 2, "none": 0, "unknown": 0}[chosen]
    assert {lease.attempt for lease in due} <= {1}


async def test_everything_is_counted(store: Store) -> None:
    for key, at in (("a", 70.0), ("b", 80.0), ("c", 90.0)):
        await store.add(message(key, at=at))
    await store.add(message("dead", error="unreadable"))
    await store.add(message("a"))
    first, second, _ = await take(store)
    await store.update(first, DONE)
    await store.update(second, EventUpdate(state=EventState.WAITING, delay=500.0, error="E"))

    assert await store.totals() == InboxTotals(
        waiting=2, handled=1, dead=1, duplicates=1, attempts=3, oldest_received_at=80.0
    )


async def test_an_empty_store_counts_nothing(store: Store) -> None:
    assert await store.totals() == InboxTotals()


async def test_only_old_handled_events_are_pruned(store: Store) -> None:
    for key, at in (("old", 10.0), ("new", 90.0), ("waiting", 11.0)):
        await store.add(message(key, at=at))
    await store.add(message("dead", at=12.0, error="unreadable"))
    for lease in await take(store):
        if lease.body != body("waiting"):
            await store.update(lease, DONE)

    assert await store.prune(before=50.0) == 1
    totals = await store.totals()
    assert (totals.waiting, totals.handled, totals.dead) == (1, 1, 1)
    assert await store.add(message("old"))


async def test_a_closed_store_opens_again(store: Store) -> None:
    await store.add(message())
    await store.close()

    assert (await store.totals()).waiting == 1


async def test_any_bytes_and_texts_are_kept(store: Store) -> None:
    raw = bytes(range(256))
    await store.add(Message(key="k" * 64, body=raw, received_at=0.1, event=None, error="é\N{REPLACEMENT CHARACTER}☃"))

    [letter] = await store.dead_letters(limit=1)

    assert (letter.body, letter.received_at, letter.error) == (raw, 0.1, "é\N{REPLACEMENT CHARACTER}☃")
    assert letter.event is None


async def test_more_dead_letters_are_replayed_and_more_handled_events_pruned_than_a_statement_can_name(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "BATCH", 50)
    await asyncio.gather(*(store.add(message(str(number), error="unreadable")) for number in range(120)))
    letters = await store.dead_letters(limit=200)

    assert await store.replay([letter.number for letter in letters[:60]]) == 60
    assert await store.replay(None) == 60
    for lease in await take(store, limit=200):
        await store.update(lease, DONE)
    assert await store.prune(before=200.0) == 120


async def test_no_more_are_leased_than_asked_for_however_postgresql_plans_that(postgresql_url: str) -> None:
    store = SqlStore(postgresql_url)
    await store.add(message("first"))
    execute(postgresql_url, "ANALYZE kaspi_delivery_events")  # of one row, for which it plans from now on
    for key in "abc":
        await store.add(message(key))

    assert [len(await take(store, limit=1)) for _ in range(4)] == [1, 1, 1, 1]
    await store.close()


async def test_a_due_time_of_before_the_clock_began_again_is_past(file: str) -> None:
    """SQLite's due times are by the machine's monotonic clock, which begins again when the machine does."""
    store = SqlStore(file)
    await store.add(message())
    await take(store, seconds=30.0)
    await let_pass(store, -1e6)

    assert [lease.attempt for lease in await take(store)] == [2]
    await store.close()

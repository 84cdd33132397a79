"""Every store against a model in memory, through any order of its methods."""

import asyncio
from typing import Any, cast

import attrs
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import delete

from kaspi_delivery_async.webhooks import InboxTotals, MemoryStore, Store
from kaspi_delivery_async.webhooks.stored_events import EventState, EventUpdate, Lease, Message
from kaspi_delivery_async.webhooks.stores.sql import SqlStore
from kaspi_delivery_async.webhooks.stores.tables import events
from tests.support.webhook_stores import let_pass

pytestmark = pytest.mark.newest

KEYS = st.sampled_from("abcde")
WORKERS = st.sampled_from(["first", "second"])
SECONDS = st.sampled_from([100.0, 200.0, 300.0])
"""Far longer than a test takes, as the stores' clocks are real."""


@attrs.define
class Row:
    """An event as the model holds it."""

    key: str
    received_at: float
    state: EventState
    due_at: float
    worker: str | None = None
    attempts: int = 0
    duplicates: int = 0


class StoreMachine(RuleBasedStateMachine):
    """Does anything to a store and to the model."""

    def __init__(self, loop: asyncio.AbstractEventLoop, store: Store) -> None:
        super().__init__()
        self.loop, self.store = loop, store
        self.rows: dict[str, Row] = {}
        self.leases: list[tuple[Lease, str]] = []
        """All that were ever given, with the keys of their events."""
        self.now = 0.0
        self.received = 0.0

    def wait_for(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def held(self, lease: Lease, key: str) -> Row | None:
        row = self.rows.get(key)
        is_held = row is not None and row.state is EventState.WAITING
        return row if row and is_held and (row.worker, row.attempts) == (lease.worker, lease.attempt) else None

    @rule(key=KEYS, is_readable=st.booleans())
    def add(self, key: str, is_readable: bool) -> None:
        self.received += 1.0
        error = None if is_readable else "unreadable"
        message = Message(key=key, body=key.encode(), received_at=self.received, event=None, error=error)
        assert self.wait_for(self.store.add(message)) is (key not in self.rows)
        if key in self.rows:
            self.rows[key].duplicates += 1
        else:
            state = EventState.WAITING if is_readable else EventState.DEAD
            self.rows[key] = Row(key, self.received, state, self.now)

    @rule(worker=WORKERS, seconds=SECONDS, limit=st.integers(1, 6))
    def lease(self, worker: str, seconds: float, limit: int) -> None:
        due = [row for row in self.rows.values() if row.state is EventState.WAITING and row.due_at <= self.now]
        leases = self.wait_for(self.store.lease(worker=worker, seconds=seconds, limit=limit))
        assert len(leases) == min(limit, len(due))
        taken = {lease.body.decode(): lease for lease in leases}
        left = [row.due_at for row in due if row.key not in taken]
        for key, lease in taken.items():
            row = self.rows[key]
            assert row in due
            assert all(row.due_at <= other for other in left)
            row.worker, row.attempts, row.due_at = worker, row.attempts + 1, self.now + seconds
            assert (lease.worker, lease.attempt) == (worker, row.attempts)
            self.leases.append((lease, key))

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), seconds=SECONDS)
    def renew(self, data: st.DataObject, seconds: float) -> None:
        lease, key = data.draw(st.sampled_from(self.leases))
        self.wait_for(self.store.renew([lease], seconds=seconds))
        if row := self.held(lease, key):
            row.due_at = self.now + seconds

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        lease, key = data.draw(st.sampled_from(self.leases))
        self.wait_for(self.store.release([lease]))
        if row := self.held(lease, key):
            row.worker, row.attempts, row.due_at = None, row.attempts - 1, self.now

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), state=st.sampled_from(EventState), delay=SECONDS)
    def update(self, data: st.DataObject, state: EventState, delay: float) -> None:
        lease, key = data.draw(st.sampled_from(self.leases))
        result = EventUpdate(state=state, delay=delay, error="failed")
        self.wait_for(self.store.update(lease, result))
        if row := self.held(lease, key):
            row.worker, row.state, row.due_at = None, state, self.now + delay

    @rule(chooses=st.booleans())
    def replay(self, chooses: bool) -> None:
        dead = self.wait_for(self.store.dead_letters(limit=100))
        numbers = [letter.number for letter in dead[:1]] if chooses else None
        replayed = dead[:1] if chooses else dead
        assert self.wait_for(self.store.replay(numbers)) == len(replayed)
        for letter in replayed:
            row = self.rows[letter.body.decode()]
            row.state, row.worker, row.attempts, row.due_at = EventState.WAITING, None, 0, self.now

    @rule(before=st.integers(0, 10))
    def prune(self, before: int) -> None:
        old = [row for row in self.rows.values() if row.state is EventState.HANDLED and row.received_at < before]
        assert self.wait_for(self.store.prune(before=float(before))) == len(old)
        for row in old:
            del self.rows[row.key]

    @rule(seconds=st.sampled_from([150.0, 250.0]))
    def pass_time(self, seconds: float) -> None:
        self.wait_for(let_pass(self.store, seconds))
        self.now += seconds

    @precondition(lambda self: not isinstance(self.store, MemoryStore))
    @rule()
    def close(self) -> None:
        self.wait_for(self.store.close())

    @invariant()
    def everything_is_counted(self) -> None:
        rows = self.rows.values()
        counts = {state: sum(row.state is state for row in rows) for state in EventState}
        waiting = [row.received_at for row in rows if row.state is EventState.WAITING]
        assert self.wait_for(self.store.totals()) == InboxTotals(
            waiting=counts[EventState.WAITING],
            handled=counts[EventState.HANDLED],
            dead=counts[EventState.DEAD],
            duplicates=sum(row.duplicates for row in rows),
            attempts=sum(row.attempts for row in rows),
            oldest_received_at=min(waiting, default=None),
        )


def test_a_store_does_what_its_model_does(new_store: Store) -> None:
    with asyncio.Runner() as runner:
        loop = runner.get_loop()

        def machine() -> Any:
            if isinstance(new_store, SqlStore):
                runner.run(new_store._write(lambda connection: connection.execute(delete(events))))
            return StoreMachine(loop, new_store if isinstance(new_store, SqlStore) else MemoryStore())

        run_state_machine_as_test(
            cast("Any", machine),
            settings=settings(
                max_examples=60 if isinstance(new_store, MemoryStore) else 8,
                stateful_step_count=25,
                suppress_health_check=[*HealthCheck],
                deadline=None,
            ),
        )
        runner.run(new_store.close())

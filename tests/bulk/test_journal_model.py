"""The journal through any order of claims, results, killed runs and passing time: what it must never allow."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kaspi_delivery_async._exactly_once.decisions import OrderUpdate
from kaspi_delivery_async._exactly_once.states import UNFINISHED, OrderState
from kaspi_delivery_async.bulk import Journal
from kaspi_delivery_async.bulk.journal.claims import Claims, Send
from kaspi_delivery_async.bulk.order import Order, prepare
from kaspi_delivery_async.bulk.steps import Step
from kaspi_delivery_async.order_files.lines import Line
from tests.support.orders import changed, order

pytestmark = pytest.mark.newest

LEASE = 1000.0
KEY_LIFE = 23 * 3600.0
LATER = st.sampled_from([10.0, 600.0, 2 * LEASE, 12 * 3600.0])
ENDS = st.sampled_from([state for state in OrderState if state is not OrderState.IN_DOUBT])


def prepared(number: int, *, is_other: bool) -> Order:
    """Return one of three orders, in one of two contents."""
    request = order(f"order-{number}")
    if is_other:
        request = changed(request, parcel=changed(request.parcel, weight_grams=900))
    return prepare(Line(place=f"line {number}", order=request))


ORDERS = {(number, is_other): prepared(number, is_other=is_other) for number in range(3) for is_other in (False, True)}


@attrs.define(eq=False)
class Run:
    """A run that is alive, and what it has claimed and not ended."""

    claims: Claims
    active_at: float
    """When it last claimed something: no lease of it is older."""
    held: dict[int, Send] = attrs.field(factory=dict[int, Send])


@attrs.define
class Known:
    """What a person with a pencil would note of an order."""

    is_other: bool
    first_sent_at: float | None = None
    """Since when it may have arrived."""
    holder: Run | None = None
    """The run that may be sending it; killed ones included."""
    final: OrderState | None = None


class JournalMachine(RuleBasedStateMachine):
    """Has several runs share a journal."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp())
        self.now = 1_780_000_000.0
        self.journal = Journal(self.folder / "run.sqlite", lease=LEASE, clock=lambda: self.now)
        self.runs: list[Run] = []
        self.known: dict[int, Known] = {}

    @initialize()
    def open(self) -> None:
        self.runner.run(self.journal.__aenter__())

    def teardown(self) -> None:
        for run in self.runs:
            self.runner.run(run.claims.close())
        self.runner.run(self.journal.__aexit__(None, None, None))
        self.runner.close()
        shutil.rmtree(self.folder)

    @rule(seconds=LATER)
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: len(self.runs) < 3)
    @rule()
    def start(self) -> None:
        self.runs.append(Run(self.runner.run(self.journal.begin("sandbox")), self.now))

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), is_graceful=st.booleans())
    def end_run(self, data: st.DataObject, is_graceful: bool) -> None:
        run = self.runs.pop(data.draw(st.integers(0, len(self.runs) - 1)))
        self.runner.run(run.claims.close() if is_graceful else run.claims.stop_renewing())
        for known in self.known.values():
            if is_graceful and known.holder is run:
                known.holder = None

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), number=st.integers(0, 2), is_other=st.booleans())
    def claim(self, data: st.DataObject, number: int, is_other: bool) -> None:
        run = data.draw(st.sampled_from(self.runs))
        if number in run.held:
            return  # a run works on an order once at a time
        known = self.known.setdefault(number, Known(is_other))
        claim = self.runner.run(self.claimed(run, ORDERS[number, is_other]))
        run.active_at = self.now
        if isinstance(claim, Send):
            assert known.is_other == is_other
            assert known.final is None
            assert known.first_sent_at is None or self.now - known.first_sent_at < KEY_LIFE
            assert claim.may_have_arrived == (known.first_sent_at is not None)
            known.first_sent_at, known.holder = known.first_sent_at or self.now, run
            run.held[number] = claim
            return
        match claim.step:
            case Step.WAIT:
                assert known.holder is not None
                assert self.now - known.holder.active_at < LEASE
            case Step.CHANGED:
                assert known.is_other != is_other
            case Step.KNOWN:
                assert claim.known.state is known.final
            case Step.DOUBT:
                assert known.first_sent_at is not None
                assert self.now - known.first_sent_at >= KEY_LIFE
                known.final = OrderState.IN_DOUBT
            case _:
                raise AssertionError(claim.step)

    async def claimed(self, run: Run, wanted: Order) -> Any:
        return await run.claims.claim(wanted)

    @precondition(lambda self: any(run.held for run in self.runs))
    @rule(data=st.data(), state=ENDS)
    def end(self, data: st.DataObject, state: OrderState) -> None:
        run = data.draw(st.sampled_from([run for run in self.runs if run.held]))
        number = data.draw(st.sampled_from(sorted(run.held)))
        known, claim = self.known[number], run.held.pop(number)
        update = OrderUpdate(state=state, delivery_id=f"dlv_{number}" if state is OrderState.CREATED else None)
        self.runner.run(run.claims.end(ORDERS[number, known.is_other], claim, update))
        if known.holder is not run or known.final is not None:
            return  # it is another run's by now
        known.holder = None
        if state not in UNFINISHED:
            known.final = state
        elif state is not OrderState.SENT:
            known.first_sent_at = None

    @invariant()
    def an_order_is_sent_by_one_run_at_a_time(self) -> None:
        for number in range(3):
            senders = [run for run in self.runs if number in run.held and run.claims.may_send(run.held[number])]
            assert len(senders) <= 1

    @invariant()
    def a_final_result_stays(self) -> None:
        async def states() -> dict[str, OrderState]:
            return {entry.key: entry.state async for entry in self.journal.entries()}

        found = self.runner.run(states())
        for number, known in self.known.items():
            if known.final is not None:
                assert found[ORDERS[number, False].key] is known.final


TestJournal = JournalMachine.TestCase
TestJournal.settings = settings(max_examples=12, stateful_step_count=30, deadline=None)

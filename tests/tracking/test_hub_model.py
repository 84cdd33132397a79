"""The status machine and the hub: events in any order, and what listeners and the memory of the hub make of them."""

import asyncio
from contextlib import ExitStack

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kaspi_delivery_async import DeliveryStatus, StatusHub
from kaspi_delivery_async.models import DeliveryWebhookData
from kaspi_delivery_async.status import MOVES, SEQUENCE, is_news, is_reached, is_terminal, rank

pytestmark = pytest.mark.newest

DELIVERIES = st.sampled_from(["dlv_1", "dlv_2"])
STATUSES = st.sampled_from(DeliveryStatus)


def forward(statuses: list[DeliveryStatus]) -> list[DeliveryStatus]:
    """Return what is a step forward, as a person would go through the list with the vendor's diagram in hand."""
    kept: list[DeliveryStatus] = []
    for status in statuses:
        has_ended = bool(kept) and not MOVES[kept[-1]]
        later = SEQUENCE[SEQUENCE.index(kept[-1]) + 1 :] if kept and kept[-1] in SEQUENCE else SEQUENCE
        if not has_ended and (status == DeliveryStatus.CANCELLED or status in later):
            kept.append(status)
    return kept


class HubMachine(RuleBasedStateMachine):
    """Publishes, and listens now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.stack = ExitStack()
        self.hub = StatusHub()
        self.published: dict[str, list[DeliveryStatus]] = {"dlv_1": [], "dlv_2": []}
        self.listening: list[tuple[str, asyncio.Queue[object], list[DeliveryStatus]]] = []
        """For each listener: its delivery, its queue, and what it has to find there."""

    def teardown(self) -> None:
        self.stack.close()
        self.loop.close()

    @rule(delivery_id=DELIVERIES, status=STATUSES)
    def publish(self, delivery_id: str, status: DeliveryStatus) -> None:
        data = DeliveryWebhookData(delivery_id=delivery_id, status=status)

        async def announce() -> None:
            self.hub.announce(data)

        self.loop.run_until_complete(announce())
        self.published[delivery_id].append(status)
        for listened, _, expected in self.listening:
            if listened == delivery_id:
                expected.append(status)

    @rule(delivery_id=DELIVERIES)
    def listen(self, delivery_id: str) -> None:
        queue = self.stack.enter_context(self.hub.listen(delivery_id))
        self.listening.append((delivery_id, queue, forward(self.published[delivery_id])))  # type: ignore[arg-type]

    @rule()
    def stop_listening(self) -> None:
        self.stack.close()
        self.listening.clear()

    @invariant()
    def every_listener_gets_everything_of_its_delivery_in_order(self) -> None:
        for _, queue, expected in self.listening:
            assert [change.status for change in queue._queue] == expected  # type: ignore[attr-defined]

    @invariant()
    def what_is_news_is_what_the_diagram_allows(self) -> None:
        for statuses in self.published.values():
            seen: list[DeliveryStatus] = []
            for status in statuses:
                if is_news(status, seen=seen):
                    seen.append(status)
            assert seen == forward(statuses)
            assert [rank(status) for status in seen] == sorted({rank(status) for status in seen})
            assert not any(is_terminal(status) for status in seen[:-1])
            assert all(is_reached(status, at=status) for status in seen)


TestHub = HubMachine.TestCase
TestHub.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)

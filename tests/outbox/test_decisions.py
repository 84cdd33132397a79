"""Decisions about entries: pure functions over rows."""

from typing import Any

import attrs
import pytest

from kaspi_delivery_async._exactly_once.decisions import OrderUpdate
from kaspi_delivery_async._exactly_once.states import OrderState
from kaspi_delivery_async.outbox.decisions import (
    Row,
    after_call,
    in_doubt,
    result_failed,
    retry_delay,
    status_failed,
)
from kaspi_delivery_async.outbox.entries import OutboxState

SENT = Row(
    number=1,
    state=OutboxState.SENT,
    owner="us",
    account=None,
    attempts=1,
    error=None,
    first_sent_at=10.0,
    updated_at=10.0,
    due_at=10.0,
    delivery_id=None,
    tracking_url=None,
    status=None,
    seen_at=None,
    poll_at=None,
    polls=0,
    result_due=None,
    result_failures=0,
    status_due=None,
    status_failures=0,
)


def test_retries_wait_twice_as_long_each_time_and_at_most_five_minutes() -> None:
    assert [retry_delay(failures) for failures in (1, 2, 3, 9, 10, 10_000)] == [1, 2, 4, 256, 300, 300]


@pytest.mark.parametrize("changes", [{"owner": "others"}, {"state": OutboxState.CREATED, "owner": None}])
@pytest.mark.parametrize("state", [OrderState.REJECTED, OrderState.SENT, OrderState.FAILED])
def test_a_result_gives_way_to_a_webhook_and_to_another_relay(changes: dict[str, Any], state: OrderState) -> None:
    row = attrs.evolve(SENT, **changes)

    assert after_call(row, 20.0, update=OrderUpdate(state=state, error="no"), owner="us", first_poll=2.5) == row
    assert in_doubt(row, 20.0, owner="us") == row


def test_a_delivery_that_was_made_is_made_whatever_was_believed_before() -> None:
    rejected = attrs.evolve(SENT, state=OutboxState.REJECTED, owner=None, result_due=None)
    made = OrderUpdate(state=OrderState.CREATED, delivery_id="dlv_1", status="created")
    row = after_call(rejected, 20.0, update=made, owner="us", first_poll=2.5)

    assert (row.state, row.delivery_id, row.seen, row.result_due, row.poll_at) == (
        OutboxState.CREATED, "dlv_1", ("created",), 20.0, 22.5,
    )  # fmt: skip
    assert after_call(row, 30.0, update=made, owner="us", first_poll=2.5) == attrs.evolve(row, seen_at=30.0)


def test_an_id_in_a_response_that_cannot_be_read_is_kept() -> None:
    update = OrderUpdate(state=OrderState.SENT, delivery_id="dlv_1", error="odd")
    row = after_call(SENT, 20.0, update=update, owner="us", first_poll=2.5)

    assert (row.state, row.delivery_id, row.due_at) == (OutboxState.SENT, "dlv_1", 21.0)


def test_a_callback_whose_commit_seemed_to_fail_and_did_not_is_not_called_again() -> None:
    assert result_failed(SENT, 20.0) == SENT
    assert status_failed(SENT, 20.0) == SENT
    assert result_failed(attrs.evolve(SENT, result_due=15.0), 20.0).result_due == 21.0
    assert status_failed(attrs.evolve(SENT, status_due=15.0, status_failures=1), 20.0).status_due == 22.0

"""The order in which `watch` yields statuses is the state machine's, whatever the clocks of the API's hosts say."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspi_delivery_async import Delivery, DeliveryStatus, StatusChange, StatusHistory
from kaspi_delivery_async._tracking.order import changes_in, in_order
from kaspi_delivery_async.status import SEQUENCE

BEGIN = datetime(2024, 6, 11, 8, tzinfo=UTC)
HELD, RETURNED = DeliveryStatus("held"), DeliveryStatus("returned")


def at(status: DeliveryStatus, seconds: float | None) -> StatusHistory:
    return StatusHistory(status=status, timestamp=None if seconds is None else BEGIN + timedelta(seconds=seconds))


def listed(*history: StatusHistory, status: DeliveryStatus = DeliveryStatus.DELIVERED) -> list[DeliveryStatus]:
    changes = changes_in(Delivery(delivery_id="dlv_1", status=status, history=history))
    return list(dict.fromkeys(change.status for change in changes))


@given(st.permutations(SEQUENCE), st.lists(st.none() | st.integers(0, 3), min_size=5, max_size=5))
def test_known_statuses_come_in_the_order_of_the_state_machine(
    statuses: list[DeliveryStatus], seconds: list[int | None]
) -> None:
    history = [at(status, second) for status, second in zip(statuses, seconds, strict=True)]
    assert listed(*history) == list(SEQUENCE)


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("timed", [False, True])
def test_an_unknown_status_stays_between_its_neighbours(newest_first: bool, timed: bool) -> None:
    statuses = [*SEQUENCE[:3], HELD, *SEQUENCE[3:]]
    history = [at(status, index if timed else None) for index, status in enumerate(statuses)]
    assert listed(*(reversed(history) if newest_first else history)) == statuses


def test_times_decide_among_unknown_statuses() -> None:
    history = [at(SEQUENCE[0], 0), at(RETURNED, 9), at(HELD, 5), at(SEQUENCE[4], 20)]
    assert listed(*history) == [SEQUENCE[0], HELD, RETURNED, SEQUENCE[4]]


def test_an_unknown_status_is_not_put_behind_a_terminal_one() -> None:
    assert listed(at(SEQUENCE[4], 4), at(HELD, 5), at(SEQUENCE[0], 0)) == [SEQUENCE[0], HELD, SEQUENCE[4]]


def test_an_unknown_status_may_come_first() -> None:
    assert listed(at(HELD, 0), at(SEQUENCE[0], 1)) == [HELD, SEQUENCE[0], SEQUENCE[4]]


def test_an_unknown_present_status_comes_last() -> None:
    assert listed(at(SEQUENCE[0], 0), at(SEQUENCE[1], 1), status=HELD) == [*SEQUENCE[:2], HELD]


def test_a_time_is_kept_where_one_is_known() -> None:
    change = StatusChange(delivery_id="dlv_1", status=SEQUENCE[0], timestamp=BEGIN)
    assert in_order([attrs_without_time(change), change])[0] == change


def attrs_without_time(change: StatusChange) -> StatusChange:
    return StatusChange(delivery_id=change.delivery_id, status=change.status)

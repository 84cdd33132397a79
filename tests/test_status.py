"""The order of statuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspi_delivery_async import DeliveryStatus
from kaspi_delivery_async.status import SEQUENCE, is_reached, rank
from tests.support.tracked_delivery import CANCELLED, UNKNOWN

pytestmark = pytest.mark.looptime


@given(statuses=st.permutations([*SEQUENCE, CANCELLED, UNKNOWN]))
async def test_statuses_sort_by_their_rank(statuses: list[DeliveryStatus]) -> None:
    assert sorted(statuses, key=rank) == [UNKNOWN, *SEQUENCE, CANCELLED]


@given(target=st.sampled_from([*SEQUENCE, CANCELLED, UNKNOWN]), at=st.sampled_from([*SEQUENCE, CANCELLED, UNKNOWN]))
async def test_reached_is_at_or_past(target: DeliveryStatus, at: DeliveryStatus) -> None:
    in_order = target in SEQUENCE and at in SEQUENCE
    expected = SEQUENCE.index(at) >= SEQUENCE.index(target) if in_order else at == target

    assert is_reached(target, at=at) == expected

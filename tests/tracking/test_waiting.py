"""Waiting for a status: when it polls, and how it ends."""

import asyncio
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspi_delivery_async import (
    Delivery,
    DeliveryCancelledError,
    DeliveryStatus,
    InvalidRequestError,
    KaspiDeliveryError,
    StatusHub,
    TrackingError,
    TransportError,
    WaitTimeoutError,
)
from kaspi_delivery_async._tracking.follower import poll_intervals
from kaspi_delivery_async.status import SEQUENCE
from kaspi_delivery_async.tracking import wait_for_status
from tests.support.tracked_delivery import (
    ACCEPTED,
    CANCELLED,
    CREATED,
    DELIVERED,
    IN_TRANSIT,
    OUT_FOR_DELIVERY,
    UNKNOWN,
    Api,
    announce,
    now,
    statuses,
    wait,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.looptime


async def test_a_status_that_is_reached_already_takes_one_poll() -> None:
    api = Api(IN_TRANSIT)

    delivery = await wait(api, ACCEPTED)

    assert (delivery.delivery_id, delivery.status, api.asked) == ("dlv_1", IN_TRANSIT, [0.0])


async def test_a_delivery_that_is_past_the_status_is_returned_as_it_stands() -> None:
    assert (await wait(Api(OUT_FOR_DELIVERY, history=SEQUENCE[:4]), ACCEPTED)).status == OUT_FOR_DELIVERY


async def test_a_status_that_the_api_has_gone_past_into_an_unknown_one_is_reached() -> None:
    assert (await wait(Api(UNKNOWN, history=[CREATED, ACCEPTED, UNKNOWN]), ACCEPTED)).status == UNKNOWN


async def test_what_a_cancelled_delivery_came_to_before_is_not_reached() -> None:
    with pytest.raises(DeliveryCancelledError):
        await wait(Api(CANCELLED, history=[CREATED, ACCEPTED, CANCELLED]), ACCEPTED)


@pytest.mark.parametrize("status", [None, 5, b"delivered", "deliverd", "DELIVERED", UNKNOWN])
async def test_only_a_known_status_can_be_waited_for(status: Any) -> None:
    """Nothing else would ever be reached."""
    api = Api(CREATED)
    with pytest.raises(InvalidRequestError, match=r"status: expected a DeliveryStatus, one of created, .*cancelled"):
        await wait(api, status)
    assert api.asked == []


async def test_polls_grow_rarer() -> None:
    api = Api(*[CREATED] * 9, DELIVERED)

    await wait(api)

    pauses = [later - earlier for earlier, later in zip(api.asked, api.asked[1:], strict=False)]
    assert pauses == pytest.approx([2.5, 3.75, 5.625, 8.4375, 12.65625, 18.984375, 28.4765625, 30.0, 30.0])


@given(draws=st.lists(st.floats(min_value=0, max_value=1, exclude_max=True), min_size=20, max_size=20))
async def test_pauses_stay_between_two_and_thirty_seconds(draws: list[float]) -> None:
    left = iter(draws)
    pauses = list(islice(poll_intervals(lambda: next(left)), 20))

    assert 2.0 <= min(pauses) <= max(pauses) <= 30.0
    assert all(pause >= 24.0 for pause in pauses[8:])


@pytest.mark.parametrize("pushed", [False, True])
async def test_a_cancelled_delivery_ends_the_wait(pushed: bool) -> None:
    hub = StatusHub()
    api = Api(ACCEPTED if pushed else CANCELLED)
    asyncio.get_running_loop().call_later(1.0, announce, hub, CANCELLED)

    with pytest.raises(DeliveryCancelledError) as caught:
        await wait(api, events=hub)

    assert caught.value.delivery is not None
    assert caught.value.delivery.status == CANCELLED
    assert caught.value.operation == "wait_for_status"


async def test_a_cancelled_delivery_is_what_some_wait_for() -> None:
    assert (await wait(Api(CANCELLED), CANCELLED)).status == CANCELLED


async def test_a_delivery_that_ends_elsewhere_ends_the_wait() -> None:
    with pytest.raises(TrackingError) as caught:
        await wait(Api(DELIVERED), CANCELLED)

    assert not isinstance(caught.value, DeliveryCancelledError)


@pytest.mark.parametrize(
    ("response", "last", "text"),
    [(ACCEPTED, ACCEPTED, "last seen accepted"), (TransportError("reset"), None, "could not be read")],
)
async def test_a_wait_ends_at_its_deadline_with_the_last_state(
    response: DeliveryStatus | KaspiDeliveryError, last: DeliveryStatus | None, text: str
) -> None:
    with pytest.raises(WaitTimeoutError, match=text) as caught:
        await wait(Api(response), timeout=77.0)

    assert now() == pytest.approx(77.0)
    assert (caught.value.delivery and caught.value.delivery.status) == last


async def test_a_poll_that_hangs_ends_at_the_deadline() -> None:
    async def hang(delivery_id: str, *, include_history: bool) -> Delivery:
        await asyncio.sleep(3600)
        raise AssertionError(delivery_id, include_history)

    with pytest.raises(WaitTimeoutError):
        await wait_for_status(hang, "dlv_1", DELIVERED, timeout=5.0)

    assert now() == pytest.approx(5.0)


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), "5", True])
async def test_a_timeout_is_positive(seconds: Any) -> None:
    with pytest.raises(InvalidRequestError, match="timeout: must be a positive number"):
        await wait(Api(CREATED), timeout=seconds)
    with pytest.raises(InvalidRequestError):
        await statuses(Api(CREATED), timeout=seconds)


async def test_several_wait_for_one_delivery() -> None:
    hub = StatusHub()
    waits = [asyncio.create_task(wait(Api(CREATED), goal, events=hub)) for goal in (IN_TRANSIT, IN_TRANSIT, DELIVERED)]
    await asyncio.sleep(1.0)

    announce(hub, IN_TRANSIT)
    await asyncio.sleep(0.1)

    assert [task.done() for task in waits] == [True, True, False]
    waits[2].cancel()


async def test_a_thousand_waits_cost_a_timer_each() -> None:
    hub, loop = StatusHub(), asyncio.get_running_loop()
    waits = [asyncio.create_task(wait(Api(CREATED), events=hub)) for _ in range(1000)]
    await asyncio.sleep(1.0)

    timers: Iterable[asyncio.TimerHandle] = loop._scheduled  # type: ignore[attr-defined]  # nothing public counts them
    pending = [timer for timer in timers if not timer.cancelled()]

    assert len(pending) == 1000
    announce(hub, DELIVERED)
    await asyncio.gather(*waits)

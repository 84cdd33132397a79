"""Waiting with a hub: what an event changes, and when a silent delivery is polled."""

import asyncio
from contextlib import suppress

import pytest

from kaspi_delivery_async import (
    InvalidRequestError,
    StatusHub,
    TransportError,
    WaitTimeoutError,
)
from kaspi_delivery_async._tracking.follower import LONGEST_SILENCE
from tests.support.tracked_delivery import (
    ACCEPTED,
    CREATED,
    DELIVERED,
    IN_TRANSIT,
    OUT_FOR_DELIVERY,
    Api,
    announce,
    now,
    wait,
)

pytestmark = pytest.mark.looptime


async def test_an_event_ends_the_wait_at_once_without_another_poll() -> None:
    hub, api = StatusHub(), Api(CREATED)
    asyncio.get_running_loop().call_later(1.0, announce, hub, OUT_FOR_DELIVERY)

    delivery = await wait(api, IN_TRANSIT, events=hub)

    assert (delivery.status, now(), api.asked) == (OUT_FOR_DELIVERY, 1.0, [0.0])


async def test_an_event_before_the_first_response_has_the_delivery_read_again() -> None:
    hub, api = StatusHub(), Api(TransportError("reset"), DELIVERED)
    asyncio.get_running_loop().call_later(1.0, announce, hub, ACCEPTED)

    await wait(api, events=hub)

    assert api.asked == [0.0, 1.0]


async def test_an_event_of_another_delivery_wakes_nobody() -> None:
    hub, api = StatusHub(), Api(CREATED)
    asyncio.get_running_loop().call_later(1.0, announce, hub, DELIVERED)
    asyncio.get_running_loop().call_later(0.5, lambda: announce(hub, DELIVERED, delivery_id="dlv_2"))

    await wait(api, events=hub)

    assert now() == 1.0


async def chatter(hub: StatusHub, *, every: float) -> None:
    """Keep the hub busy with other deliveries."""
    while True:
        announce(hub, ACCEPTED, delivery_id="dlv_other")
        await asyncio.sleep(every)


async def test_while_webhooks_keep_coming_a_silent_delivery_is_polled_hourly() -> None:
    hub, api = StatusHub(complete=True), Api(CREATED)
    talking = asyncio.create_task(chatter(hub, every=20.0))

    with suppress(WaitTimeoutError):
        await wait(api, events=hub, timeout=2.5 * LONGEST_SILENCE)
    talking.cancel()

    assert [round(at / LONGEST_SILENCE, 1) for at in api.asked] == [0, 1, 2]


async def test_when_webhooks_stop_coming_polls_begin() -> None:
    hub, api = StatusHub(complete=True), Api(CREATED)
    talking = asyncio.create_task(chatter(hub, every=1.0))
    asyncio.get_running_loop().call_later(600.0, talking.cancel)

    with suppress(WaitTimeoutError):
        await wait(api, events=hub, timeout=700.0)

    assert api.asked[0] == 0.0
    assert 600.0 < api.asked[1] <= 631.0
    assert api.asked[2] - api.asked[1] == pytest.approx(3.75)


async def test_a_hub_that_may_miss_events_puts_no_poll_off() -> None:
    """Another process may receive the webhook that matters."""
    hub, api, alone = StatusHub(), Api(CREATED), Api(CREATED)
    talking = asyncio.create_task(chatter(hub, every=0.4))

    waits = [wait(api, events=hub, timeout=300.0), wait(alone, timeout=300.0)]
    await asyncio.gather(*waits, return_exceptions=True)
    talking.cancel()

    assert api.asked == alone.asked


@pytest.mark.parametrize("complete", [False, True])
async def test_one_event_of_another_delivery_makes_polls_no_rarer(complete: bool) -> None:
    """The interval grows at polls alone."""
    hub, api = StatusHub(complete=complete), Api(CREATED)
    asyncio.get_running_loop().call_later(0.8, lambda: announce(hub, DELIVERED, delivery_id="dlv_2"))

    with suppress(WaitTimeoutError):
        await wait(api, events=hub, timeout=60.0)

    first = 30.8 if complete else 2.5
    assert api.asked[:3] == pytest.approx([0.0, first, first + 3.75])


async def test_after_a_gap_in_what_a_hub_receives_polls_begin_at_once() -> None:
    hub, api = StatusHub(complete=True), Api(CREATED, DELIVERED)
    talking = asyncio.create_task(chatter(hub, every=1.0))
    loop = asyncio.get_running_loop()
    loop.call_later(100.0, setattr, hub, "complete", False)
    loop.call_later(100.5, setattr, hub, "complete", True)

    await wait(api, events=hub)
    talking.cancel()

    assert 100.0 < now() <= 131.0
    assert hub.complete


async def test_saying_again_that_a_hub_is_complete_makes_no_gap() -> None:
    hub, api = StatusHub(complete=True), Api(CREATED)
    talking = asyncio.create_task(chatter(hub, every=10.0))
    asyncio.get_running_loop().call_later(100.0, setattr, hub, "complete", True)

    with suppress(WaitTimeoutError):
        await wait(api, events=hub, timeout=300.0)
    talking.cancel()

    assert api.asked == [0.0]


async def test_an_event_that_came_before_the_wait_counts() -> None:
    hub, api = StatusHub(), Api(IN_TRANSIT)
    announce(hub, DELIVERED)

    assert (await wait(api, events=hub, timeout=7.0)).status == DELIVERED
    assert now() == 0.0


async def test_a_hub_keeps_the_newest_deliveries_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaspi_delivery_async._tracking.hub.REMEMBERED_DELIVERIES", 2)
    hub = StatusHub()
    for delivery_id in ("dlv_1", "dlv_2", "dlv_1", "dlv_3"):
        announce(hub, ACCEPTED, delivery_id=delivery_id)
    announce(hub, CREATED, delivery_id="dlv_3")

    kept: list[int] = []
    for number in (1, 2, 3):
        with hub.listen(f"dlv_{number}") as queue:
            kept.append(queue.qsize())
    assert kept == [1, 0, 1]


async def test_what_is_no_hub_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="events: expected a StatusHub"):
        await wait(Api(CREATED), events=object())


async def test_a_late_event_changes_nothing() -> None:
    hub, api = StatusHub(), Api(IN_TRANSIT)
    asyncio.get_running_loop().call_later(1.0, announce, hub, ACCEPTED)

    with pytest.raises(WaitTimeoutError, match="last seen in_transit"):
        await wait(api, events=hub, timeout=2.0)


async def test_a_stale_response_does_not_undo_an_event() -> None:
    hub, api = StatusHub(), Api(CREATED)
    asyncio.get_running_loop().call_later(1.0, announce, hub, OUT_FOR_DELIVERY)

    with pytest.raises(WaitTimeoutError, match="last seen out_for_delivery"):
        await wait(api, events=hub, timeout=60.0)

    assert len(api.asked) > 1

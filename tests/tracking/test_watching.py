"""Watching a delivery: each status once, in order, whatever comes first."""

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

import pytest

from kaspi_delivery_async import (
    StatusHistory,
    StatusHub,
    TransportError,
)
from kaspi_delivery_async.status import SEQUENCE
from kaspi_delivery_async.tracking import watch
from tests.support.tracked_delivery import (
    CREATED,
    DELIVERED,
    OUT_FOR_DELIVERY,
    UNKNOWN,
    Api,
    announce,
    statuses,
    wait,
)

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.looptime


async def test_watching_ends_after_the_last_status() -> None:
    assert await statuses(Api(*SEQUENCE)) == list(SEQUENCE)


async def test_a_poll_that_skips_statuses_yields_them_from_the_history() -> None:
    assert await statuses(Api(CREATED, DELIVERED, history=SEQUENCE)) == list(SEQUENCE)


async def test_an_event_that_skips_statuses_is_held_back_for_the_history() -> None:
    hub, api = StatusHub(), Api(CREATED, OUT_FOR_DELIVERY, history=SEQUENCE[:1])
    loop = asyncio.get_running_loop()
    loop.call_later(1.0, lambda: setattr(api, "history", tuple(StatusHistory(status=s) for s in SEQUENCE[:4])))
    loop.call_later(1.0, announce, hub, OUT_FOR_DELIVERY)
    loop.call_later(2.0, announce, hub, DELIVERED)

    assert await statuses(api, events=hub) == list(SEQUENCE)
    assert api.asked == [0.0, 1.0]


async def test_events_are_held_back_while_the_history_cannot_be_read() -> None:
    down = TransportError("reset")
    hub, api = StatusHub(), Api(CREATED, down, down, DELIVERED, history=SEQUENCE)
    loop = asyncio.get_running_loop()
    api.history = api.history[:1]
    loop.call_later(1.0, lambda: setattr(api, "history", tuple(StatusHistory(status=s) for s in SEQUENCE)))
    loop.call_later(1.0, announce, hub, DELIVERED)
    loop.call_later(1.5, announce, hub, OUT_FOR_DELIVERY)

    assert await statuses(api, events=hub) == list(SEQUENCE)


async def test_events_that_were_held_back_come_in_order() -> None:
    down = TransportError("reset")
    hub, api = StatusHub(), Api(CREATED, down, down, CREATED)
    loop = asyncio.get_running_loop()
    for delay, status in ((1.0, DELIVERED), (1.5, OUT_FOR_DELIVERY)):
        loop.call_later(delay, announce, hub, status)

    assert await statuses(api, events=hub) == [CREATED, OUT_FOR_DELIVERY, DELIVERED]


async def test_without_a_history_a_gap_is_asked_about_once() -> None:
    hub, api = StatusHub(), Api(CREATED)
    loop = asyncio.get_running_loop()
    for delay, status in ((1.0, OUT_FOR_DELIVERY), (2.0, DELIVERED)):
        loop.call_later(delay, announce, hub, status)

    assert await statuses(api, events=hub) == [CREATED, OUT_FOR_DELIVERY, DELIVERED]
    assert api.asked == [0.0, 1.0]


async def test_an_unknown_status_is_yielded_and_ends_nothing() -> None:
    assert await statuses(Api(CREATED, UNKNOWN, CREATED, UNKNOWN, DELIVERED)) == [CREATED, UNKNOWN, DELIVERED]


@pytest.mark.parametrize("kind", ["wait", "watch"])
async def test_a_cancelled_wait_leaves_nothing_behind(kind: str) -> None:
    hub, api = StatusHub(), Api(CREATED)
    following: Callable[..., Any] = wait if kind == "wait" else statuses
    task = asyncio.create_task(following(api, events=hub))
    await asyncio.sleep(1.0)

    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

    assert hub._listeners == {}
    assert len(asyncio.all_tasks()) == 1


async def test_a_watch_that_is_left_leaves_nothing_behind() -> None:
    hub = StatusHub()
    async with aclosing(watch(Api(CREATED), "dlv_1", events=hub)) as changes:
        async for _ in changes:
            break

    assert hub._listeners == {}

"""Waiting for a status: when it polls, what wakes it, and how it ends."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing, suppress
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspi_delivery_async import (
    ApiError,
    AuthenticationError,
    CertificateError,
    Delivery,
    DeliveryCancelledError,
    DeliveryStatus,
    DeliveryWebhookData,
    InvalidRequestError,
    KaspiDeliveryError,
    NotFoundError,
    Outcome,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    StatusHistory,
    StatusHub,
    TrackingError,
    TransportError,
    UnreadableResponseError,
    WaitTimeoutError,
)
from kaspi_delivery_async._tracking.follower import LONGEST_SILENCE, poll_intervals
from kaspi_delivery_async.status import SEQUENCE, is_reached, rank
from kaspi_delivery_async.tracking import wait_for_status, watch

CREATED, ACCEPTED, IN_TRANSIT, OUT_FOR_DELIVERY, DELIVERED = SEQUENCE
CANCELLED = DeliveryStatus.CANCELLED
UNKNOWN = DeliveryStatus("returned")

pytestmark = pytest.mark.looptime


class Api:
    """Responds with one status or error after the other, the last one for ever; remembers when it was asked."""

    def __init__(self, *responses: DeliveryStatus | KaspiDeliveryError, history: Sequence[DeliveryStatus] = ()) -> None:
        self.responses = list(responses)
        self.history = tuple(StatusHistory(status=status) for status in history)
        self.asked: list[float] = []

    async def __call__(self, delivery_id: str, *, include_history: bool) -> Delivery:
        assert include_history
        self.asked.append(asyncio.get_running_loop().time())
        response = self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]
        if isinstance(response, KaspiDeliveryError):
            raise response
        return Delivery(delivery_id=delivery_id, status=response, history=self.history)


def now() -> float:
    return asyncio.get_running_loop().time()


def announce(hub: StatusHub, status: DeliveryStatus, *, delivery_id: str = "dlv_1") -> None:
    hub.announce(DeliveryWebhookData(delivery_id=delivery_id, status=status))


def api_error(kind: Callable[..., KaspiDeliveryError], status: int, **more: Any) -> KaspiDeliveryError:
    return kind("refused", status=status, outcome=Outcome.REJECTED, **more)


async def wait(api: Api, status: DeliveryStatus = DELIVERED, **settings: Any) -> Delivery:
    return await wait_for_status(api, "dlv_1", status, **({"draw": lambda: 0.0} | settings))


async def statuses(api: Api, **settings: Any) -> list[DeliveryStatus]:
    return [change.status async for change in watch(api, "dlv_1", **({"draw": lambda: 0.0} | settings))]


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


@pytest.mark.parametrize(
    "error",
    [
        TransportError("reset", outcome=Outcome.UNKNOWN),
        api_error(RateLimitedError, 429),
        api_error(ServerError, 503),
    ],
)
async def test_failures_that_may_pass_are_waited_out(error: KaspiDeliveryError) -> None:
    api = Api(error, CREATED, error, DELIVERED)

    assert (await wait(api)).status == DELIVERED


async def test_the_api_is_left_alone_for_as_long_as_it_asks() -> None:
    api = Api(api_error(RateLimitedError, 429, retry_after=100.0), DELIVERED)

    await wait(api)

    assert api.asked == [0.0, 100.0]


@pytest.mark.parametrize("error", [api_error(NotFoundError, 404), CertificateError("expired")])
async def test_failures_for_good_end_the_wait(error: KaspiDeliveryError) -> None:
    with pytest.raises(type(error)):
        await wait(Api(CREATED, error))


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


UNREADABLE = UnreadableResponseError("Maintenance", status=200, body=b"Maintenance", delivery_id=None)
GATEWAY_PAGES = [
    api_error(NotFoundError, 404),
    api_error(PermissionDeniedError, 403),
    api_error(ApiError, 302),
    UNREADABLE,
]


@pytest.mark.parametrize("page", GATEWAY_PAGES, ids=["404", "403", "302", "200"])
async def test_a_page_that_is_not_the_apis_is_waited_out_once_the_delivery_was_read(page: KaspiDeliveryError) -> None:
    assert (await wait(Api(CREATED, page, page, DELIVERED))).status == DELIVERED
    with pytest.raises(type(page)):
        await wait(Api(page))


@pytest.mark.parametrize("page", GATEWAY_PAGES, ids=["404", "403", "302", "200"])
async def test_pages_that_are_not_the_apis_are_waited_out_for_an_hour(page: KaspiDeliveryError) -> None:
    with pytest.raises(type(page)):
        await wait(Api(CREATED, page))
    assert 3600 <= now() <= 3640


@pytest.mark.parametrize(
    "error", [api_error(NotFoundError, 404, code="not_found"), api_error(AuthenticationError, 401, code="unauthorized")]
)
async def test_the_apis_own_refusal_ends_a_wait_at_once(error: KaspiDeliveryError) -> None:
    with pytest.raises(type(error)):
        await wait(Api(CREATED, error))
    assert now() == 2.5


@pytest.mark.parametrize("status", [408, 421, 423, 425, 499])
async def test_statuses_that_are_no_refusal_are_waited_out(status: int) -> None:
    assert (await wait(Api(api_error(ApiError, status), DELIVERED))).status == DELIVERED


async def test_a_delivery_that_is_not_known_yet_is_asked_for_again() -> None:
    assert (await wait(Api(api_error(NotFoundError, 404, code="not_found"), DELIVERED))).status == DELIVERED


async def test_a_delivery_that_stays_unknown_ends_the_wait_within_seconds() -> None:
    with pytest.raises(NotFoundError):
        await wait(Api(api_error(NotFoundError, 404)))
    assert now() <= 10


async def test_a_pause_of_more_than_an_hour_is_not_believed() -> None:
    api = Api(api_error(ServerError, 503, retry_after=1e9), DELIVERED)
    await wait(api)
    assert api.asked == [0.0, 3600.0]


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


@given(statuses=st.permutations([*SEQUENCE, CANCELLED, UNKNOWN]))
async def test_statuses_sort_by_their_rank(statuses: list[DeliveryStatus]) -> None:
    assert sorted(statuses, key=rank) == [UNKNOWN, *SEQUENCE, CANCELLED]


@given(target=st.sampled_from([*SEQUENCE, CANCELLED, UNKNOWN]), at=st.sampled_from([*SEQUENCE, CANCELLED, UNKNOWN]))
async def test_reached_is_at_or_past(target: DeliveryStatus, at: DeliveryStatus) -> None:
    in_order = target in SEQUENCE and at in SEQUENCE
    expected = SEQUENCE.index(at) >= SEQUENCE.index(target) if in_order else at == target

    assert is_reached(target, at=at) == expected

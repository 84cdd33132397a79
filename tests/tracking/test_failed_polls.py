"""Waiting while polls fail: what is waited out, and what ends the wait."""

import pytest

from kaspi_delivery_async import (
    ApiError,
    AuthenticationError,
    CertificateError,
    KaspiDeliveryError,
    NotFoundError,
    Outcome,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    TransportError,
    UnreadableResponseError,
)
from tests.support.tracked_delivery import (
    CREATED,
    DELIVERED,
    Api,
    api_error,
    now,
    wait,
)

pytestmark = pytest.mark.looptime


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

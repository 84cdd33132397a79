"""Operations that this API does not have yet, as the generator writes those of a later description."""

from enum import StrEnum

import pytest

from kaspi_delivery_async import (
    DeliveryClient,
    InvalidRequestError,
    Operation,
    RetryPolicy,
    WebhookEventType,
    operations,
)
from kaspi_delivery_async._operation_spec import OperationSpec, Parameter
from kaspi_delivery_async.models import Delivery
from tests.support import server_scripts
from tests.support.raw_server import RawServer


class Pace(StrEnum):
    SLOW = "slow"
    FAST = "fast"


LISTING = OperationSpec(
    name="list_rides",
    method="GET",
    path="/v1/rides",
    parameters=(
        Parameter(name="pace", wire="pace", place="query", kind=Pace),
        Parameter(name="paces", wire="paces", place="query", kind=tuple[Pace, ...]),
    ),
    result=Delivery,
    successes=("200",),
    errors={},
)


def test_members_of_an_enumeration_become_a_query() -> None:
    operation = operations._read(LISTING, pace=Pace.FAST, paces=(Pace.SLOW, Pace.FAST))
    assert operation.path == "/v1/rides?pace=fast&paces=slow&paces=fast"


@pytest.mark.parametrize(
    ("name", "value", "given"),
    [
        ("pace", "fast", "str"), ("pace", WebhookEventType.DELIVERY_CREATED, "WebhookEventType"),
        ("paces", (Pace.FAST, "slow"), "str"), ("paces", "slow", "str"), ("paces", [Pace.FAST], "list"),
    ],
)  # fmt: skip
def test_what_is_no_member_of_an_enumeration_is_refused_by_its_class(name: str, value: object, given: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        operations._read(LISTING, **{name: value})
    assert str(caught.value) == f"list_rides: {name}: expected a member of Pace, such as Pace.SLOW; got {given}"


@pytest.mark.parametrize(("status", "body"), [(204, b""), (202, b"no JSON"), (200, b'{"deliveryId": 7}')])
async def test_a_success_without_a_described_body_is_none(status: int, body: bytes) -> None:
    ending = OperationSpec(
        name="end_ride", method="DELETE", path="/v1/rides/r", result=type(None), successes=(f"{status}",), errors={}
    )
    async with (
        RawServer([server_scripts.respond(status, body)]) as server,
        DeliveryClient("key", base_url=server.base_url, retry=RetryPolicy(max_attempts=1)) as client,
    ):
        response = await client.send(Operation(ending, "/v1/rides/r"))
    assert (response.value, response.status, server.requests[0].method) == (None, status, "DELETE")

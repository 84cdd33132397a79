"""Each reading of what the vendor leaves open, and that the client is right under every one."""

import asyncio
import itertools
from pathlib import Path

import attrs
import pytest

from kaspi_delivery_async import (
    ApiError,
    ConflictError,
    DeliveryClient,
    DeliveryRequest,
    NotFoundError,
    Outcome,
    RetryPolicy,
    ServerError,
)
from kaspi_delivery_async.bulk import Journal, create_deliveries
from kaspi_delivery_async.models import from_dict
from kaspi_delivery_async.sandbox import Assumptions, Sandbox
from tests.support.described_api import Caller, order
from tests.support.readings import QUESTIONS, pairwise

READINGS = list(Assumptions.alternatives())
QUICK = RetryPolicy(base=0.01, cap=0.02)


def name(assumptions: Assumptions) -> str:
    differing = attrs.asdict(assumptions, filter=lambda field, value: value != field.default)
    return ",".join(f"{key}={value}" for key, value in differing.items()) or "default"


def combined(first: Assumptions, second: Assumptions) -> Assumptions:
    return attrs.evolve(second, **attrs.asdict(first, filter=lambda field, value: value != field.default))


PAIRS = [combined(*pair) for pair in itertools.combinations(READINGS[1:], 2)]


def request(number: int) -> DeliveryRequest:
    return from_dict(DeliveryRequest, order(externalOrderId=f"order-{number}"))


async def check_client(assumptions: Assumptions, journal_file: Path) -> None:
    """Create, read and cancel while things fail: never two couriers, and no outcome that is not true."""
    faults = ["create:commit-then-drop:0.2", "create:latency:0.2:seconds=0.05", "create:503:0.2", "get:503:0.2"]
    async with Sandbox(seed=5, assumptions=assumptions, faults=faults) as sandbox:
        async with DeliveryClient(sandbox.api_key, base_url=sandbox.base_url, retry=QUICK) as client:
            for number in range(12):
                twice = await asyncio.gather(
                    *(client.create_delivery(request(number)) for _ in range(2)), return_exceptions=True
                )
                made = {record.external_order_id for record in sandbox.deliveries.values()}
                for result in twice:
                    if isinstance(result, ApiError):
                        assert isinstance(result, ConflictError | ServerError)
                        assert result.outcome is Outcome.UNKNOWN or f"order-{number}" not in made or len(twice) > 1
                    else:
                        assert not isinstance(result, BaseException)
                        assert result.delivery_id in sandbox.deliveries
            sandbox.faults.clear()
            with pytest.raises(NotFoundError):
                await client.get_delivery("dlv_none")
            async with Journal(str(journal_file)) as journal:
                lines = [request(100 + number) for number in range(10)]
                results = [result async for result in create_deliveries(client, lines, journal=journal)]
            assert all(result.delivery_id for result in results)
            delivery_id = results[0].delivery_id
            assert delivery_id is not None
            assert (await client.cancel_delivery(delivery_id)).status == "cancelled"
        orders = [record.external_order_id for record in sandbox.deliveries.values()]
        assert len(orders) == len(set(orders))


@pytest.mark.parametrize("assumptions", READINGS, ids=name)
async def test_the_client_is_right_under_each_reading(assumptions: Assumptions, tmp_path: Path) -> None:
    await check_client(assumptions, tmp_path / "run.sqlite")


@pytest.mark.long
@pytest.mark.parametrize("assumptions", PAIRS, ids=name)
async def test_the_client_is_right_under_every_two_readings(assumptions: Assumptions, tmp_path: Path) -> None:
    await check_client(assumptions, tmp_path / "run.sqlite")


def test_the_runs_of_the_clients_suite_have_every_combination_of_two_readings() -> None:
    runs = [Assumptions.parse(texts) for texts in (*pairwise(), [])]
    for one, other in itertools.combinations(QUESTIONS, 2):
        seen = {tuple(attrs.asdict(run)[name.replace("-", "_")] for name in (one, other)) for run in runs}
        assert seen == set(itertools.product(QUESTIONS[one], QUESTIONS[other]))


PATH = "/v1/deliveries"


async def test_a_key_may_belong_to_the_merchant() -> None:
    merchant = Assumptions(keys_of="merchant")
    async with Sandbox(assumptions=merchant, api_keys=["new-key"]) as sandbox, Caller(sandbox) as call:
        first = await call("POST", PATH, json=order(), key="order-742")
        again = await call("POST", PATH, json=order(), key="order-742", api_key="new-key")
    assert again.delivery_id == first.delivery_id


async def test_two_api_keys_are_accepted_at_once_and_keys_belong_to_each() -> None:
    async with Sandbox(api_keys=["new-key"]) as sandbox, Caller(sandbox) as call:
        first = await call("POST", PATH, json=order(), key="order-742")
        again = await call("POST", PATH, json=order(), key="order-742", api_key="new-key")
    assert (again.status, again.delivery_id == first.delivery_id) == (201, False)


@pytest.mark.looptime
@pytest.mark.parametrize(("reading", "status"), [("wait", 201), ("conflict", 409)])
async def test_a_request_that_meets_the_first_of_its_key_in_flight(reading: str, status: int) -> None:
    assumptions = Assumptions.parse([f"key-in-flight={reading}"])
    async with (
        Sandbox(assumptions=assumptions, faults=["create:latency:seconds=3"]) as sandbox,
        Caller(sandbox) as call,
    ):
        first = asyncio.create_task(call("POST", PATH, json=order(), key="order-742"))
        await asyncio.sleep(1)
        second = await call("POST", PATH, json=order(), key="order-742")
        unknown = await call("POST", PATH, json=order(), key="order-742", api_key="wrong")
        assert ((await first).status, second.status, unknown.status) == (201, status, 401)
        assert len(sandbox.deliveries) == 1


@pytest.mark.looptime
async def test_who_is_unknown_learns_of_no_key_in_flight() -> None:
    assumptions = Assumptions(key_in_flight="conflict", keys_of="merchant")
    async with (
        Sandbox(assumptions=assumptions, faults=["create:latency:seconds=3"]) as sandbox,
        Caller(sandbox) as call,
    ):
        first = asyncio.create_task(call("POST", PATH, json=order(), key="order-742"))
        await asyncio.sleep(1)
        unknown = await call("POST", PATH, json=order(), key="order-742", api_key="wrong")
        assert ((await first).status, unknown.status) == (201, 401)


@pytest.mark.parametrize(("reading", "statuses"), [("forgotten", [503, 201]), ("stored", [503, 503])])
async def test_a_server_error_may_be_stored_under_its_key(reading: str, statuses: list[int]) -> None:
    assumptions = Assumptions.parse([f"server-errors={reading}"])
    async with Sandbox(assumptions=assumptions, faults=["create:503:count=1"]) as sandbox, Caller(sandbox) as call:
        replies = [await call("POST", PATH, json=order(), key="order-742", check=False) for _ in range(2)]
    assert [reply.status for reply in replies] == statuses
    assert ("X-Idempotent-Replay" in replies[1].headers) is (reading == "stored")


@pytest.mark.parametrize(("reading", "status"), [("forgotten", 200), ("stored", 404)])
async def test_a_refusal_may_be_stored_under_its_key(reading: str, status: int) -> None:
    assumptions = Assumptions.parse([f"refusals={reading}"])
    async with Sandbox(seed=3, assumptions=assumptions) as sandbox, Caller(sandbox) as call:
        async with Sandbox(seed=3) as same, Caller(same) as other:
            coming = await other.create()
        refused = await call("POST", f"{PATH}/{coming}/cancel", key="k")
        assert (refused.status, await call.create()) == (404, coming)
        assert (await call("POST", f"{PATH}/{coming}/cancel", key="k")).status == status


@pytest.mark.parametrize(("reading", "status"), [("accepted", 201), ("refused", 409)])
async def test_an_order_may_be_refused_the_second_time(reading: str, status: int) -> None:
    async with (
        Sandbox(assumptions=Assumptions.parse([f"repeated-order={reading}"])) as sandbox,
        Caller(sandbox) as call,
    ):
        await call.create(key="one")
        assert (await call("POST", PATH, json=order(), key="two")).status == status


@pytest.mark.parametrize(("reading", "status"), [("ignored", 201), ("refused", 400)])
async def test_unknown_fields_may_be_refused_by_name(reading: str, status: int) -> None:
    changed = order()
    changed["dropoff"]["note"] = "Call"
    async with (
        Sandbox(assumptions=Assumptions.parse([f"unknown-fields={reading}"])) as sandbox,
        Caller(sandbox) as call,
    ):
        reply = await call("POST", PATH, json=changed)
    assert reply.status == status
    assert reading == "ignored" or "$.dropoff.note" in reply.json["message"]


async def test_error_bodies_may_be_empty() -> None:
    empty = Assumptions(error_bodies="empty")
    async with Sandbox(assumptions=empty, faults=["create:503"]) as sandbox, Caller(sandbox) as call:
        missing = await call("GET", f"{PATH}/dlv_none", check=False)
        failed = await call("POST", PATH, json=order(), check=False)
        unauthorized = await call("GET", f"{PATH}/dlv_none", api_key="wrong")
    assert (missing.body, failed.body, unauthorized.json["code"]) == (b"", b"", "unauthorized")


def test_an_unknown_assumption_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'nonsense=1' is not NAME=VALUE with a name of keys-of"):
        Assumptions.parse(["nonsense=1"])
    with pytest.raises(ValueError, match="keys-of is one of api-key, merchant"):
        Assumptions(keys_of="nobody")  # type: ignore[arg-type]

"""A sandbox, a client, a shop on each kind of database, and its outbox."""

import os
from collections.abc import AsyncGenerator, Generator

import pytest

from kaspi_delivery_async import DeliveryClient, RetryPolicy
from kaspi_delivery_async.outbox import DeliveryOutbox
from kaspi_delivery_async.outbox.relay import wakes
from kaspi_delivery_async.sandbox import Sandbox
from tests.support.outbox_shop import ShiftedClock, Shop, shop_at
from tests.support.postgresql import execute, new_database

QUICK = RetryPolicy(max_attempts=1, base=0.001, cap=0.001)


@pytest.fixture(scope="session")
def _database() -> Generator[str | None]:
    server = os.environ.get("KASPI_TEST_POSTGRES")
    if server is None:
        yield None
    else:
        with new_database(server) as url:
            yield url


@pytest.fixture
def postgresql_url(_database: str | None) -> str:
    """Return the URL of an empty database, the same for all of these tests, as making one takes a second."""
    if _database is None:
        pytest.skip("needs PostgreSQL: export KASPI_TEST_POSTGRES=$(.ci/postgres start /tmp/pg)")
    execute(_database, "DROP SCHEMA IF EXISTS public, other, third CASCADE; CREATE SCHEMA public")
    return _database


@pytest.fixture(autouse=True)
def _frequent_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often at what is due, as the time of the database is moved by hand."""
    for name in ("TICK", "POLL", "FILE_POLL", "RECONNECTION"):
        monkeypatch.setattr(wakes, name, 0.02)


@pytest.fixture
async def sandbox() -> AsyncGenerator[Sandbox]:
    async with Sandbox() as served:
        yield served


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncGenerator[DeliveryClient]:
    async with DeliveryClient(sandbox.api_key, base_url=sandbox.base_url, retry=QUICK) as connected:
        yield connected


@pytest.fixture
async def shop(location: str) -> AsyncGenerator[Shop]:
    async with shop_at(location) as opened:
        yield opened


@pytest.fixture
def clock() -> ShiftedClock:
    return ShiftedClock()


@pytest.fixture
async def outbox(shop: Shop, clock: ShiftedClock) -> AsyncGenerator[DeliveryOutbox]:
    async with DeliveryOutbox(shop.location, clock=clock) as opened:
        yield opened

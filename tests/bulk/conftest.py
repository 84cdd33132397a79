"""A sandbox with a client, and places for a journal: an SQLite file, and PostgreSQL where there is one."""

import asyncio
import os
import uuid
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from kaspi_delivery_async import DeliveryClient
from kaspi_delivery_async._postgresql import connect
from kaspi_delivery_async.bulk import Journal
from kaspi_delivery_async.sandbox import Sandbox
from tests.cli.conftest import plain_environment, run

__all__ = ["plain_environment", "run"]


@pytest.fixture
async def sandbox() -> AsyncGenerator[Sandbox]:
    async with Sandbox() as served:
        yield served


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncGenerator[DeliveryClient]:
    async with DeliveryClient(sandbox.api_key, base_url=sandbox.base_url) as connected:
        yield connected


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "run.sqlite")


@pytest.fixture
def postgresql() -> Generator[str]:
    """A schema of its own in the database that KASPI_TEST_POSTGRES names."""
    url = os.environ.get("KASPI_TEST_POSTGRES")
    if not url:
        pytest.skip("KASPI_TEST_POSTGRES names no PostgreSQL server; `.ci/postgres start DIR` makes one")
    schema = f"bulk_{uuid.uuid4().hex}"

    async def execute(statement: str) -> None:
        connection = await connect(url)
        await connection.execute(statement)
        await connection.close()

    asyncio.run(execute(f"CREATE SCHEMA {schema}"))
    yield f"{url}?search_path={schema}"
    asyncio.run(execute(f"DROP SCHEMA {schema} CASCADE"))


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest) -> str:
    fixture = {"sqlite": "file", "postgresql": "postgresql"}[request.param]
    place: str = request.getfixturevalue(fixture)
    return place


@pytest.fixture
async def journal(location: str) -> AsyncGenerator[Journal]:
    async with Journal(location) as opened:
        yield opened

"""Stores to test with, each new and empty, and the PostgreSQL server that some of them need."""

import asyncio
import os
import uuid
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from kaspi_delivery_async._postgresql import connect
from kaspi_delivery_async.webhooks import MemoryStore, Store, WebhookVerifier
from kaspi_delivery_async.webhooks.sql import SqlStore
from tests.webhooks.messages import NOW, SECRET


@pytest.fixture
def verifier() -> WebhookVerifier:
    return WebhookVerifier([SECRET], clock=lambda: NOW)


@pytest.fixture
def postgres() -> Generator[str]:
    """Return the URL of an empty PostgreSQL database."""
    server = os.environ.get("KASPI_TEST_POSTGRES")
    if not server:
        pytest.skip("needs PostgreSQL: export KASPI_TEST_POSTGRES=$(.ci/postgres start /tmp/pg)")
    name = f"test_{uuid.uuid4().hex}"
    _execute(server, f"CREATE DATABASE {name}")
    yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def _execute(server: str, statement: str) -> None:
    async def execute() -> None:
        connection = await connect(server)
        await connection.execute(statement)
        await connection.close()

    # In a thread, as a test's own event loop may be there already.
    with ThreadPoolExecutor() as pool:
        pool.submit(asyncio.run, execute()).result()


@pytest.fixture(params=["sqlite", "postgres"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return a place for an SQL store: a new file, or a new database."""
    return _place(request, tmp_path)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else SqlStore(_place(request, tmp_path))


@pytest.fixture
async def store(new_store: Store) -> AsyncGenerator[Store]:
    """Return an empty store of each kind."""
    yield new_store
    await new_store.close()


def _place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return request.getfixturevalue("postgres")  # type: ignore[no-any-return]
    return str(tmp_path / "events.sqlite")

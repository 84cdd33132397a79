"""Throw-away PostgreSQL databases."""

import asyncio
import os
import uuid
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import pytest

from kaspi_delivery_async._database.postgresql import connect


@pytest.fixture
def postgresql_url() -> Generator[str]:
    """Return the URL of an empty PostgreSQL database."""
    server = os.environ.get("KASPI_TEST_POSTGRES")
    if not server:
        pytest.skip("needs PostgreSQL: export KASPI_TEST_POSTGRES=$(.ci/postgres start /tmp/pg)")
    with new_database(server) as url:
        yield url


@contextmanager
def new_database(server: str) -> Generator[str]:
    """Create an empty database on a server, and drop it in the end."""
    name = f"test_{uuid.uuid4().hex}"
    execute(server, f"CREATE DATABASE {name}")
    yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def execute(url: str, statement: str) -> None:
    """Run a statement on a connection of its own."""

    async def connect_and_execute() -> None:
        connection = await connect(url)
        await connection.execute(statement)
        await connection.close()

    # In a thread, as a test's own event loop may be there already.
    with ThreadPoolExecutor() as pool:
        pool.submit(asyncio.run, connect_and_execute()).result()

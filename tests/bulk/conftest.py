"""A sandbox with a client, and a journal of each kind."""

from collections.abc import AsyncGenerator

import pytest

from kaspi_delivery_async import DeliveryClient
from kaspi_delivery_async.bulk import Journal
from kaspi_delivery_async.sandbox import Sandbox


@pytest.fixture
async def sandbox() -> AsyncGenerator[Sandbox]:
    async with Sandbox() as served:
        yield served


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncGenerator[DeliveryClient]:
    async with DeliveryClient(sandbox.api_key, base_url=sandbox.base_url) as connected:
        yield connected


@pytest.fixture
async def journal(location: str) -> AsyncGenerator[Journal]:
    async with Journal(location) as opened:
        yield opened

"""Stores to test with, each new and empty."""

from collections.abc import AsyncGenerator

import pytest

from kaspi_delivery_async.webhooks import MemoryStore, Store, WebhookVerifier
from kaspi_delivery_async.webhooks.stores.sql import SqlStore
from tests.support.webhook_messages import NOW, SECRET


@pytest.fixture
def verifier() -> WebhookVerifier:
    return WebhookVerifier([SECRET], clock=lambda: NOW)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def new_store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return MemoryStore()
    return SqlStore(request.getfixturevalue({"sqlite": "file", "postgresql": "postgresql_url"}[request.param]))


@pytest.fixture
async def store(new_store: Store) -> AsyncGenerator[Store]:
    """Return an empty store of each kind."""
    yield new_store
    await new_store.close()

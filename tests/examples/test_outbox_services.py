"""The services with an outbox run: an order and its courier are one transaction, and webhooks move the order on."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kaspi_delivery_async.sandbox import Sandbox
from tests.support.cli_process import started
from tests.support.documented_order import DOCUMENTED_ORDER
from tests.support.service_process import free_port, running

pytestmark = pytest.mark.processes


@pytest.fixture
async def sandbox() -> AsyncGenerator[Sandbox]:
    async with Sandbox() as sandbox:
        yield sandbox


async def order(url: str, order_id: str, **changes: Any) -> int:
    body = {**DOCUMENTED_ORDER, "externalOrderId": order_id, **changes}
    async with aiohttp.ClientSession() as session, session.post(f"{url}/orders", json=body) as response:
        return response.status


async def state(url: str, order_id: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/orders/{order_id}") as response:
        return str((await response.json()).get("state"))


async def test_fastapi_takes_orders_with_their_couriers(sandbox: Sandbox, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    sandbox.webhook_url = f"{url}/webhooks/"
    async with running(
        sandbox, tmp_path, "uvicorn", "outbox_fastapi:app", "--port", str(port), SHOP_DATABASE=str(tmp_path / "shop")
    ) as service:
        await service.wait_until_it_listens(port)
        assert await order(url, "order-1") == 202
        assert await order(url, "order-2", parcel={"description": "Shoes", "weightGrams": 0, "valueKzt": 1}) == 422
        while await state(url, "order-1") != "created":
            await asyncio.sleep(0.05)
        await sandbox.advance(next(iter(sandbox.deliveries)), "delivered")
        while await state(url, "order-1") != "delivered":
            await asyncio.sleep(0.05)
        await service.stop()
    assert [delivery.external_order_id for delivery in sandbox.deliveries.values()] == ["order-1"]
    assert service.complaints == []


async def test_django_takes_orders_under_wsgi_and_a_relay_beside_it_sends_them(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, file = free_port(), str(tmp_path / "shop.sqlite")
    url = f"http://127.0.0.1:{port}"
    settings = {"KASPI_API_KEY": sandbox.api_key, "KASPI_BASE_URL": sandbox.base_url, "KASPI_OUTBOX": file}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    async with running(sandbox, tmp_path, "outbox_django", str(port), KASPI_OUTBOX=file) as service:
        await service.wait_until_it_listens(port)
        assert await order(url, "order-1") == 202
        assert await order(url, "order-2", parcel={"description": "Shoes", "weightGrams": 0, "valueKzt": 1}) == 422
        async with started("outbox", "relay"):
            while not sandbox.deliveries:
                await asyncio.sleep(0.05)
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT id FROM orders").fetchall() == [("order-1",)]
    connection.close()
    assert [delivery.external_order_id for delivery in sandbox.deliveries.values()] == ["order-1"]

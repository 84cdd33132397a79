"""The web services of examples/services run, and stop by SIGTERM without losing a courier."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kaspi_delivery_async.sandbox import Sandbox
from kaspi_delivery_async.sandbox.conformance import Result, examine
from tests.support.documented_order import DOCUMENTED_ORDER
from tests.support.service_process import SERVICES, free_port, running

pytestmark = pytest.mark.processes

UVICORN = ("--timeout-graceful-shutdown", "35", "--port")
SERVERS = {
    "aiohttp": ("aiohttp_app",),
    "FastAPI": ("uvicorn", "fastapi_app:app", *UVICORN),
    "FastAPI, two workers": ("uvicorn", "fastapi_app:app", "--workers", "2", *UVICORN),
    "Litestar": ("uvicorn", "litestar_app:app", *UVICORN),
    "Django": ("uvicorn", "django_app:application", *UVICORN),
    "gunicorn": (
        *("gunicorn", "fastapi_app:app", "--worker-class", "uvicorn_worker.UvicornWorker", "--workers", "2"),
        *("--graceful-timeout", "35", "--bind"),
    ),
}
UVICORNS_OWN = ("unclosed <socket.socket fd=3, family=2, type=1, proto=0, laddr=('127.0.0.1',",)
"""uvicorn's parent process does not close the socket that its workers listen on."""

QUICK = {"aiohttp", "FastAPI"}


@pytest.fixture
async def sandbox() -> AsyncGenerator[Sandbox]:
    async with Sandbox() as sandbox:
        yield sandbox


async def order(url: str, order_id: str) -> tuple[int, dict[str, Any]]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/orders", json={**DOCUMENTED_ORDER, "externalOrderId": order_id}) as response,
    ):
        return response.status, await response.json()


@pytest.mark.parametrize(
    "server", [pytest.param(name, marks=() if name in QUICK else pytest.mark.long) for name in SERVERS]
)
async def test_it_creates_receives_and_finishes_the_create_in_flight_at_sigterm(
    server: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    port = free_port()
    address = f"127.0.0.1:{port}" if server == "gunicorn" else str(port)
    url = f"http://127.0.0.1:{port}"
    sandbox.webhook_url = f"{url}/webhooks"
    module, *arguments = (*SERVERS[server], address)
    async with running(sandbox, tmp_path, module, *arguments, tolerated=UVICORNS_OWN, PORT=address) as service:
        await service.wait_until_it_listens(port)
        status, created = await order(url, "order-1")
        assert (status, created["deliveryId"]) == (201, next(iter(sandbox.deliveries)))
        await service.wait_for_output("order-1 is created")

        sandbox.faults.add("create:latency:seconds=1")
        in_flight = asyncio.create_task(order(url, "order-2"))
        await _until_it_is_sent(sandbox, "order-2")
        code = await service.stop()

        assert (await in_flight)[0] == 201
        assert code in {0, -signal.SIGTERM}
    assert [delivery.external_order_id for delivery in sandbox.deliveries.values()] == ["order-1", "order-2"]
    assert service.complaints == []


async def test_its_receiver_passes_the_exam(sandbox: Sandbox, tmp_path: Path) -> None:
    port = free_port()
    async with running(sandbox, tmp_path, "aiohttp_app", str(port), PORT=str(port)) as service:
        await service.wait_until_it_listens(port)
        report = await examine(f"http://127.0.0.1:{port}/webhooks/", secret=sandbox.webhook_secret)
        await service.stop()
    assert [row for row in report.rows if row.result is not Result.PASSED] == []


@pytest.mark.long
async def test_uvicorn_reloads_it_when_its_file_changes(sandbox: Sandbox, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    program = tmp_path / "shop.py"
    program.write_bytes((SERVICES / "fastapi_app.py").read_bytes())
    arguments = ("shop:app", "--reload", "--app-dir", str(tmp_path), "--reload-dir", str(tmp_path), "--port", str(port))
    async with running(sandbox, tmp_path, "uvicorn", *arguments, tolerated=(*UVICORNS_OWN, "Reloading...")) as service:
        await service.wait_for_output("Application startup complete")
        assert (await order(url, "order-1"))[0] == 201
        with program.open("a", encoding="utf-8") as file:
            file.write("# changed\n")
        await service.wait_for_output("Application startup complete", times=2)
        assert (await order(url, "order-2"))[0] == 201
        assert await service.stop() in {0, -signal.SIGTERM}
    assert service.complaints == []


async def test_a_create_that_a_short_shutdown_cancels_is_logged_with_its_key(sandbox: Sandbox, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    arguments = ("fastapi_app:app", "--timeout-graceful-shutdown", "1", "--port", str(port))
    async with running(sandbox, tmp_path, "uvicorn", *arguments) as service:
        await service.wait_until_it_listens(port)
        sandbox.faults.add("create:stall:seconds=60")
        in_flight = asyncio.create_task(order(url, "order-1"))
        await _until_it_is_sent(sandbox, "order-1")
        await service.stop()
        with pytest.raises((aiohttp.ClientError, ValueError)):
            await in_flight
    [warning] = [line for line in service.complaints if "WARNING" in line]
    assert "create_delivery" in warning
    assert "unknown" in warning
    assert "order-1" in warning


async def _until_it_is_sent(sandbox: Sandbox, order_id: str) -> None:
    async with asyncio.timeout(10):
        while not any(request.headers.get("Idempotency-Key") == order_id for request in sandbox.requests):
            await asyncio.sleep(0.02)

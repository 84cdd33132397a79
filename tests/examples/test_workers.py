"""The queue workers and the notebook of examples/services run, and stop by SIGTERM without losing a courier."""

import asyncio
import json
import signal
import sys
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import celery
import nbformat
import pytest
from arq import create_pool
from arq.connections import RedisSettings
from fakeredis import TcpFakeServer
from fakeredis._commands import command
from fakeredis.commands_mixins.server_mixin import ServerCommandsMixin
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError

from kaspi_delivery_async.sandbox import Sandbox
from tests.support.documented_order import DOCUMENTED_ORDER
from tests.support.service_process import SERVICES, running

pytestmark = [pytest.mark.long, pytest.mark.processes]


@pytest.fixture
async def sandbox() -> AsyncGenerator[Sandbox]:
    async with Sandbox() as sandbox:
        yield sandbox


def order(order_id: str) -> dict[str, Any]:
    return {**DOCUMENTED_ORDER, "externalOrderId": order_id}


async def until_created(sandbox: Sandbox, order_id: str) -> None:
    async with asyncio.timeout(30):
        while not any(delivery.external_order_id == order_id for delivery in sandbox.deliveries.values()):
            await asyncio.sleep(0.05)


async def until_sent(sandbox: Sandbox, order_id: str) -> None:
    async with asyncio.timeout(30):
        while not any(request.headers.get("Idempotency-Key") == order_id for request in sandbox.requests):
            await asyncio.sleep(0.02)


def created(sandbox: Sandbox) -> list[str]:
    return [delivery.external_order_id for delivery in sandbox.deliveries.values()]


async def test_a_celery_task_in_flight_at_sigterm_is_finished(sandbox: Sandbox, tmp_path: Path) -> None:
    """The broker is a folder, which Celery supports for tests; the task is the same with Redis."""
    for folder in ("queue", "control"):
        (tmp_path / folder).mkdir()
    transport = {
        "data_folder_in": str(tmp_path / "queue"),
        "data_folder_out": str(tmp_path / "queue"),
        "control_folder": str(tmp_path / "control"),
    }

    def send(order_id: str) -> None:
        with celery.Celery(broker="filesystem://", broker_transport_options=transport) as app:
            app.send_task("celery_tasks.create_delivery", [order(order_id)])

    arguments = ("--app", "celery_tasks", "worker", "--concurrency", "1", "--loglevel", "INFO", "--without-mingle")
    environ = {"CELERY_BROKER": "filesystem://", "CELERY_TRANSPORT": json.dumps(transport)}
    async with running(sandbox, tmp_path, "celery", *arguments, tolerated=CELERYS_OWN, **environ) as service:
        await service.wait_for_output(" ready.")
        await asyncio.to_thread(send, "order-1")
        await until_created(sandbox, "order-1")

        sandbox.faults.add("create:latency:seconds=1")
        await asyncio.to_thread(send, "order-2")
        await until_sent(sandbox, "order-2")
        code = await service.stop()

    assert code == 0
    assert created(sandbox) == ["order-1", "order-2"]
    assert service.complaints == []


ARQS_OWN = ("There is no current event loop", "Call to deprecated close")
"""Deprecated functions of Python and redis that arq 0.28 uses."""

CELERYS_OWN = (
    "You're running the worker with superuser privileges",
    "warnings.warn(SecurityWarning",
    "No hostname was supplied",
)
"""Tests in a container run as root; a broker of files has no host."""


@pytest.fixture
def redis_port(monkeypatch: pytest.MonkeyPatch) -> Generator[int]:
    def info(_server: object, *_sections: bytes) -> bytes:
        return b"redis_version:7\r\n"

    # arq asks for it when it starts; the imitation does not have it.
    monkeypatch.setattr(ServerCommandsMixin, "info", command((), (bytes,))(info), raising=False)
    server = TcpFakeServer(("127.0.0.1", 0))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


async def test_an_arq_job_in_flight_at_sigterm_is_finished(sandbox: Sandbox, tmp_path: Path, redis_port: int) -> None:
    service_of_arq = running(
        *(sandbox, tmp_path, "arq", "arq_worker.WorkerSettings"),
        tolerated=ARQS_OWN,
        REDIS_URL=f"redis://127.0.0.1:{redis_port}",
    )
    async with aclosing(await create_pool(RedisSettings(port=redis_port))) as redis, service_of_arq as service:
        await redis.enqueue_job("create_delivery", order("order-1"))
        await until_created(sandbox, "order-1")

        sandbox.faults.add("create:latency:seconds=1")
        await redis.enqueue_job("create_delivery", order("order-2"))
        await until_sent(sandbox, "order-2")
        code = await service.stop()

    assert code == 0
    assert created(sandbox) == ["order-1", "order-2"]
    assert service.complaints == []


async def test_the_notebook_runs_and_a_kernel_that_is_ended_orders_no_second_courier(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KASPI_API_KEY", sandbox.api_key)
    monkeypatch.setenv("KASPI_BASE_URL", sandbox.base_url)
    notebook = nbformat.reads((SERVICES / "notebook.ipynb").read_text(encoding="utf-8"), as_version=4)  # type: ignore[no-untyped-call]

    def kernel() -> AsyncKernelManager:
        manager = AsyncKernelManager()
        assert manager.kernel_spec is not None
        manager.kernel_spec.argv = [
            *(sys.executable, "-X", "dev", "-W", "error:::kaspi_delivery_async", "-W", "error::ResourceWarning"),
            *("-m", "ipykernel_launcher", "-f", "{connection_file}"),
        ]
        return manager

    manager = kernel()
    ended = NotebookClient(notebook, km=manager)
    sandbox.faults.add("create:commit-then-drop:count=1")
    sandbox.faults.add("create:stall:seconds=60:count=1")
    async with ended.async_setup_kernel():
        running_cells = asyncio.create_task(ended.async_execute(reset_kc=False))
        await until_sent(sandbox, "order-742")
        await manager.signal_kernel(signal.SIGKILL)
        with pytest.raises(DeadKernelError):
            await running_cells
    sandbox.faults.clear()

    await NotebookClient(notebook, km=kernel()).async_execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert created(sandbox) == ["order-742"]
    assert "dlv_" in str(outputs[0]["data"])
    assert [output for output in outputs if output["output_type"] in {"stream", "error"}] == []

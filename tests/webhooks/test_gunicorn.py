"""An inbox in two worker processes of gunicorn, which fork."""

import asyncio
import os
import signal
import socket
import sys
import time
from pathlib import Path

import aiohttp
import pytest

from tests.support.webhook_messages import body, headers

pytest.importorskip("gunicorn")
pytestmark = pytest.mark.processes

EVENTS = 40


APPS = {
    "asgi": ("asgi_app", "--worker-class=uvicorn_worker.UvicornWorker"),
    "aiohttp": ("aiohttp_app", "--worker-class=aiohttp.GunicornWebWorker"),
}


@pytest.mark.parametrize(
    ("framework", "store", "preload"),
    [
        ("asgi", "file", ["--preload"]),
        *(
            pytest.param(framework, store, preload, marks=pytest.mark.long)
            for framework in APPS
            for store in ("file", "postgresql_url")
            for preload in ([], ["--preload"])
        ),
    ],
)
async def test_forked_workers_handle_each_event_once(
    framework: str, store: str, preload: list[str], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    app, worker = APPS[framework]
    environ = {"TEST_STORE": request.getfixturevalue(store), "TEST_HANDLED": str(tmp_path / "handled")}
    log = tmp_path / "handled"
    log.touch()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gunicorn", f"tests.support.gunicorn_app:{app}"),
            *("--bind", f"fd://{listener.fileno()}", "--workers=2", worker, *preload),
            cwd=Path(__file__).parents[2],
            env=os.environ | environ,
            pass_fds=[listener.fileno()],
            stderr=asyncio.subprocess.PIPE,
        )
        port = listener.getsockname()[1]
    try:
        async with aiohttp.ClientSession() as session:

            async def send(number: int) -> int:
                raw = body(f"wh_{number}")
                async with session.post(
                    f"http://127.0.0.1:{port}/", data=raw, headers=headers(raw, at=time.time())
                ) as response:
                    return response.status

            statuses = await asyncio.gather(*(send(number % EVENTS) for number in range(2 * EVENTS)))
        async with asyncio.timeout(60):
            while log.read_text().count("\n") < EVENTS:
                await asyncio.sleep(0.05)
    finally:
        server.send_signal(signal.SIGTERM)
        _, errors = await server.communicate()

    assert set(statuses) == {200}
    assert sorted(log.read_text().split()) == sorted(f"wh_{number}" for number in range(EVENTS))
    assert (server.returncode, "Traceback" in errors.decode()) == (0, False), errors.decode()

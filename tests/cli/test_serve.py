"""`sandbox serve`: what it prints, what it serves, and how it ends."""

import asyncio
import os
import shlex
import shutil
import signal
import socket
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from kaspi_delivery_async import DeliveryClient, NotFoundError
from kaspi_delivery_async.cli import main
from kaspi_delivery_async.models import DeliveryRequest, from_dict
from tests.support.cli_process import first_line, started
from tests.support.cli_runner import ORDER

pytestmark = pytest.mark.processes


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_cleanly(stop: signal.Signals) -> None:
    async with started("sandbox", "serve", "--port", "0", "--json") as process:
        await first_line(process)
        process.send_signal(stop)
        out, err = await process.communicate()
    assert (process.returncode, out, err) == (0, b"", b"")


async def test_it_ends_cleanly_while_deliveries_move_and_webhooks_fail() -> None:
    nobody = "http://127.0.0.1:9/"
    async with started(
        "sandbox", "serve", "--port", "0", "--json", "--speed", "1e5", "--webhook-url", nobody
    ) as process:
        served = orjson.loads(await first_line(process))
        async with aiohttp.ClientSession(headers={"x-api-key": served["apiKey"]}) as session:
            async with session.post(f"{served['baseUrl']}/v1/deliveries", json=ORDER) as response:
                assert response.status == 201
            process.terminate()
            out, err = await process.communicate()
    assert {orjson.loads(line)["event"] for line in out.splitlines()} >= {"request"}
    assert (process.returncode, err) == (0, b"")


async def test_the_printed_curl_reproduces_the_founding_document() -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    async with started("sandbox", "serve", "--port", "0", "--api-key", "it's-mine;") as process:
        assert process.stdout is not None
        printed = (await process.stdout.readuntil(b"  }'\n")).decode()
        command = shlex.split(printed[printed.index("curl ") :].replace("\\\n", ""))
        first, again = await _output(*command, "-i"), await _output(*command, "-i")
        changed = await _output(*[part.replace("18000", "18001") for part in command], "-i")
    status, headers, body = _parts(first)
    assert status == 201
    assert "X-Idempotent-Replay" not in headers
    created = orjson.loads(body)
    assert list(created) == ["deliveryId", "status", "trackingUrl", "eta"]
    assert created["status"] == "created"
    assert created["trackingUrl"] == f"https://track.kaspi.kz/{created['deliveryId']}"
    assert set(created["eta"]) == {"pickupBy", "deliveryBy"}
    status, headers, same = _parts(again)
    assert (status, same) == (201, body)
    assert "X-Idempotent-Replay: true" in headers
    assert _parts(changed)[0] == 409


async def test_settings_reach_the_sandbox(tmp_path: Path) -> None:
    state = tmp_path / "state.sqlite"
    hook = ("--webhook-secret", "s3cret", "--webhook-url", "http://127.0.0.1:9/hook")
    async with _served("--state-file", str(state), "--fault", "get:404:count=1", *hook) as served:
        assert served["webhookSecret"] == "s3cret"
        assert served["webhookUrl"] == "http://127.0.0.1:9/hook"
        async with DeliveryClient(served["apiKey"], base_url=served["baseUrl"]) as client:
            delivery_id = await _create(client)
            with pytest.raises(NotFoundError):
                await client.get_delivery(delivery_id)
    assert state.exists()
    async with (
        _served("--state-file", str(state)) as served,
        DeliveryClient(served["apiKey"], base_url=served["baseUrl"]) as client,
    ):
        assert (await client.get_delivery(delivery_id)).external_order_id == "order-742"


@pytest.mark.parametrize(("manual", "status"), [((), "delivered"), (("--manual",), "created")])
async def test_at_speed_0_time_moves_by_hand_and_deliveries_with_it_unless_they_are_manual(
    manual: tuple[str, ...], status: str
) -> None:
    async with (
        _served("--speed", "0", *manual) as served,
        DeliveryClient(served["apiKey"], base_url=served["baseUrl"]) as client,
    ):
        delivery_id = await _create(client)
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{served['controlUrl']}time/advance", json={"seconds": 86400}) as response,
        ):
            assert (await response.json())["now"] == "2024-06-12T08:10:54Z"
        assert (await client.get_delivery(delivery_id)).status == status


async def test_ids_follow_from_the_seed() -> None:
    ids: list[str] = []
    for seed in ("7", "7", "8"):
        async with (
            _served("--seed", seed) as served,
            DeliveryClient(served["apiKey"], base_url=served["baseUrl"]) as client,
        ):
            ids.append(await _create(client))
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize("as_json", [True, False])
def test_a_signal_in_this_process_ends_it_and_its_handlers(monkeypatch: pytest.MonkeyPatch, *, as_json: bool) -> None:
    """As with the processes above, where coverage can see it."""
    before = signal.getsignal(signal.SIGTERM)
    reading, writing = os.pipe()
    with open(reading) as served, ThreadPoolExecutor() as threads, open(writing, "w") as output:  # noqa: PTH123 - a pipe
        monkeypatch.setattr(sys, "stdout", output)

        def stop_once_it_serves() -> str:
            line = served.readline()
            if line:  # none comes if it ended before it served
                os.kill(os.getpid(), signal.SIGTERM)
            return line

        stopping = threads.submit(stop_once_it_serves)
        assert main(["sandbox", "serve", "--port", "0", *(["--json"] if as_json else [])]) == 0
        assert ("baseUrl" in stopping.result()) is as_json
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--fault", "create:nonsense"], "'nonsense' is no kind of fault"),
        (["--webhook-url", "https://example.com/"], "this machine only"),
        (["--api-key", ""], "api_key: visible ASCII characters without blanks"),
        (["--state-file", "/nonexistent/state.sqlite"], "choose another --port or --state-file"),
    ],
)
def test_settings_that_make_no_sense(arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", "serve", "--port", "0", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert named in err
    assert err.count("\n") == 1


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["sandbox", "serve", "--port", str(taken.getsockname()[1])]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "choose another --port" in err


@asynccontextmanager
async def _served(*arguments: str) -> AsyncGenerator[dict[str, Any]]:
    async with started("sandbox", "serve", "--port", "0", "--json", "--quiet", *arguments) as process:
        yield orjson.loads(await first_line(process))
        process.terminate()
        assert await process.communicate() == (b"", b"")


async def _create(client: DeliveryClient) -> str:
    return (await client.create_delivery(from_dict(DeliveryRequest, ORDER))).delivery_id


async def _output(*command: str) -> bytes:
    process = await asyncio.create_subprocess_exec(*command, "-sS", stdout=PIPE)
    return (await process.communicate())[0]


def _parts(response: bytes) -> tuple[int, str, str]:
    """Split what `curl -i` printed into status, headers and body."""
    head, _, body = response.decode().partition("\r\n\r\n")
    return int(head.split()[1]), head, body

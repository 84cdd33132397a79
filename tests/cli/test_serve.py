"""`sandbox serve`: what it prints, what it serves, and how it ends."""

import asyncio
import itertools
import os
import shlex
import shutil
import signal
import socket
import sys
import threading
import urllib.error
import urllib.request
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import aiohttp
import orjson
import pytest

from kaspi_delivery_async import DeliveryClient, NotFoundError
from kaspi_delivery_async.cli import main
from kaspi_delivery_async.models import DeliveryRequest, from_dict
from tests.support.cli_process import first_line, started
from tests.support.cli_runner import ORDER

pytestmark = pytest.mark.processes

T = TypeVar("T")


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
        told = orjson.loads(await first_line(process))
        async with aiohttp.ClientSession(headers={"x-api-key": told["apiKey"]}) as session:
            async with session.post(f"{told['baseUrl']}/v1/deliveries", json=ORDER) as answer:
                assert answer.status == 201
            process.terminate()
            out, err = await process.communicate()
    events = [orjson.loads(line) for line in out.splitlines()]
    assert {event["event"] for event in events} >= {"request"}
    assert not any("body" in event for event in events)
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
    async with _served("--state-file", str(state), "--fault", "get:404:count=1", *hook) as told:
        assert told["webhookSecret"] == "s3cret"
        assert told["webhookUrl"] == "http://127.0.0.1:9/hook"
        async with DeliveryClient(told["apiKey"], base_url=told["baseUrl"]) as client:
            delivery_id = await _create(client)
            with pytest.raises(NotFoundError):
                await client.get_delivery(delivery_id)
    assert state.exists()
    async with (
        _served("--state-file", str(state)) as told,
        DeliveryClient(told["apiKey"], base_url=told["baseUrl"]) as client,
    ):
        assert (await client.get_delivery(delivery_id)).external_order_id == "order-742"


@pytest.mark.parametrize(("manual", "status"), [((), "delivered"), (("--manual",), "created")])
async def test_at_speed_0_time_moves_by_hand_and_deliveries_with_it_unless_they_are_manual(
    manual: tuple[str, ...], status: str
) -> None:
    async with (
        _served("--speed", "0", *manual) as told,
        DeliveryClient(told["apiKey"], base_url=told["baseUrl"]) as client,
    ):
        delivery_id = await _create(client)
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{told['controlUrl']}time/advance", json={"seconds": 86400}) as answer,
        ):
            assert (await answer.json())["now"] == "2024-06-12T08:10:54Z"
        assert (await client.get_delivery(delivery_id)).status == status


@pytest.mark.parametrize("as_json", [True, False])
def test_a_signal_in_this_process_ends_it_and_its_handlers(monkeypatch: pytest.MonkeyPatch, *, as_json: bool) -> None:
    """As with the processes above, where coverage can see it."""
    before = signal.getsignal(signal.SIGTERM)
    code, line = _serve_here(monkeypatch, lambda first, _: first, *(["--json"] if as_json else []))
    assert (code, b"baseUrl" in line) == (0, as_json)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("speed", "said"),
    [("1", "remembered for 24 hours of its time\n"), ("600", "24 hours of its time: 144 s here, after which")],
)
def test_the_start_says_how_long_keys_live(monkeypatch: pytest.MonkeyPatch, speed: str, said: str) -> None:
    def read(_: bytes, output: BinaryIO) -> str:
        return next(line.decode() for line in output if line.startswith(b"  keys"))

    assert said in _serve_here(monkeypatch, read, "--speed", speed, "--start", "2026-01-01T00:00:00Z")[1]


def test_it_listens_where_it_was_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    code, url = _serve_here(monkeypatch, _base_url, "--json", "--host", "[::1]")
    assert (code, url.startswith("http://[::1]:")) == (0, True)


BODY = (b"x" * 999 + b"\n") * 900
"""Two of them fill what is kept for a slow reader."""


@pytest.mark.parametrize(
    ("arguments", "lines", "said"),
    [
        ((), 2 * 901, b"(2 lines were dropped: nobody read them)\n"),
        (("--json",), 2, b'{"event":"dropped","lines":2}\n'),
    ],
    ids=["text", "json"],
)
def test_lines_that_nobody_reads_are_dropped_and_counted(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], lines: int, said: bytes
) -> None:
    def read_late(first: bytes, output: BinaryIO) -> bytes:
        url = _base_url(first, output)
        for _ in range(4):
            _post(url, BODY)
        kept = [output.readline() for _ in range(lines)]
        assert b"POST" in kept[0]
        _post(url, b"{}")
        return output.readline()

    assert _serve_here(monkeypatch, read_late, "--verbose", *arguments) == (0, said)


def test_it_ends_though_its_output_is_not_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in ("app", "sandbox.serve"):
        monkeypatch.setattr(f"kaspi_delivery_async.cli.{module}.PATIENCE", 0.05)

    def never_read(first: bytes, output: BinaryIO) -> None:
        _post(_base_url(first, output), BODY)

    assert _serve_here(monkeypatch, never_read, "--json", "--verbose")[0] == 128 + signal.SIGTERM
    assert "standard output is not being read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--fault", "create:nonsense"], "'nonsense' is no kind of fault"),
        (["--fault", "create:503:count=x"], "count: 'x' is no value for it; change --fault"),
        (["--webhook-url", "https://example.com/"], "this machine only"),
        (["--api-key", ""], "api_key: visible ASCII characters without blanks"),
        (["--state-file", "/nonexistent/state.sqlite"], "choose another --host, --port or --state-file"),
    ],
)
def test_settings_that_make_no_sense(arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", "serve", "--port", "0", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert named in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("variable", "value"), [("KASPI_API_KEY", "in two"), ("KASPI_WEBHOOK_SECRET", "in\ttwo"), ("KASPI_API_KEY", "ключ")]
)
def test_a_variable_that_cannot_work_is_named_and_its_value_kept(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, value)
    assert main(["sandbox", "serve", "--port", "0"]) == 2
    err = capsys.readouterr().err
    assert err.endswith(f"; change {variable}\n")
    assert value not in err


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["sandbox", "serve", "--port", str(taken.getsockname()[1])]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "--port" in err


def _serve_here(monkeypatch: pytest.MonkeyPatch, use: Callable[[bytes, BinaryIO], T], *arguments: str) -> tuple[int, T]:
    """Serve in this process, where coverage sees it; a thread uses the first line and the rest, then sends SIGTERM."""
    reading, writing = os.pipe()
    with open(writing, "w") as output:  # noqa: PTH123 - a pipe
        with ThreadPoolExecutor() as threads, open(reading, "rb") as told:  # noqa: PTH123 - a pipe
            monkeypatch.setattr(sys, "stdout", output)

            def use_and_stop() -> T:
                first = told.readline()
                assert first, "it ended before it served"
                try:
                    return use(first, told)
                finally:
                    os.kill(os.getpid(), signal.SIGTERM)

            using = threads.submit(use_and_stop)
            code = main(["sandbox", "serve", "--port", "0", *arguments])
            monkeypatch.undo()
        # A command that gives its output up leaves a thread that writes until the reader has gone, as it has now. Were
        # the file closed before, the thread could write into whatever gets its number next.
        for thread in threading.enumerate():
            if thread.name == "kaspi-delivery-output":
                thread.join()
    return code, using.result()


def _base_url(first: bytes, output: BinaryIO) -> str:
    """Read the base URL of the start's lines, up to the last of them."""
    if first.startswith(b"{"):
        return str(orjson.loads(first)["baseUrl"])
    lines = list(itertools.takewhile(lambda line: not line.startswith(b"kaspi-delivery sandbox clock"), output))
    output.readline()  # the empty line at the end
    return next(line.split()[-1].decode() for line in lines if line.startswith(b"  base URL"))


def _post(base_url: str, body: bytes) -> None:
    with pytest.raises(urllib.error.HTTPError, match="401") as refused:
        urllib.request.urlopen(f"{base_url}/v1/deliveries", body)
    refused.value.close()


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


def _parts(answer: bytes) -> tuple[int, str, str]:
    """Split what `curl -i` printed into status, headers and body."""
    head, _, body = answer.decode().partition("\r\n\r\n")
    return int(head.split()[1]), head, body

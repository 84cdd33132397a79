"""Runs the real entry point against a real sandbox on loopback."""

import asyncio
import io
import os
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import IO

import orjson
import pytest

from kaspi_delivery_async.cli import main
from kaspi_delivery_async.sandbox import Sandbox
from tests.support.cli_runner import ORDER, Ended, Run, RunInto


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the caller's own settings out."""
    settings = ("KASPI_API_KEY", "KASPI_BASE_URL", "KASPI_ENVIRONMENT", "KASPI_WEBHOOK_SECRET")
    for name in (*settings, "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Run `kaspi-delivery` in a thread of its own, so that the test's event loop can serve it."""

    async def run_command(*arguments: str, stdin: bytes = b"") -> Ended:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = await asyncio.to_thread(main, arguments)
        out, err = capsysbinary.readouterr()
        return Ended(code, out.decode(), err.decode())

    return run_command


@pytest.fixture
def run_into(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> RunInto:
    """Run `kaspi-delivery` with standard output at a file; return its exit code and what it says on stderr."""

    async def run_command(output: IO[bytes] | int, *arguments: str) -> tuple[int, str]:
        number = os.dup(output if isinstance(output, int) else output.fileno())
        with io.TextIOWrapper(io.BufferedWriter(io.FileIO(number, "wb"))) as stream, monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stream)
            code = await asyncio.to_thread(main, arguments)
        return code, capsysbinary.readouterr().err.decode()

    return run_command


@pytest.fixture
async def sandbox(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Sandbox, None]:
    """Serve a sandbox that the environment points to."""
    async with Sandbox() as served:
        monkeypatch.setenv("KASPI_API_KEY", served.api_key)
        monkeypatch.setenv("KASPI_BASE_URL", served.base_url)
        yield served


@pytest.fixture
def order_file(tmp_path: Path) -> str:
    """Write the founding document's order to a file."""
    path = tmp_path / "order.json"
    path.write_bytes(orjson.dumps(ORDER))
    return str(path)

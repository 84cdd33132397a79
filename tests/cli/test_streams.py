"""Standard streams that are closed, slow or of no width, and errors for programs."""

import asyncio
import os

import pytest

from kaspi_delivery_async.sandbox import Sandbox
from tests.support.cli_process import COMMAND
from tests.support.cli_runner import Run


@pytest.mark.parametrize(
    ("arguments", "code", "error_type"),
    [
        (["get", "dlv_none", "--json"], 1, "NotFoundError"),
        (["get", "a/b", "--json"], 2, "InvalidRequestError"),
        (["get", "--json"], 2, "ConfigurationError"),
    ],
)
async def test_an_error_is_also_an_object_for_programs(
    run: Run, sandbox: Sandbox, arguments: list[str], code: int, error_type: str
) -> None:
    ended = await run(*arguments)
    assert (ended.code, ended.json["event"], ended.json["errorType"]) == (code, "error", error_type)
    assert ended.json["exitCode"] == code
    assert "Error: " in ended.err


@pytest.mark.processes
async def test_a_slow_reader_of_a_non_blocking_pipe_gets_every_line(sandbox: Sandbox) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    process = await asyncio.create_subprocess_exec(*COMMAND, "bulk", "create", "--help", stdout=writing)
    os.close(writing)
    await asyncio.sleep(0.2)
    with os.fdopen(reading, "rb") as pipe:
        text = await asyncio.to_thread(pipe.read)
    assert await process.wait() == 0
    assert b"--scheduler" in text


async def test_a_terminal_of_no_width_is_written_to(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, order_file: str
) -> None:
    monkeypatch.setenv("COLUMNS", "0")
    assert "created" in (await run("create", order_file)).out


@pytest.mark.processes
async def test_a_closed_standard_input_is_named(sandbox: Sandbox) -> None:
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", 'exec "$@" <&-', "sh", *COMMAND, "create", "-"), stderr=asyncio.subprocess.PIPE
    )
    _, err = await process.communicate()
    assert (process.returncode, err) == (2, b"Error: standard input: cannot be read: it is closed\n")

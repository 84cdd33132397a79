"""Standard streams that are closed, slow or of no width, and errors for programs."""

import asyncio
import io
import json
import os
import select
import signal
import sys

import pytest

from kaspi_delivery_async import __version__
from kaspi_delivery_async.cli import main
from kaspi_delivery_async.cli.streams import finish_output
from kaspi_delivery_async.sandbox import Sandbox
from tests.support.cli_process import COMMAND, full_pipe
from tests.support.cli_runner import Run, RunInto


@pytest.mark.parametrize(
    ("arguments", "code", "error_type"),
    [
        (["get", "dlv_none", "--json"], 1, "NotFoundError"),
        (["get", "a/b", "--json"], 2, "InvalidRequestError"),
        (["get", "--json"], 2, "ConfigurationError"),
    ],
)
@pytest.mark.meets("error-bodies")
async def test_an_error_is_also_an_object_for_programs(
    run: Run, sandbox: Sandbox, arguments: list[str], code: int, error_type: str
) -> None:
    ended = await run(*arguments)
    assert (ended.code, ended.json["event"], ended.json["errorType"]) == (code, "error", error_type)
    assert ended.json["exitCode"] == code
    assert "Error: " in ended.err


async def test_a_slow_reader_of_a_non_blocking_pipe_gets_every_line(
    run_into: RunInto, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_waited = asyncio.Event()
    loop, poll = asyncio.get_running_loop(), select.poll

    def noted_poll() -> select.poll:
        loop.call_soon_threadsafe(has_waited.set)
        return poll()

    monkeypatch.setattr("kaspi_delivery_async.cli.background_writer.select.poll", noted_poll)
    reading, writing = full_pipe()
    os.set_blocking(writing, False)
    command = asyncio.create_task(run_into(writing, "bulk", "create", "--help"))
    await has_waited.wait()
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = await asyncio.to_thread(pipe.read)
    assert await command == (0, "")
    assert b"--scheduler" in text


def test_ctrl_c_gives_a_reader_that_does_not_read_a_little_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*, limit: float | None = None) -> bool:
        if limit is None:
            signal.raise_signal(signal.SIGINT)
        return finish_output(limit=limit)

    monkeypatch.setattr("kaspi_delivery_async.cli.app.finish_output", interrupted)
    monkeypatch.setattr("kaspi_delivery_async.cli.app.PATIENCE", 0.01)
    reading, writing = full_pipe()
    with os.fdopen(writing, "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert main(["--version"]) == 130
        os.close(reading)
    assert capsys.readouterr().err == "Error: standard output is not being read; what is missing there is lost\n"


def test_what_stands_in_for_standard_output_gets_text(monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.StringIO()
    monkeypatch.setattr(sys, "stdout", output)
    assert main(["--version"]) == 0
    assert output.getvalue() == f"kaspi-delivery {__version__}\n"


@pytest.mark.processes
async def test_without_standard_error_the_output_and_the_exit_code_remain() -> None:
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", 'exec "$@" 2>&-', "sh", *COMMAND, "get", "a/b", "--json"), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert (process.returncode, json.loads(out)["errorType"]) == (2, "InvalidRequestError")


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

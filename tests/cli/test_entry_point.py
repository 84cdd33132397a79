"""The entry point: help, version, usage errors, the missing extra, and outputs that are not up to it."""

import asyncio
import errno
import io
import os
import runpy
import sys
from asyncio.subprocess import PIPE
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

import orjson
import pytest

import kaspi_delivery_async
from kaspi_delivery_async import __version__, cli
from kaspi_delivery_async.cli import main
from kaspi_delivery_async.sandbox import Sandbox
from tests.support.cli_process import COMMAND, FULL, NO_SPACE, needs_full_device, run_into, unread_pipe
from tests.support.cli_runner import ORDER, Run

pytestmark = pytest.mark.processes


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_it_says_how_to_install_it(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def without(name: str) -> ModuleSpec | None:
        return None if name == missing else find_spec(name)

    monkeypatch.setattr("kaspi_delivery_async.cli.find_spec", without)
    assert main(["--help"]) == 1
    message = 'kaspi-delivery needs typer and rich: pip install "kaspi-delivery-async[cli]"\n'
    assert capsys.readouterr() == ("", message)


async def test_help_lists_the_commands_and_exit_codes(run: Run) -> None:
    ended = await run("--help")
    assert ended.code == 0
    assert {"demo", "check", "create", "get", "cancel", "watch", "sandbox"} <= set(ended.out.split())
    assert "3 outcome unknown" in " ".join(ended.out.split())


async def test_help_of_create_shows_an_order_that_create_accepts(run: Run, sandbox: Sandbox) -> None:
    text = (await run("create", "--help")).out
    order = text[text.index("{\n") if "{\n" in text else text.index('{"') : text.index("Arguments:")]
    assert orjson.loads(order) == ORDER
    assert (await run("create", "-", stdin=order.encode())).code == 0
    assert len(sandbox.deliveries) == 1


async def test_a_shell_gets_what_completes_a_command(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_KASPI_DELIVERY_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "kaspi-delivery sandbox ev")
    monkeypatch.setenv("COMP_CWORD", "2")

    ended = await run()

    assert (ended.code, ended.out.split(), ended.err) == (0, ["events"], "")


async def test_version(run: Run) -> None:
    ended = await run("--version")
    assert (ended.code, ended.out) == (0, f"kaspi-delivery {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["create"], "FILE"),
        (["get"], "ID"),
        (["get", "dlv_1", "--hstory"], "--hstory"),
        (["watch", "dlv_1", "--timeout", "soon"], "--timeout"),
        (["demo", "--speed", "0"], "--speed"),
        (["sandbox", "serve", "--port", "70000"], "--port"),
    ],
)
async def test_wrong_usage_is_named_on_stderr(run: Run, arguments: list[str], named: str) -> None:
    ended = await run(*arguments)
    assert ended.code == 2
    assert named in ended.err
    assert ended.out == ""


async def test_help_comes_without_the_modules_that_commands_need() -> None:
    """What is slow to import waits until a command needs it."""
    script = (
        "import sys; from kaspi_delivery_async.cli import main; main(['--help']);"
        "unneeded = {'rich', *(f'kaspi_delivery_async.{name}' for name in ('bulk', 'sandbox', '_database'))};"
        "sys.stderr.write(' '.join(unneeded & set(sys.modules)))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=PIPE, stderr=PIPE)
    out, err = await process.communicate()
    assert b"Usage: kaspi-delivery" in out
    assert err == b""


@pytest.mark.parametrize("module", [kaspi_delivery_async, cli])
def test_the_module_runs_as_a_program(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["kaspi-delivery", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(module.__name__, run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"kaspi-delivery {__version__}\n"


@pytest.mark.usefixtures("sandbox")
async def test_an_output_without_cyrillic_letters_gets_them_escaped(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    order = ORDER | {"externalOrderId": "заказ-742"}
    created = (await run("create", "-", "--json", stdin=orjson.dumps(order))).json
    output = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(output, encoding="ascii"))
    assert (await run("get", created["deliveryId"])).code == 0
    assert rb"\u0437\u0430\u043a\u0430\u0437-742" in output.getvalue()


async def test_a_reader_that_leaves_ends_the_command_quietly() -> None:
    with unread_pipe() as output:
        assert await run_into(output, "--help") == (141, "")


@needs_full_device
@pytest.mark.parametrize("buffered", [True, False])
async def test_a_full_output_is_reported(*, buffered: bool) -> None:
    with FULL.open("wb") as output:
        for option in ("--help", "--version"):
            assert await run_into(output, option, buffered=buffered) == (1, f"Error: {NO_SPACE}\n")


@pytest.mark.parametrize(
    ("redirection", "code", "err"),
    [
        (">&-", 2, b"Error: standard output is closed; redirect it to /dev/null to discard the output\n"),
        (">&- 2>&-", 2, b""),
        ("1</dev/null", 1, b"Error: standard output cannot be written: Bad file descriptor\n"),
        pytest.param(">/dev/full 2>/dev/full", 1, b"", marks=needs_full_device),
    ],
)
async def test_an_output_that_is_none_ends_in_no_traceback(redirection: str, code: int, err: bytes) -> None:
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *COMMAND, "--version"),
        stderr=PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    )
    assert (await process.communicate())[1] == err
    assert process.returncode == code


def test_an_error_of_the_system_that_is_not_of_the_output_shows_where_it_comes_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("kaspi_delivery_async.cli.app.app", fail)
    with pytest.raises(OSError, match="Too many open files"):
        main(["--version"])

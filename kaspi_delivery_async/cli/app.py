"""The command tree of ``kaspi-delivery``, and how each command ends."""

import sys
from collections.abc import Sequence
from typing import Annotated, cast

import typer

from kaspi_delivery_async._version import __version__
from kaspi_delivery_async.cli.background_writer import OutputError
from kaspi_delivery_async.cli.bulk import commands as bulk
from kaspi_delivery_async.cli.check.command import check
from kaspi_delivery_async.cli.debug.command import debug
from kaspi_delivery_async.cli.deliveries import commands as deliveries
from kaspi_delivery_async.cli.demo.command import demo
from kaspi_delivery_async.cli.exit_codes import ExitCode, exit_code
from kaspi_delivery_async.cli.outbox import commands as outbox
from kaspi_delivery_async.cli.sandbox import commands as sandbox
from kaspi_delivery_async.cli.signals import InterruptedBySignalError
from kaspi_delivery_async.cli.streams import (
    PATIENCE,
    emit_failure,
    finish_errors,
    finish_output,
    say,
    say_failure,
    standard_streams,
)
from kaspi_delivery_async.cli.webhooks import commands as webhooks
from kaspi_delivery_async.errors import ConfigurationError, KaspiDeliveryError

_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What typer raises for wrong arguments; it exports only this subclass."""

# Plain help, without boxes: it reads the same in a pipe, and comes without importing rich.
app: typer.Typer = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
app.command()(demo)
app.command()(check)
app.command()(debug)
app.command()(deliveries.create)
app.command()(deliveries.get)
app.command()(deliveries.cancel)
app.command()(deliveries.watch)
app.add_typer(bulk.app, name="bulk")
app.add_typer(outbox.app, name="outbox")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(sandbox.app, name="sandbox")


def _show_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"kaspi-delivery {__version__}")
        raise typer.Exit


@app.callback()
def _about(
    *,
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """An asyncio client for the Kaspi Delivery API, which sends couriers in Kazakhstan.

    For developers whose shop or service orders couriers from Python, and for merchants who send a whole file of orders
    from the command line. An independent project, not the vendor's.

    \b
    - One courier for one order. Every create carries an idempotency key, the
      same on each attempt.
    - Every error says whether a courier may already be on the way.
    - One `await` until the parcel is delivered, by polling, webhooks, or both.
    - No webhook is lost: each is verified, stored before it is acknowledged,
      and handled at least once.
    - A bulk run of thousands of orders continues where it was killed, with
      each delivery created exactly once.

    Begin with `demo`, which needs no account. The API key comes from KASPI_API_KEY. KASPI_ENVIRONMENT is `sandbox` (if
    unset) or `production`; KASPI_BASE_URL points elsewhere, such as to `kaspi-delivery sandbox serve`.

    Exit codes: 0 done, 1 failed, 2 wrong usage or settings and nothing sent, 3 outcome unknown (a courier may be on
    the way), 130 interrupted, 141 the reader of the output has gone.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command that ``arguments`` name and return its exit code; errors go to stderr, without a traceback."""
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison] - as `>&-` in a shell leaves it
        say("Error: standard output is closed; redirect it to /dev/null to discard the output")
        return ExitCode.USAGE
    with standard_streams():
        code = _run(list(sys.argv[1:] if arguments is None else arguments))
        try:
            return _end(code)
        except KeyboardInterrupt:
            return _end(code or ExitCode.INTERRUPTED, limit=PATIENCE)


def _run(arguments: list[str]) -> int:
    as_json = "--json" in arguments
    try:
        code: int | None = app(arguments, prog_name="kaspi-delivery", standalone_mode=False)
    except KaspiDeliveryError as error:
        say_failure(error, as_json=as_json)
        return exit_code(error)
    except InterruptedBySignalError as interruption:
        return interruption.exit_code
    except OutputError:
        return ExitCode.DONE  # said in the end
    except SystemExit as ended:  # so does a shell's completion end; the proposals are still to be written
        return int(ended.code or ExitCode.DONE)
    except _UsageError as error:
        wrong = cast("typer.BadParameter", error)
        wrong.show()
        if as_json:
            emit_failure(ConfigurationError(wrong.format_message()))
        return ExitCode.USAGE
    return code or ExitCode.DONE


def _end(code: int, *, limit: float | None = None) -> int:
    """Wait until the output is written, and return the exit code."""
    if code >= ExitCode.INTERRUPTED:
        limit = PATIENCE
    try:
        if not finish_output(limit=limit):
            say("Error: standard output is not being read; what is missing there is lost")
    except OutputError as error:
        if code == ExitCode.DONE and not error.is_unread:
            say(f"Error: standard output cannot be written: {error}")
        code = code or (ExitCode.UNREAD if error.is_unread else ExitCode.FAILED)
    finish_errors(limit=limit)
    return code

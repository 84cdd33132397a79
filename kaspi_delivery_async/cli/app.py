"""The application: which commands there are, and how each of them ends."""

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, TextIO, cast

import typer

from kaspi_delivery_async._version import __version__
from kaspi_delivery_async.cli import sandbox
from kaspi_delivery_async.cli.bulk import commands as bulk
from kaspi_delivery_async.cli.check.command import check
from kaspi_delivery_async.cli.deliveries import commands as deliveries
from kaspi_delivery_async.cli.demo.command import demo
from kaspi_delivery_async.cli.exit_codes import ExitCode, exit_code, explanation
from kaspi_delivery_async.cli.webhooks import commands as webhooks
from kaspi_delivery_async.errors import KaspiDeliveryError

if TYPE_CHECKING:
    import io

_UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
"""What writing to stdout may end in; whatever else a command writes, it says itself what is wrong there."""

# Plain help, without boxes: it reads the same in a pipe, and comes without importing rich.
app: typer.Typer = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None
)
app.command()(demo)
app.command()(check)
app.command()(deliveries.create)
app.command()(deliveries.get)
app.command()(deliveries.cancel)
app.command()(deliveries.watch)
app.add_typer(bulk.app, name="bulk")
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
        bool, typer.Option("--version", help="Show the version and end.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Order couriers through the Kaspi Delivery API, follow them, and try it all on this machine with `demo`.

    The API key comes from KASPI_API_KEY. KASPI_ENVIRONMENT is `sandbox` (if unset) or `production`; KASPI_BASE_URL
    points elsewhere, such as to `kaspi-delivery sandbox serve`.

    Exit codes: 0 done, 1 failed, 2 wrong usage or settings and nothing sent, 3 outcome unknown (a courier may be on
    the way), 130 interrupted.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command that ``arguments`` name and return its exit code; errors go to stderr, without a traceback."""
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison] - as `>&-` in a shell leaves it
        _say("Error: standard output is closed; send it to /dev/null if nobody is to read it")
        return ExitCode.USAGE
    with suppress(AttributeError):  # whatever stands in for stdout may know no encoding
        # Names are Cyrillic here; an output that cannot show them must not end in a traceback.
        cast("io.TextIOWrapper", sys.stdout).reconfigure(errors="backslashreplace")
    code = _run(arguments)
    try:
        sys.stdout.flush()
    except OSError as error:
        _give_up(sys.stdout)
        code = code or _unwritten(error)
    return code


def _run(arguments: Sequence[str] | None) -> int:
    code: int = ExitCode.DONE
    try:
        app(arguments, prog_name="kaspi-delivery")
    except KaspiDeliveryError as error:
        _say(f"Error: {explanation(error)}")
        code = exit_code(error)
    except SystemExit as end:
        code = int(end.code or ExitCode.DONE)
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        code = _unwritten(error)
    return code


def _unwritten(error: OSError) -> int:
    if not isinstance(error, BrokenPipeError):  # whoever left has seen enough
        _say(f"Error: standard output cannot be written: {error.strerror}")
    return ExitCode.FAILED


def _say(text: str) -> None:
    try:
        typer.echo(text, err=True)
    except OSError:  # the exit code still tells
        _give_up(sys.stderr)


def _give_up(output: TextIO) -> None:
    """Lead an output nowhere: the interpreter writes what is left over when it ends, and would complain."""
    with suppress(OSError):  # whatever stands in for it may be no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())

"""The commands for webhooks: listen, verify, exam, dead-letters, replay."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kaspi_delivery_async.cli.environment import SECRETS_FROM, webhook_secrets
from kaspi_delivery_async.cli.options import AsJson
from kaspi_delivery_async.cli.signals import run_until_signalled
from kaspi_delivery_async.errors import ConfigurationError, InvalidRequestError

if TYPE_CHECKING:
    from kaspi_delivery_async.webhooks import Store, WebhookVerifier

app: typer.Typer = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


StoreLocation = Annotated[
    str,
    typer.Option(
        "--store",
        metavar="FILE|URL",
        envvar="KASPI_WEBHOOK_STORE",
        help="The store of the inbox: an SQLite file or a PostgreSQL URL.",
    ),
]


@app.callback()
def _about() -> None:
    """Receive webhooks, check a saved one, examine a receiver, list and replay dead letters.

    The signing secret comes from KASPI_WEBHOOK_SECRET; several, while they rotate, are separated by commas.
    """


@app.command()
def listen(
    *,
    port: Annotated[
        int,
        typer.Option("--port", metavar="PORT", min=0, max=65535, help="The port on 127.0.0.1; 0 takes any free one."),
    ] = 8421,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|URL",
            envvar="KASPI_WEBHOOK_STORE",
            help="An SQLite file or a PostgreSQL URL that stores the events; by default memory.",
        ),
    ] = None,
    command: Annotated[
        str | None,
        typer.Option("--command", metavar="COMMAND", help="Run this for each event, with its JSON on standard input."),
    ] = None,
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="Post each event's JSON there.")] = None,
    as_json: AsJson = False,
) -> None:
    """Receive webhooks on this machine until Ctrl-C or SIGTERM, and show each event when it is handled.

    --command runs without a shell: for pipes, `>` or variables, name one, as in --command "sh -c 'cat >> events'".
    No KASPI_* variable is passed to it.

    An event that --command or --url refuses, by a non-zero exit code or a response other than 2xx, is retried, and
    becomes a dead letter in the end.
    """
    from kaspi_delivery_async.cli.webhooks.listener import serve

    if command is not None and url is not None:
        raise ConfigurationError("give either --command or --url, not both")
    verifier = _verifier(os.environ)
    asyncio.run(serve(verifier, store=store, command=command, url=url, port=port, as_json=as_json))


@app.command()
def verify(
    body: Annotated[Path, typer.Argument(metavar="BODY", help="A file with the body, byte for byte as received.")],
    headers: Annotated[Path, typer.Argument(metavar="HEADERS", help="A file with the headers, `Name: value` each.")],
    *,
    received_at: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="The time of receipt, in Unix time; by default now.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check the signature and age of a saved message, and show its event; exit code 1 if it is refused."""
    from kaspi_delivery_async.cli.webhooks.text import emit_event

    verifier = _verifier(os.environ)
    event = verifier.verify(_read(body, "BODY"), _header_lines(_read(headers, "HEADERS")), received_at)
    emit_event(event, as_json=as_json)


@app.command()
def dead_letters(
    *,
    store: StoreLocation,
    limit: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="Maximum number to list.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the oldest first."""
    from kaspi_delivery_async.cli.webhooks.text import emit_dead_letters

    async def listed(opened: "Store") -> None:
        try:
            emit_dead_letters(await opened.dead_letters(limit=limit), as_json=as_json)
        finally:
            await opened.close()

    run_until_signalled(listed(_existing(store)))


@app.command()
def replay(
    numbers: Annotated[
        list[int] | None, typer.Argument(metavar="NUMBER...", help="The numbers that `dead-letters` shows.")
    ] = None,
    *,
    store: StoreLocation,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Replay dead letters; the process that handles this store's events runs its handler again."""
    from kaspi_delivery_async.cli.webhooks.text import emit_replayed

    if everything == bool(numbers):
        raise ConfigurationError("name the dead letters to replay by their numbers, or all of them by --all")

    async def replayed(opened: "Store") -> None:
        try:
            emit_replayed(await opened.replay(numbers or None), as_json=as_json)
        finally:
            await opened.close()

    run_until_signalled(replayed(_existing(store)))


@app.command()
def exam(
    url: Annotated[str, typer.Argument(metavar="URL", help="The receiver, such as http://127.0.0.1:8000/webhooks.")],
    *,
    secret: Annotated[
        str | None,
        typer.Option(metavar="SECRET", help=f"The receiver's signing secret; {SECRETS_FROM} by default."),
    ] = None,
    i_own_this_url: Annotated[
        bool, typer.Option("--i-own-this-url", help="Examine a receiver that is not on this machine.")
    ] = False,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the rows there as JUnit XML, too.")] = None,
    as_json: AsJson = False,
) -> None:
    """Send a receiver some 250 messages as the vendor would, good and forged, and grade what it does.

    A row that the vendor's pages demand passes or fails, and names the pages; what only good practice asks for is a
    warning at worst. The exit code is 0 if no row failed. It ends within 90 seconds. The receiver stores and handles
    the exam's events, of deliveries named dlv_exam_..., like any others.
    """
    from kaspi_delivery_async.cli.webhooks.exam import run_exam

    chosen = secret or webhook_secrets(os.environ)[0]
    raise typer.Exit(run_exam(url, chosen, owned=i_own_this_url, junit=junit, as_json=as_json))


def _verifier(environ: Mapping[str, str]) -> "WebhookVerifier":
    from kaspi_delivery_async.webhooks.verifier import WebhookVerifier

    return WebhookVerifier(webhook_secrets(environ))


def _existing(location: str) -> "Store":
    """Open a store that is there: a mistyped path must not look like an inbox without dead letters."""
    from kaspi_delivery_async._database.location import parse_location
    from kaspi_delivery_async.webhooks.stores.sql import SqlStore

    place = parse_location(location)
    if isinstance(place, Path) and not place.exists():
        raise ConfigurationError(f"there is no inbox at {place}; --store names the file that the receiver writes")
    return SqlStore(location)


def _read(path: Path, argument: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequestError(argument, f"{path} cannot be read: {error.strerror}") from None


def _header_lines(text: bytes) -> list[tuple[bytes, bytes]]:
    """Split saved headers into names and values; lines without a colon, such as a request line, are skipped."""
    pairs = (line.partition(b":") for line in text.splitlines())
    return [(name.strip(), value.strip()) for name, colon, value in pairs if colon]

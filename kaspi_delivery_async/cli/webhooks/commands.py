"""The commands around webhooks: to receive them, to check one, and to look after those that failed."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kaspi_delivery_async.cli.environment import webhook_secrets
from kaspi_delivery_async.cli.options import AsJson
from kaspi_delivery_async.errors import ConfigurationError, InvalidRequestError

if TYPE_CHECKING:
    from kaspi_delivery_async.webhooks import Store, WebhookVerifier

app: typer.Typer = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


StoreLocation = Annotated[
    str,
    typer.Option(
        "--store",
        metavar="PLACE",
        envvar="KASPI_WEBHOOK_STORE",
        help="Where the inbox keeps its events: an SQLite file or a PostgreSQL URL.",
    ),
]


@app.callback()
def _about() -> None:
    """Receive webhooks, check a saved one, list and replay dead letters.

    The signing secret comes from KASPI_WEBHOOK_SECRET; several, while they rotate, are separated by commas.
    """


@app.command()
def listen(
    *,
    port: Annotated[
        int,
        typer.Option(
            "--port", metavar="PORT", min=0, max=65535, help="Where to listen on 127.0.0.1; 0 takes any free one."
        ),
    ] = 8421,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            envvar="KASPI_WEBHOOK_STORE",
            help="An SQLite file or a PostgreSQL URL that keeps the events; without it they are kept in memory.",
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

    Events that --command or --url refuses, by a non-zero exit code or another answer than 2xx, are tried again, and
    become dead letters in the end.
    """
    from kaspi_delivery_async.cli.webhooks.listener import serve

    if command is not None and url is not None:
        raise ConfigurationError("give either --command or --url, not both")
    verifier = _verifier(os.environ)
    asyncio.run(serve(verifier, store=store, command=command, url=url, port=port, as_json=as_json))


@app.command()
def verify(
    body: Annotated[Path, typer.Argument(metavar="BODY", help="A file with the body, byte for byte as it came.")],
    headers: Annotated[Path, typer.Argument(metavar="HEADERS", help="A file with the headers, `Name: value` each.")],
    *,
    received_at: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="When it came, in Unix time; now if not given.")
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
    limit: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="How many to list, at the most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List events that were given up, the oldest first."""
    from kaspi_delivery_async.cli.webhooks.text import emit_dead_letters

    async def listed(opened: "Store") -> None:
        try:
            emit_dead_letters(await opened.dead_letters(limit=limit), as_json=as_json)
        finally:
            await opened.close()

    asyncio.run(listed(_existing(store)))


@app.command()
def replay(
    numbers: Annotated[
        list[int] | None, typer.Argument(metavar="NUMBER...", help="Which, as `dead-letters` numbers them.")
    ] = None,
    *,
    store: StoreLocation,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Have dead letters handled anew, by whichever process handles the events of the store."""
    from kaspi_delivery_async.cli.webhooks.text import emit_replayed

    if everything == bool(numbers):
        raise ConfigurationError("name the dead letters to replay by their numbers, or all of them by --all")

    async def replayed(opened: "Store") -> None:
        try:
            emit_replayed(await opened.replay(numbers or None), as_json=as_json)
        finally:
            await opened.close()

    asyncio.run(replayed(_existing(store)))


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
    """Split saved headers into names and values; lines without a colon, such as a request line, tell nothing."""
    pairs = (line.partition(b":") for line in text.splitlines())
    return [(name.strip(), value.strip()) for name, colon, value in pairs if colon]

"""Receives webhooks for the command line, and forwards each event to a command or a URL."""

import asyncio
import logging
import os
import shlex
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress

import aiohttp

from kaspi_delivery_async.cli.background_writer import OutputError
from kaspi_delivery_async.cli.output import printable
from kaspi_delivery_async.cli.signals import stop_signals
from kaspi_delivery_async.cli.streams import room, say
from kaspi_delivery_async.cli.webhooks.text import emit_event
from kaspi_delivery_async.errors import ConfigurationError
from kaspi_delivery_async.models import DeliveryWebhook, to_json
from kaspi_delivery_async.webhooks import MemoryStore, WebhookInbox, WebhookVerifier
from kaspi_delivery_async.webhooks.receivers.loopback import serve_on_loopback

FORWARDING_LIMIT = 60.0
"""Seconds that a URL has to respond."""

SHOWING_LIMIT = 1.0
"""Seconds for which the next event waits until one is shown."""

Handler = Callable[[DeliveryWebhook], Awaitable[None]]


class ForwardingError(Exception):
    """The command or URL did not accept an event."""


async def serve(
    verifier: WebhookVerifier, *, store: str | None, command: str | None, url: str | None, port: int, as_json: bool
) -> None:
    """Receive until a signal comes. Raises `ConfigurationError` if the port or the store cannot be used."""
    forward = _forwarding(command, url)
    unshown: list[OutputError] = []

    async def handle(event: DeliveryWebhook) -> None:
        await forward(event)
        try:
            emit_event(event, as_json=as_json)
            with suppress(TimeoutError):  # a slow reader must not make the handler one that is retried
                async with asyncio.timeout(SHOWING_LIMIT):
                    await room(pending=0)
        except OutputError as error:
            # The event was accepted, and must not be forwarded again.
            unshown.append(error)
            stopped.set()

    inbox = WebhookInbox(verifier, store=store or MemoryStore(), handler=handle)
    with _brief_notes(), stop_signals() as stopped:
        async with inbox:
            try:
                async with serve_on_loopback(inbox.aiohttp, port=port) as address:
                    say(f"Listening on {address} (Ctrl-C ends it)")
                    await stopped.wait()
            except OSError as error:
                raise ConfigurationError(f"port {port} cannot be listened on: {error.strerror}") from None
    if unshown:
        raise unshown[0]


class _Notes(logging.Handler):
    """Writes the inbox's log to stderr, one line per record, without the stack."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        reason = f": {type(error).__name__}: {error}" if error else ""
        say(printable(f"{record.getMessage()}{reason}"))


@contextmanager
def _brief_notes() -> Generator[None]:
    logger, notes = logging.getLogger("kaspi_delivery_async.webhooks"), _Notes(logging.WARNING)
    logger.addHandler(notes)
    try:
        yield
    finally:
        logger.removeHandler(notes)


def _forwarding(command: str | None, url: str | None) -> Handler:
    if command is not None:
        return _to_command(command)
    return _show_only if url is None else _to_url(url)


async def _show_only(_event: DeliveryWebhook) -> None:
    """Forward an event to nobody."""


def _to_command(command: str) -> Handler:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigurationError(f"--command cannot be read: {error}") from None
    if not words:
        raise ConfigurationError("--command names no command")

    # The command needs neither the API key nor the signing secret, nor a database's password.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("KASPI_")}

    async def forward(event: DeliveryWebhook) -> None:
        process = await asyncio.create_subprocess_exec(*words, stdin=asyncio.subprocess.PIPE, env=environ)
        try:
            await process.communicate(to_json(event) + b"\n")
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if process.returncode != 0:
            raise ForwardingError(f"the command ended with exit code {process.returncode}")

    return forward


def _to_url(url: str) -> Handler:
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError("--url must begin with http:// or https://")

    async def forward(event: DeliveryWebhook) -> None:
        timeout = aiohttp.ClientTimeout(total=FORWARDING_LIMIT)
        headers = {"Content-Type": "application/json"}
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, data=to_json(event), headers=headers, allow_redirects=False) as response,
        ):
            if not 200 <= response.status < 300:
                raise ForwardingError(f"the URL responded {response.status}")

    return forward

"""Receives webhooks for the command line, and passes each event on to a command or a URL."""

import asyncio
import logging
import shlex
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager

import aiohttp
import typer
from aiohttp import web

from kaspi_delivery_async.cli.output import printable
from kaspi_delivery_async.cli.signals import stop_signals
from kaspi_delivery_async.cli.webhooks.text import emit_event
from kaspi_delivery_async.errors import ConfigurationError
from kaspi_delivery_async.models import DeliveryWebhook, to_json
from kaspi_delivery_async.webhooks import MemoryStore, WebhookInbox, WebhookVerifier

FORWARDING_LIMIT = 60.0
"""Seconds that a URL has for its answer."""

Handler = Callable[[DeliveryWebhook], Awaitable[None]]


class ForwardingError(Exception):
    """What an event was passed on to did not take it."""


async def serve(
    verifier: WebhookVerifier, *, store: str | None, command: str | None, url: str | None, port: int, as_json: bool
) -> None:
    """Receive until a signal comes. Raises `ConfigurationError` if that cannot begin."""
    forward = _forwarding(command, url)
    unshown: list[BaseException] = []

    async def handle(event: DeliveryWebhook) -> None:
        await forward(event)
        try:
            emit_event(event, as_json=as_json)
        except (OSError, SystemExit) as error:  # rich exits where nobody reads
            # The event was taken, and must not be passed on again.
            unshown.append(error)
            stopped.set()

    inbox = WebhookInbox(verifier, store=store or MemoryStore(), handler=handle)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", inbox.aiohttp)
    app.cleanup_ctx.append(inbox.cleanup_ctx)
    runner = web.AppRunner(app, access_log=None)
    with _brief_notes(), stop_signals() as stopped:
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            typer.echo(f"Listening on http://127.0.0.1:{runner.addresses[0][1]}/ (Ctrl-C ends it)", err=True)
            await stopped.wait()
        except OSError as error:
            raise ConfigurationError(f"port {port} cannot be listened on: {error.strerror}") from None
        finally:
            await runner.cleanup()
    if unshown:
        raise unshown[0]


class _Notes(logging.Handler):
    """Writes the inbox's log to stderr, a line each: what a command does wrong, our stack does not tell."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        reason = f": {type(error).__name__}: {error}" if error else ""
        typer.echo(printable(f"{record.getMessage()}{reason}"), err=True)


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
    return _to_nobody if url is None else _to_url(url)


async def _to_nobody(_event: DeliveryWebhook) -> None:
    """Pass an event on to nobody: it is shown, and that is all."""


def _to_command(command: str) -> Handler:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigurationError(f"--command cannot be read: {error}") from None
    if not words:
        raise ConfigurationError("--command names no command")

    async def forward(event: DeliveryWebhook) -> None:
        process = await asyncio.create_subprocess_exec(*words, stdin=asyncio.subprocess.PIPE)
        try:
            await process.communicate(to_json(event))
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
                raise ForwardingError(f"the URL answered {response.status}")

    return forward

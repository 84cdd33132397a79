"""What the pytest fixtures are made of; the plugin itself is ``kaspi_delivery_pytest``, beside the package."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

import attrs
from aiohttp import web

from kaspi_delivery_async.client import DeliveryClient
from kaspi_delivery_async.errors import WebhookVerificationError
from kaspi_delivery_async.instrumentation import CallDetails, LogOutput
from kaspi_delivery_async.models import DeliveryWebhook
from kaspi_delivery_async.sandbox import ThreadedSandbox
from kaspi_delivery_async.webhooks import WebhookVerifier
from kaspi_delivery_async.webhooks.receivers.loopback import serve_on_loopback

_SHOWN = 50  # requests and attempts in a report, each
_PATIENCE = 5.0  # seconds to close connections on another thread's event loop


@attrs.define
class ReceivedWebhooks:
    """The sandbox's webhooks as a receiver of yours would see them."""

    url: str
    """Where they are received; the sandbox has it registered."""
    events: list[DeliveryWebhook] = attrs.field(factory=list["DeliveryWebhook"])
    """Those whose signature was right, in order of arrival; wait for them with ``kaspi_sandbox.drain_webhooks()``."""
    refused: list[str] = attrs.field(factory=list[str])
    """Why others were refused: their `WebhookVerificationError.reason`."""


@attrs.define
class _Loops:
    """Notes the event loops on which a client was called: it has a session on each."""

    seen: set[asyncio.AbstractEventLoop] = attrs.field(factory=set[asyncio.AbstractEventLoop])

    def call_started(self, call: CallDetails) -> None:  # the protocol's
        self.seen.add(asyncio.get_running_loop())


@contextmanager
def client_of(sandbox: ThreadedSandbox) -> Generator[DeliveryClient]:
    """Yield a client of a sandbox, and close what it opened on every event loop that is still there."""
    loops = _Loops()
    client = DeliveryClient(sandbox.api_key, base_url=sandbox.base_url, instrumentation=[LogOutput(), loops])
    try:
        yield client
    finally:
        for loop in loops.seen:
            _close(client, loop)


def _close(client: DeliveryClient, loop: asyncio.AbstractEventLoop) -> None:
    if loop.is_closed():
        return  # it closed the session when it ended
    if loop.is_running():
        asyncio.run_coroutine_threadsafe(client.aclose(), loop).result(_PATIENCE)
    else:
        loop.run_until_complete(client.aclose())


@contextmanager
def receiver_of(sandbox: ThreadedSandbox) -> Generator[ReceivedWebhooks]:
    """Receive the webhooks of a sandbox, on its own event loop, and verify them."""
    received = ReceivedWebhooks("")

    async def receive(request: web.Request) -> web.StreamResponse:
        verifier = WebhookVerifier([sandbox.webhook_secret])
        try:
            event = verifier.verify(await request.read(), request.headers, sandbox.clock.stamp())
        except WebhookVerificationError as error:
            received.refused.append(error.reason)
            return web.Response(status=401)
        received.events.append(event)
        return web.Response(status=204)

    server = serve_on_loopback(receive)
    received.url = sandbox.run(server.__aenter__())
    sandbox.webhook_url = received.url
    try:
        yield received
    finally:
        sandbox.webhook_url = None
        sandbox.run(server.__aexit__(None, None, None))


def activity(sandbox: ThreadedSandbox) -> str:
    """List what a sandbox saw: its newest requests and webhook attempts, a line each."""
    lines: list[str] = []
    for name, log in (("requests", sandbox.requests), ("webhook attempts", sandbox.webhook_attempts)):
        newest = log[-_SHOWN:]
        omitted = f", the newest {len(newest)} of them" if log.total > len(newest) else ""
        lines += [f"{log.total} {name}{omitted}:", *(f"  {entry}" for entry in newest)]
    return "\n".join(lines)

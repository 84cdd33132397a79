"""pytest fixtures over the sandbox, for synchronous tests and for those of any asyncio plugin.

``kaspi_sandbox`` is a running, empty sandbox; ``kaspi_client`` a client of it; ``kaspi_webhooks``
receives its events. Each test has its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest
from aiohttp import web

from kaspi_delivery_async.client import DeliveryClient
from kaspi_delivery_async.errors import WebhookVerificationError
from kaspi_delivery_async.sandbox.threaded import ThreadedSandbox
from kaspi_delivery_async.webhooks import WebhookVerifier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kaspi_delivery_async.models import DeliveryWebhook


@attrs.define
class ReceivedWebhooks:
    """The sandbox's webhooks as a receiver of yours would see them."""

    url: str
    """Where they are received; the sandbox has it registered."""
    events: list[DeliveryWebhook] = attrs.field(factory=list["DeliveryWebhook"])
    """Those whose signature was right, in order of arrival; wait for them with ``kaspi_sandbox.drain_webhooks()``."""
    refused: list[str] = attrs.field(factory=list[str])
    """Why others were refused, as `WebhookVerificationError.reason` tells."""


@pytest.fixture
def kaspi_sandbox() -> Iterator[ThreadedSandbox]:
    """Give a running sandbox without deliveries."""
    with ThreadedSandbox() as sandbox:
        yield sandbox


@pytest.fixture
def kaspi_client(kaspi_sandbox: ThreadedSandbox) -> DeliveryClient:
    """Give a client of ``kaspi_sandbox``; its connections close with the test's event loop."""
    return DeliveryClient(kaspi_sandbox.api_key, base_url=kaspi_sandbox.base_url)


@pytest.fixture
def kaspi_webhooks(kaspi_sandbox: ThreadedSandbox) -> Iterator[ReceivedWebhooks]:
    """Receive and verify the webhooks of ``kaspi_sandbox``."""
    verifier = WebhookVerifier([kaspi_sandbox.webhook_secret])

    async def receive(request: web.Request) -> web.Response:
        try:
            received.events.append(verifier.verify(await request.read(), request.headers))
        except WebhookVerificationError as error:
            received.refused.append(error.reason)
            return web.Response(status=401)
        return web.Response(status=204)

    async def serve() -> web.AppRunner:
        app = web.Application()
        app.router.add_post("/", receive)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    runner = kaspi_sandbox.run(serve())
    port = runner.addresses[0][1]
    received = ReceivedWebhooks(f"http://127.0.0.1:{port}/")
    kaspi_sandbox.webhook_url = received.url
    yield received
    kaspi_sandbox.webhook_url = None
    kaspi_sandbox.run(runner.cleanup())

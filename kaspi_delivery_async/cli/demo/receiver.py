"""Receives the demo's webhooks: verifies each, and hands what is genuine to the hub."""

from types import TracebackType
from typing import Self

from aiohttp import web

from kaspi_delivery_async.errors import WebhookVerificationError
from kaspi_delivery_async.tracking import StatusHub
from kaspi_delivery_async.webhooks import WebhookVerifier


class Receiver:
    """A web server on loopback for as long as its context lasts."""

    url: str
    """Where it receives; known inside the context."""
    verified: int
    """Genuine messages."""
    repeated: int
    """Those of them whose event was known already."""
    refused: int
    """Messages that are not to be trusted."""

    def __init__(self, verifier: WebhookVerifier, hub: StatusHub) -> None:
        """Describe a receiver; nothing listens yet."""
        self.verified = self.repeated = self.refused = 0
        self._verifier = verifier
        self._hub = hub
        self._seen: set[str] = set()
        self._runner = web.ServerRunner(web.Server(self._receive), shutdown_timeout=0.1)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _receive(self, request: web.BaseRequest) -> web.Response:
        try:
            event = self._verifier.verify(await request.read(), request.headers)
        except WebhookVerificationError:
            self.refused += 1
            return web.Response(status=400)
        self.verified += 1
        self.repeated += event.event_id in self._seen
        self._seen.add(event.event_id)
        self._hub.publish(event)
        return web.Response(status=204)

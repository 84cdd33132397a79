"""A receiver of webhooks written by hand, and twenty with one classic fault each; none uses the package."""

import asyncio
import hashlib
import hmac
import json
import time
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import web

SECRET = "whsec-of-the-exam"
ORDER = ("created", "accepted", "in_transit", "out_for_delivery", "delivered", "cancelled")


class Receiver:
    """What a careful integrator writes: each fault below replaces one of the methods."""

    def __init__(self) -> None:
        self.events: list[str] = []

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method != "POST":
            return web.Response(status=405)
        body = await self.read(request)
        timestamp, signature = self.header(request, "X-Kaspi-Timestamp"), self.header(request, "X-Kaspi-Signature")
        if not self.is_genuine(timestamp, signature, body) or not self.is_in_time(timestamp):
            return web.Response(status=401)
        try:
            event = json.loads(body)
            await self.take(event)
        except (KeyError, TypeError, ValueError) as error:
            return self.failed(error)
        return self.accepted(request)

    async def read(self, request: web.BaseRequest) -> bytes:
        try:
            return await request.read()
        except web.HTTPRequestEntityTooLarge:
            return b""

    def header(self, request: web.BaseRequest, name: str) -> str:
        values = request.headers.getall(name, [])
        return values[0] if len(values) == 1 else ""

    def is_genuine(self, timestamp: str, signature: str, body: bytes) -> bool:
        return timestamp.isdigit() and hmac.compare_digest(self.sign(timestamp, body), signature)

    def sign(self, timestamp: str, body: bytes) -> str:
        return hmac.new(SECRET.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()

    def is_in_time(self, timestamp: str) -> bool:
        return abs(time.time() - int(timestamp)) <= 300

    async def take(self, event: dict[str, Any]) -> None:
        if event["eventId"] not in self.events:
            _ = event["data"]["status"]
            self.events.append(event["eventId"])

    def failed(self, error: Exception) -> web.Response:
        return web.Response(status=400)

    def accepted(self, request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=204)


class SignsRewrittenJson(Receiver):
    def sign(self, timestamp: str, body: bytes) -> str:
        with suppress(ValueError, RecursionError):
            body = json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode()
        return super().sign(timestamp, body)


class ChecksNoSignature(Receiver):
    def is_genuine(self, timestamp: str, signature: str, body: bytes) -> bool:
        return timestamp.isdigit()


class ComparesTheBeginning(Receiver):
    def is_genuine(self, timestamp: str, signature: str, body: bytes) -> bool:
        return timestamp.isdigit() and signature != "" and self.sign(timestamp, body).startswith(signature)


class ChecksNoAge(Receiver):
    def is_in_time(self, timestamp: str) -> bool:
        return True


class RefusesDuplicates(Receiver):
    async def take(self, event: dict[str, Any]) -> None:
        if event["eventId"] in self.events:
            raise KeyError(event["eventId"])
        await super().take(event)


class LosesARace(Receiver):
    """Looks whether the event is there, then inserts it, as without a transaction."""

    async def take(self, event: dict[str, Any]) -> None:
        if event["eventId"] in self.events:
            return
        await asyncio.sleep(0.02)
        if event["eventId"] in self.events:
            raise KeyError(event["eventId"])
        await super().take(event)


class WorksBeforeItResponds(Receiver):
    async def take(self, event: dict[str, Any]) -> None:
        await super().take(event)
        await asyncio.sleep(7)


class RedirectsToTheSlash(Receiver):
    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if not request.path.endswith("/"):
            return web.Response(status=308, headers={"Location": f"{request.path}/"})
        return await super().__call__(request)


class TrustsTheOrder(Receiver):
    def __init__(self) -> None:
        super().__init__()
        self.ranks: dict[str, int] = {}

    async def take(self, event: dict[str, Any]) -> None:
        data = event["data"]
        rank = ORDER.index(data["status"]) if data["status"] in ORDER else 0
        if rank < self.ranks.setdefault(data["deliveryId"], rank):
            raise ValueError(rank)
        await super().take(event)


class ForgetsInTransit(Receiver):
    async def take(self, event: dict[str, Any]) -> None:
        if event["type"] == "delivery.in_transit":
            raise KeyError(event["type"])
        await super().take(event)


class WorksOneByOne(Receiver):
    def __init__(self) -> None:
        super().__init__()
        self.lock = asyncio.Lock()

    async def take(self, event: dict[str, Any]) -> None:
        async with self.lock:
            await asyncio.sleep(0.2)
        await super().take(event)


class TakesTheEventsTimeForItsAge(Receiver):
    async def take(self, event: dict[str, Any]) -> None:
        happened = time.mktime(time.strptime(event["data"]["timestamp"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
        if time.time() - happened > 300:
            raise ValueError(happened)
        await super().take(event)


class ReadsTheFirstPiece(Receiver):
    async def read(self, request: web.BaseRequest) -> bytes:
        body = await request.content.readany()
        await request.read()
        return body


class NeverEnds(Receiver):
    """Accepts, and streams a response without an end."""

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        response = await super().__call__(request)
        if response.status == 204:
            response = web.StreamResponse()
            await response.prepare(request)
            while True:
                await response.write(b"x" * 65536)
        return response


class ListsTheTypes(Receiver):
    async def take(self, event: dict[str, Any]) -> None:
        if event["data"]["status"] not in ORDER:
            raise ValueError(event["type"])
        await super().take(event)


class ShowsItsTraceback(Receiver):
    def failed(self, error: Exception) -> web.Response:
        return web.Response(status=400, text="".join(traceback.format_exception(error)))


class AcceptsGet(Receiver):
    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="it works") if request.method == "GET" else await super().__call__(request)


class AcceptsTheBodyAlone(Receiver):
    def is_genuine(self, timestamp: str, signature: str, body: bytes) -> bool:
        alone = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        return super().is_genuine(timestamp, signature, body) or (timestamp.isdigit() and alone == signature)


class RefusesWithA500(Receiver):
    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        response = await super().__call__(request)
        return response if response.status != 401 else web.Response(status=500)


class ShowsTheRightSignature(Receiver):
    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        response = await super().__call__(request)
        if response.status == 401:
            expected = self.sign(request.headers.get("X-Kaspi-Timestamp", ""), await self.read(request))
            return web.Response(status=401, text=f"expected {expected}")
        return response


class LimitsBodies(Receiver):
    async def read(self, request: web.BaseRequest) -> bytes:
        body = await super().read(request)
        return body if len(body) < 10_000 else b""


class KnowsEveryField(Receiver):
    async def take(self, event: dict[str, Any]) -> None:
        if event.keys() - {"eventId", "type", "attempt", "data"}:
            raise TypeError(event["type"])
        await super().take(event)


class ReadsHeadersAsTheyAreWritten(Receiver):
    def header(self, request: web.BaseRequest, name: str) -> str:
        return {key.decode(): value.decode() for key, value in request.raw_headers}.get(name, "")


Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def served(handler: Handler) -> AsyncGenerator[str]:
    """Serve on loopback, and yield the URL of the receiver."""
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=512).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks"
    finally:
        await runner.cleanup()

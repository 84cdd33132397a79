"""Where HTTP meets the sandbox: reads requests, sends them to the right API, records them, responds."""

import asyncio
import functools
import ipaddress
from collections.abc import Awaitable, Callable
from urllib.parse import unquote

import attrs
from aiohttp import web

from kaspi_delivery_async.sandbox.clock import Clock
from kaspi_delivery_async.sandbox.faults.selection import Faults
from kaspi_delivery_async.sandbox.http.delivery_api import DeliveryApi, route
from kaspi_delivery_async.sandbox.http.fault_effects import FaultEffects, respond
from kaspi_delivery_async.sandbox.http.messages import (
    MAX_BODY,
    HttpError,
    HttpRequest,
    HttpResponse,
    bad_request,
    error_response,
    not_found,
)
from kaspi_delivery_async.sandbox.state.logs import Log, RecordedRequest

API_ROOT = "delivery"
CONTROL_ROOT = "_sandbox"


class _Protocol(web.RequestHandler):
    """Answers what is not even HTTP in the API's own form."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 - the signature is aiohttp's
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it quotes what came, which may be anything
    ) -> web.StreamResponse:
        refused = HttpError(status, "bad_request", "this is not valid HTTP")
        if status >= 500:
            self.log_exception("The sandbox itself failed", exc_info=exc)
            refused = HttpError(status, "internal_error", "the sandbox itself failed; its log tells why")
        response = respond(error_response(refused))
        response.force_close()
        return response


class SandboxServer(web.Server):
    """An aiohttp server that refuses malformed HTTP as JSON."""

    def __call__(self) -> web.RequestHandler:
        """Make the protocol of one connection."""
        return _Protocol(self, loop=asyncio.get_running_loop())


@attrs.frozen(kw_only=True)
class Router:
    """Handles each request of either API."""

    api: DeliveryApi
    control: Callable[[HttpRequest], Awaitable[HttpResponse]]
    faults: Faults
    effects: FaultEffects
    log: Log[RecordedRequest]
    clock: Clock
    remote_control: bool
    """Whether callers on other machines may use the control API."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Respond to a request."""
        try:
            body = await _read(request)
        except HttpError as error:
            return respond(error_response(error))
        except ConnectionError:
            return web.Response()  # the client has gone: nobody reads this
        url = request.rel_url
        _, root, *rest = f"{url.raw_path}/".split("/")
        received = HttpRequest(
            method=request.method,
            segments=tuple(unquote(segment) for segment in rest[:-1]),
            query={name: tuple(url.query.getall(name)) for name in url.query} if url.raw_query_string else {},
            headers=request.headers,
            body=body,
        )
        if root == API_ROOT:
            return await self._deliver(request, received)
        if root != CONTROL_ROOT:
            return respond(error_response(not_found(f"there is nothing here: the API is under /{API_ROOT}/v1")))
        if not self.remote_control and not _is_local(request):
            return respond(error_response(HttpError(403, "forbidden", "the control API answers this machine only")))
        return respond(await self.control(received))

    async def _deliver(self, connection: web.BaseRequest, request: HttpRequest) -> web.StreamResponse:
        routed = route(request.segments)
        operation = routed[0] if routed and routed[1] == request.method else None
        seen = functools.partial(
            RecordedRequest,
            at=self.clock.now(),
            method=request.method,
            path=connection.raw_path,
            headers=request.headers,
            body=request.body,
            operation=operation,
        )
        happening = self.faults.pick(operation) if operation else None
        if happening is None:
            answered = self.api.respond(request)
            self.log.append(seen(status=answered.status))
            return respond(answered)
        fault = str(happening.fault)
        number = self.log.append(seen(fault=fault))
        status, response = await self.effects.respond(happening, connection, lambda: self.api.respond(request))
        self.log.replace(number, seen(status=status, fault=fault))
        return response


async def _read(request: web.BaseRequest) -> bytes:
    """Read the body.

    Raises:
        HttpError: 413 if it is longer than 1 MiB, 400 if it cannot be decoded.
        ConnectionError: The client has gone.

    """
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise HttpError(413, "payload_too_large", f"a body has at most {MAX_BODY} bytes") from None
    except web.RequestPayloadError:
        raise bad_request("the body cannot be read: its encoding or framing is broken") from None


def _is_local(request: web.BaseRequest) -> bool:
    try:
        return ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        return False

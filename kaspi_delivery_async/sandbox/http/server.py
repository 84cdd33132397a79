"""The HTTP server: reads requests, sends them to the right API, records them, responds."""

import asyncio
import functools
import ipaddress
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from urllib.parse import unquote

import attrs
from aiohttp import hdrs, web

from kaspi_delivery_async.sandbox.assumptions import Assumptions
from kaspi_delivery_async.sandbox.clock import Clock
from kaspi_delivery_async.sandbox.faults.selection import Faults
from kaspi_delivery_async.sandbox.http.access import Source, check_source
from kaspi_delivery_async.sandbox.http.delivery_api import REPLAYED, DeliveryApi
from kaspi_delivery_async.sandbox.http.fault_effects import FaultEffects, reset_connection, respond
from kaspi_delivery_async.sandbox.http.messages import (
    MAX_BODY,
    HttpError,
    HttpRequest,
    HttpResponse,
    bad_request,
    error_response,
    not_found,
)
from kaspi_delivery_async.sandbox.routes import route_of
from kaspi_delivery_async.sandbox.state.logs import Log, RecordedRequest

API_ROOT = "delivery"
CONTROL_ROOT = "_sandbox"

_KNOWN_HOSTS = 100  # that are remembered to be ours


class _Protocol(web.RequestHandler):
    """Responds to what is not even HTTP in the API's own form."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,  # the signature is aiohttp's
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # it quotes what came, which may be anything
    ) -> web.StreamResponse:
        refused = HttpError(status, "bad_request", "this is not valid HTTP")
        if status >= 500:
            self.log_exception("The sandbox itself failed", exc_info=exc)
            refused = HttpError(status, "internal_error", "the sandbox itself failed; its log says why")
        response = respond(error_response(refused))
        response.force_close()
        return response


@attrs.frozen(kw_only=True)
class Router:
    """Handles each request of either API."""

    api: DeliveryApi
    control: Callable[[HttpRequest], Awaitable[HttpResponse]]
    faults: Faults
    effects: FaultEffects
    log: Log[RecordedRequest]
    clock: Clock
    assumptions: Assumptions
    remote_control: bool
    """Whether callers on other machines may use the control API."""
    allowed_hosts: frozenset[str]
    """Names by which the sandbox is known, beside those of loopback."""
    _ours: set[str] = attrs.field(factory=set[str], init=False)
    """``Host`` headers that were found to be ours."""
    streams: set[asyncio.Task[object] | None] = attrs.field(factory=set["asyncio.Task[object] | None"], init=False)
    """What sends responses without an end."""
    _in_flight: set[tuple[str, str]] = attrs.field(factory=set[tuple[str, str]], init=False)
    """Idempotency keys whose first request a fault holds back."""

    async def handle(self, connection: web.BaseRequest) -> web.StreamResponse:
        """Respond to a request."""
        era = self.effects.era
        try:
            self._check_source(connection)
        except HttpError as error:
            return respond(error_response(error))
        body, unread = b"", None
        try:
            body = await _read(connection)
        except HttpError as error:
            unread = error
        except ConnectionError:
            return web.Response()  # the client has gone: nobody reads this
        if era.forgotten:
            return reset_connection(connection)
        url = connection.rel_url
        _, root, *rest = f"{url.raw_path}/".split("/")
        if root != CONTROL_ROOT and (unread is not None or root != API_ROOT):
            message = f"there is nothing here: the Delivery API is at /{API_ROOT}, the control API at /{CONTROL_ROOT}/"
            return self._refuse(connection, body, unread or not_found(message))
        if unread is not None:
            return respond(error_response(unread))
        request = HttpRequest(
            method=connection.method,
            segments=tuple(unquote(segment) for segment in rest[:-1]),
            query={name: tuple(url.query.getall(name)) for name in url.query} if url.raw_query_string else {},
            headers=connection.headers,
            body=body,
        )
        if root == API_ROOT:
            return await self._deliver(connection, request)
        if not self.remote_control and not _is_local(connection):
            message = "the control API responds to this machine only, unless `remote_control` lets others in"
            return respond(error_response(HttpError(403, "forbidden", message)))
        response = await self.control(request)
        if response.stream is None:
            return respond(response)
        return await self._stream(connection, response, response.stream)

    async def _stream(
        self, connection: web.BaseRequest, response: HttpResponse, stream: AsyncGenerator[bytes]
    ) -> web.StreamResponse:
        headers = {"Content-Type": response.content_type, "Cache-Control": "no-store"}
        sent = web.StreamResponse(status=response.status, headers=headers)
        task = asyncio.current_task()
        self.streams.add(task)
        try:
            async with aclosing(stream):
                await sent.prepare(connection)
                async for piece in stream:
                    await sent.write(piece)
        except ConnectionError:
            pass  # the client has gone
        finally:
            self.streams.discard(task)
        return sent

    def _refuse(self, connection: web.BaseRequest, body: bytes, error: HttpError) -> web.StreamResponse:
        """Refuse and record a request that reaches no operation, so that its sender finds the mistake."""
        seen = RecordedRequest(
            at=self.clock.now(), method=connection.method, path=connection.raw_path, headers=connection.headers,
            body=body, operation=None, status=error.status,
        )  # fmt: skip
        self.log.append(seen)
        return respond(error_response(error))

    async def _deliver(self, connection: web.BaseRequest, request: HttpRequest) -> web.StreamResponse:
        route = route_of(request.method, request.segments)
        operation = None if route is None else route.operation
        seen = functools.partial(
            RecordedRequest,
            at=self.clock.now(),
            method=request.method,
            path=connection.raw_path,
            headers=request.headers,
            body=request.body,
            operation=operation,
        )
        key = self.api.key_of(request)
        if self.assumptions.key_in_flight == "conflict" and key in self._in_flight:
            response = self.api.refuse_in_flight(request)
            self.log.append(seen(status=response.status))
            return respond(response)
        sent_key = request.headers.get("Idempotency-Key")
        happening = operation and self.faults.pick(
            operation,
            who=(request.headers.get("x-api-key"), request.method, connection.raw_path, sent_key),
            order=self.api.order_of(request) if self.faults.are_aimed_at_orders else None,
            key=sent_key,
        )
        if not happening:
            response = self.api.respond(request)
            self.log.append(seen(status=response.status, replayed=REPLAYED in response.headers))
            return respond(response)

        def handle() -> HttpResponse:
            self._in_flight.discard(key or ("", ""))
            return self.api.respond(request)

        era, fault = self.effects.era, happening.text
        number = self.log.append(seen(fault=fault), final=False)
        if key is not None:
            self._in_flight.add(key)
        try:
            status, sent = await self.effects.respond(
                happening, connection, handle, lambda response: self.api.failed(request, response)
            )
        finally:
            self._in_flight.discard(key or ("", ""))
        if not era.forgotten:
            self.log.replace(number, seen(status=status, replayed=REPLAYED[0] in sent.headers, fault=fault))
        return sent

    def _check_source(self, connection: web.BaseRequest) -> None:
        headers = connection.headers
        hosts = headers.getall(hdrs.HOST, [])
        from_page = hdrs.ORIGIN in headers or "Sec-Fetch-Site" in headers
        if len(hosts) == 1 and hosts[0] in self._ours and not from_page:
            return
        address, port, *_ = connection.get_extra_info("sockname", ("", 0))  # none once the client has gone
        source = Source(
            hosts=hosts, origins=headers.getall(hdrs.ORIGIN, []), fetch_sites=headers.getall("Sec-Fetch-Site", []),
            address=address, port=port,
        )  # fmt: skip
        check_source(source, names=self.allowed_hosts)
        if len(self._ours) < _KNOWN_HOSTS:
            self._ours.add(hosts[0])


class SandboxServer(web.Server):
    """An aiohttp server that refuses malformed HTTP as JSON, and ends responses without an end when it stops."""

    def __init__(self, router: Router) -> None:
        super().__init__(router.handle)
        self._router = router

    def __call__(self) -> web.RequestHandler:
        """Make the protocol of one connection."""
        return _Protocol(self, loop=asyncio.get_running_loop())

    def pre_shutdown(self) -> None:
        """Begin to stop."""
        super().pre_shutdown()
        for task in filter(None, self._router.streams):
            task.cancel()


async def _read(connection: web.BaseRequest) -> bytes:
    """Read the body.

    Raises:
        HttpError: 413 if it is longer than 1 MiB, 400 if it cannot be decoded.
        ConnectionError: The client has gone.

    """
    if connection.headers.get("Expect", "").lower() == "100-continue":
        await connection.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.writer.output_size = 0
    try:
        return await connection.read()
    except web.HTTPRequestEntityTooLarge:
        raise HttpError(413, "payload_too_large", f"a body has at most {MAX_BODY} bytes") from None
    except web.RequestPayloadError:
        raise bad_request("the body cannot be read: its encoding or framing is broken") from None


def _is_local(connection: web.BaseRequest) -> bool:
    try:
        return ipaddress.ip_address(connection.remote or "").is_loopback
    except ValueError:
        return False

"""Makes faults happen to requests: the one place that delays, falsifies or cuts a response."""

import asyncio
import email.utils
import http.client
import math
import socket
import struct
from collections.abc import Callable
from typing import Any, cast

import attrs
from aiohttp import web

from kaspi_delivery_async.sandbox import wire_format
from kaspi_delivery_async.sandbox.faults.fault import Fault, FaultKind
from kaspi_delivery_async.sandbox.faults.selection import Happening
from kaspi_delivery_async.sandbox.http.delivery_api import REPLAYED
from kaspi_delivery_async.sandbox.http.messages import HttpResponse, json_response

_CODES = {401: "unauthorized", 403: "forbidden", 409: "conflict", 429: "rate_limited"}
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_LOOK_AROUND = 1.0  # seconds between looks at whether a stalled client is still there


@attrs.define(eq=False)
class Era:
    """The time between two resets: what began in one has no effect in the next."""

    over: asyncio.Event = attrs.field(factory=asyncio.Event)
    """Ends every wait."""
    forgotten: bool = False
    """Whether it ended by a reset rather than by the sandbox's end."""


def failed_response(happening: Happening, *, wall: float) -> HttpResponse:
    """Write the response of a status or rate limit fault; ``wall`` is the client's time of day in Unix seconds."""
    fault = happening.fault
    status = 429 if fault.kind is FaultKind.RATE_LIMIT else fault.status or 503
    headers: tuple[tuple[str, str], ...] = ()
    wait = happening.retry_after
    if wait is not None:
        as_date = fault.retry_after_as == "date"
        named = email.utils.formatdate(math.ceil(wall) + wait, usegmt=True) if as_date else str(wait)
        headers = (("Retry-After", named),)
    if fault.replay:
        headers = (*headers, REPLAYED)
    reason = http.client.responses.get(status, "Error")
    if fault.body == "html":
        page = f"<html><head><title>{status} {reason}</title></head><body><h1>{status} {reason}</h1></body></html>"
        return HttpResponse(status=status, body=page.encode(), headers=headers, content_type="text/html; charset=utf-8")
    if fault.body == "empty":
        return HttpResponse(status=status, body=b"", headers=headers)
    code = _CODES.get(status, "server_error" if status >= 500 else "bad_request")
    return json_response(status, {"code": code, "message": f"{reason} (a fault of the sandbox)"}, headers=headers)


def falsified(response: HttpResponse, fault: Fault) -> HttpResponse:
    """Write a successful response without a field, or with a status that no page describes."""
    if not 200 <= response.status < 300:
        return response
    body = cast("dict[str, Any]", wire_format.loads(response.body))
    *parents, name = (fault.field or "status").split(".")
    place: dict[str, Any] = body
    for parent in parents:
        nested = place.get(parent)
        place = cast("dict[str, Any]", nested) if isinstance(nested, dict) else {}
    if name in place:
        if fault.kind is FaultKind.WITHOUT:
            del place[name]
        else:
            place[name] = fault.value
    return attrs.evolve(response, body=wire_format.dumps(body))


def respond(response: HttpResponse) -> web.Response:
    """Hand a response to aiohttp."""
    headers = {"Content-Type": response.content_type}
    headers.update(response.headers)
    return web.Response(status=response.status, body=response.body, headers=headers)


def reset_connection(request: web.BaseRequest) -> web.StreamResponse:
    """Reset the connection of a request instead of responding."""
    transport = request.transport
    if transport is not None:
        # Without lingering, closing sends RST: the client sees a reset, not an orderly end.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    return web.Response()


class FaultEffects:
    """Makes faults happen until the sandbox stops or is reset, which ends every wait at once."""

    def __init__(self, *, wall: Callable[[], float]) -> None:
        """``wall`` returns the client's time of day in Unix seconds."""
        self._wall = wall
        self.era: Era = Era()

    def stop(self) -> None:
        """End all waits; requests that were delayed are handled now."""
        self.era.over.set()

    def reset(self) -> None:
        """End all waits; requests that were delayed are not handled any more."""
        old, self.era = self.era, Era()
        old.forgotten = True
        old.over.set()

    async def respond(
        self,
        happening: Happening,
        request: web.BaseRequest,
        handle: Callable[[], HttpResponse],
        failed: Callable[[HttpResponse], HttpResponse],
    ) -> tuple[int | None, web.StreamResponse]:
        """Respond to a request as its fault says.

        Args:
            happening: What goes wrong.
            request: The request.
            handle: Handles it, and returns the response that it would have had.
            failed: Takes a response that is given instead, and returns what is sent of it.

        Returns:
            The status that the client was shown, ``None`` for none, and the response to finish with.

        """
        era, fault = self.era, happening.fault
        if happening.seconds > 0:
            await self._pause(era, happening.seconds)
        if fault.kind is FaultKind.STALL and not era.forgotten:
            await self._stall(era, request, fault.seconds)
        if era.forgotten or fault.kind in {FaultKind.STALL, FaultKind.DROP_BEFORE}:
            return None, reset_connection(request)
        if fault.kind in {FaultKind.STATUS, FaultKind.RATE_LIMIT}:
            response = failed(failed_response(happening, wall=self._wall()))
            return response.status, respond(response)
        response = handle()
        match fault.kind:
            case FaultKind.COMMIT_THEN_DROP:
                return None, reset_connection(request)
            case FaultKind.COMMIT_THEN_STALL:
                await self._stall(era, request, fault.seconds)
                return None, reset_connection(request)
            case FaultKind.TRUNCATE:
                return response.status, await _truncated(request, response)
            case FaultKind.WITHOUT | FaultKind.UNKNOWN_STATUS:
                response = falsified(response, fault)
            case _:
                pass
        return response.status, respond(response)

    async def _pause(self, era: Era, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await era.over.wait()
        except TimeoutError:
            return

    async def _stall(self, era: Era, request: web.BaseRequest, seconds: float | None) -> None:
        clock = asyncio.get_running_loop().time
        end = math.inf if seconds is None else clock() + seconds
        while request.transport is not None and not era.over.is_set() and clock() < end:
            await self._pause(era, min(_LOOK_AROUND, end - clock()))


async def _truncated(request: web.BaseRequest, response: HttpResponse) -> web.StreamResponse:
    sent = web.StreamResponse(status=response.status, headers=dict(response.headers))
    sent.content_type = "application/json"
    sent.content_length = len(response.body)
    sent.force_close()
    await sent.prepare(request)
    await sent.write(response.body[: len(response.body) // 2])
    return sent

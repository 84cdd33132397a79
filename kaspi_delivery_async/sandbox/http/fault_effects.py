"""Makes faults happen to requests: the one place that delays, falsifies or cuts an answer."""

import asyncio
import email.utils
import http.client
import math
import socket
import struct
from collections.abc import Callable

from aiohttp import web

from kaspi_delivery_async.sandbox.faults.fault import FaultKind
from kaspi_delivery_async.sandbox.faults.selection import Happening
from kaspi_delivery_async.sandbox.http.delivery_api import REPLAYED
from kaspi_delivery_async.sandbox.http.messages import HttpResponse, json_response

_CODES = {401: "unauthorized", 403: "forbidden", 409: "conflict", 429: "rate_limited"}
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_LOOK_AROUND = 1.0  # seconds between looks at whether a stalled client is still there


def failed_answer(happening: Happening, *, wall: float) -> HttpResponse:
    """Write the answer of a status or rate limit fault; ``wall`` is the client's time of day in Unix seconds."""
    fault = happening.fault
    status = 429 if fault.kind is FaultKind.RATE_LIMIT else fault.status or 503
    headers: tuple[tuple[str, str], ...] = ()
    wait = max(1, math.ceil(happening.wait)) if fault.kind is FaultKind.RATE_LIMIT else fault.retry_after
    if wait is not None:
        told = (
            email.utils.formatdate(math.ceil(wall) + wait, usegmt=True) if fault.retry_after_as == "date" else str(wait)
        )
        headers = (("Retry-After", told),)
    if fault.replay:
        headers = (*headers, REPLAYED)
    reason = http.client.responses.get(status, "Error")
    if fault.body == "html":
        page = f"<html><head><title>{status} {reason}</title></head><body><h1>{status} {reason}</h1></body></html>"
        return HttpResponse(status=status, body=page.encode(), headers=headers, content_type="text/html; charset=utf-8")
    code = _CODES.get(status, "server_error" if status >= 500 else "bad_request")
    return json_response(status, {"code": code, "message": f"{reason} (a fault of the sandbox)"}, headers=headers)


def respond(answered: HttpResponse) -> web.Response:
    """Turn an answer into a response."""
    headers = {"Content-Type": answered.content_type}
    headers.update(answered.headers)
    return web.Response(status=answered.status, body=answered.body, headers=headers)


class FaultEffects:
    """Makes faults happen until the sandbox stops, which ends every wait at once."""

    def __init__(self, *, wall: Callable[[], float]) -> None:
        """``wall`` tells the client's time of day in Unix seconds."""
        self._wall = wall
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End all waits."""
        self._stopping.set()

    async def respond(
        self, happening: Happening, request: web.BaseRequest, handle: Callable[[], HttpResponse]
    ) -> tuple[int | None, web.StreamResponse]:
        """Respond to a request as its fault says; ``handle`` does what was asked.

        Returns:
            The status that the client was shown, ``None`` for none, and the response to finish with.

        """
        fault = happening.fault
        match fault.kind:
            case FaultKind.LATENCY:
                await self._pause(fault.seconds or 0.0)
            case FaultKind.STALL:
                await self._stall(request, fault.seconds)
                return self._reset(request)
            case FaultKind.DROP_BEFORE:
                return self._reset(request)
            case FaultKind.COMMIT_THEN_DROP:
                handle()
                return self._reset(request)
            case FaultKind.TRUNCATE:
                return await self._truncate(request, handle())
            case _:
                failed = failed_answer(happening, wall=self._wall())
                return failed.status, respond(failed)
        answered = handle()
        return answered.status, respond(answered)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _stall(self, request: web.BaseRequest, seconds: float | None) -> None:
        clock = asyncio.get_running_loop().time
        end = math.inf if seconds is None else clock() + seconds
        while request.transport is not None and not self._stopping.is_set() and clock() < end:
            await self._pause(min(_LOOK_AROUND, end - clock()))

    def _reset(self, request: web.BaseRequest) -> tuple[None, web.StreamResponse]:
        transport = request.transport
        if transport is not None:
            # Without lingering, closing sends RST: the client sees a reset, not an orderly end.
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            transport.abort()
        return None, web.Response()

    async def _truncate(self, request: web.BaseRequest, answered: HttpResponse) -> tuple[int, web.StreamResponse]:
        response = web.StreamResponse(status=answered.status, headers=dict(answered.headers))
        response.content_type = "application/json"
        response.content_length = len(answered.body)
        response.force_close()
        await response.prepare(request)
        await response.write(answered.body[: len(answered.body) // 2])
        return answered.status, response

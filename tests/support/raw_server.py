"""An HTTP server for what no HTTP library does: it plays scripted misbehaviour on real sockets."""

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import chain, repeat
from ssl import SSLContext
from types import TracebackType
from typing import Self

import attrs

GOOD_BODY = json.dumps(
    {"deliveryId": "dlv_1", "status": "created", "eventId": "wh_1", "trackingUrl": "https://track.kaspi.kz/dlv_1"}
).encode()
"""Good for every operation: each reads what it knows."""


@attrs.frozen
class Request:
    """What a client sent."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@attrs.frozen
class Exchange:
    """One accepted connection's turn; a play responds, or does not."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    requests: list[Request]

    async def read(self) -> Request:
        """Read the whole request and remember it."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        request = Request(method, path, headers, body)
        self.requests.append(request)
        return request

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        connection: socket.socket = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Play = Callable[[Exchange], Awaitable[None]]


class RawServer:
    """Plays its script, one play a request, the last one for ever."""

    def __init__(self, script: Iterable[Play], *, ssl: SSLContext | None = None, port: int = 0) -> None:
        self._ssl = ssl
        self._port = port
        *plays, last = script
        self._script: Iterator[Play] = chain(plays, repeat(last))
        self.requests: list[Request] = []
        """Every request that was read to its end."""
        self._closing = False
        self._handlers: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port, ssl=self._ssl)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.base_url = f"{'http' if self._ssl is None else 'https'}://127.0.0.1:{self.port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing = True
        self._server.close()
        handlers = dict(self._handlers)
        for handler, writer in handlers.items():
            handler.cancel()
            writer.close()  # a handler that has not begun to run cannot do it
        await asyncio.gather(*handlers, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closing:
            writer.transport.abort()
            return
        handler = asyncio.create_task(self._serve(reader, writer))
        self._handlers[handler] = writer
        handler.add_done_callback(self._handlers.pop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not writer.is_closing() and not reader.at_eof():
                await next(self._script)(Exchange(reader, writer, self.requests))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client hung up
        finally:
            writer.close()

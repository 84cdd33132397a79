"""A TCP proxy on loopback that cuts connections, or keeps them open and swallows what is sent over them."""

import asyncio
import math
import socket
import struct
from collections.abc import Callable
from typing import Self
from urllib.parse import urlsplit, urlunsplit

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""A value of SO_LINGER."""


class FaultyProxy:
    """Passes bytes on, until it is to fail; an asynchronous context manager."""

    def __init__(self, port: int = 0, *, change: Callable[[bytes], bytes] = bytes) -> None:
        """Lead to a port of this machine, or refuse connections while it is 0.

        ``change`` is called with all that the server sends.
        """
        self.target_port = port
        self.port = 0
        self._change = change
        self._served: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self._born = 0
        self._silent_before = 0.0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._served, return_exceptions=True)

    def cut(self) -> None:
        """Reset all connections; new ones are served."""
        for writer in self._writers:
            connection: socket.socket = writer.get_extra_info("socket")
            if connection.fileno() >= 0:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            writer.transport.abort()

    def silence(self, *, new: bool = False) -> None:
        """Keep all connections open, and pass nothing on any more; new ones are served, or silent too until `heal`."""
        self._silent_before = math.inf if new else self._born

    def heal(self) -> None:
        """Serve new connections."""
        self._silent_before = self._born

    def url(self, direct: str) -> str:
        """Return the URL that leads through the proxy to the server of another URL."""
        parts = urlsplit(direct)
        user = f"{parts.username}@" if parts.username else ""
        return urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{self.port}"))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.current_task()
        assert serving is not None
        self._served.add(serving)
        writers = [writer]
        try:
            async with asyncio.timeout(5):
                from_server, to_server = await asyncio.open_connection("127.0.0.1", self.target_port)
            writers.append(to_server)
            if not self._server.is_serving():
                return  # it came too late to be cut off with the others
            self._writers += writers
            self._born += 1
            born = self._born
            passing = [
                asyncio.create_task(self._pass_on(reader, to_server, born, bytes)),
                asyncio.create_task(self._pass_on(from_server, writer, born, self._change)),
            ]
            await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
            for task in passing:
                task.cancel()
            await asyncio.wait(passing)
        except OSError:
            pass
        finally:
            for each in writers:
                each.transport.abort()
            self._writers = [each for each in self._writers if each not in writers]
            self._served.discard(serving)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, born: int, change: Callable[[bytes], bytes]
    ) -> None:
        try:
            while data := await reader.read(65536):
                if born > self._silent_before:
                    writer.write(change(data))
            await writer.drain()
        except OSError:
            pass

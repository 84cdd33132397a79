"""An event loop whose connections get responses from memory: clients run unchanged, without a system call for I/O."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

from benchmarks.servers.fixed_responses import Conversation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BASE_URL = "http://127.0.0.1:9"


class MemoryLoop(asyncio.SelectorEventLoop):
    """Connects every client to the fixed responses, whatever the address."""

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Leave the socket alone: aiohttp connects one before it asks for a connection over it."""

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.Protocol],
        *_address: Any,
        sock: socket.socket | None = None,
        **_options: Any,
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """Give the protocol a connection over memory."""
        if sock is not None:
            sock.close()
        protocol = protocol_factory()
        transport = MemoryTransport(self, protocol)
        protocol.connection_made(transport)
        return transport, protocol


class MemoryTransport(asyncio.Transport):
    """Responds to a request as soon as it is complete; the protocol receives the response in the loop's next turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._loop = loop
        self._protocol = protocol
        self._conversation = Conversation()
        # httpx polls the socket of an idle connection, to see whether the server has closed it.
        self._silent, self._peer = socket.socketpair()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Show a socket over which nothing ever comes."""
        return self._silent if name == "socket" else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Respond."""
        for response in self._conversation.responses(bytes(data)):
            self._loop.call_soon(self._protocol.data_received, response)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Respond to what is written in one piece, as a socket takes it."""
        self.write(b"".join(list_of_data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing: what is written does not wait."""

    def pause_reading(self) -> None:
        """Do nothing: there is never more than one response."""

    def resume_reading(self) -> None:
        """Do nothing, likewise."""

    def is_closing(self) -> bool:
        """Return whether it was closed."""
        return self._silent.fileno() < 0

    def close(self) -> None:
        """Report the end of the connection to the protocol."""
        if not self.is_closing():
            self._silent.close()
            self._peer.close()
            self._loop.call_soon(self._protocol.connection_lost, None)

    abort = close

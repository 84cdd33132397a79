"""A server that always sends the same response, as fast as asyncio can.

``python -m benchmarks.servers.fixed_responses DELAY`` prints its port.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, cast

from benchmarks.contestants.samples import CREATED_BYTES, DELIVERY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def http_response(status: bytes, body: bytes) -> bytes:
    """Write a response as it goes over the wire."""
    return b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


CREATED = http_response(b"201 Created", CREATED_BYTES)
DELIVERY = http_response(b"200 OK", DELIVERY_BYTES)


class Conversation:
    """The responses on one connection: a created delivery to a POST, a whole one to anything else."""

    def __init__(self) -> None:
        self._buffer = b""

    def responses(self, data: bytes) -> Iterator[bytes]:
        """Take received bytes, and yield a response to every request that is complete."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            _, _, length = head.partition(b"\r\ncontent-length:")
            size = end + 4 + int(length.partition(b"\r\n")[0] or 0)
            if len(self._buffer) < size:
                return
            self._buffer = self._buffer[size:]
            yield self.response(head)

    def response(self, head: bytes) -> bytes:
        """Return the response to a request with this head, in lower case."""
        return CREATED if head.startswith(b"post") else DELIVERY


class Responder(asyncio.Protocol):
    """Responds to every request of a conversation, ``delay`` seconds later."""

    transport: asyncio.Transport

    def __init__(self, delay: float, conversation: Conversation) -> None:
        self.delay = delay
        self.conversation = conversation

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Respond now or later."""
        for text in self.conversation.responses(data):
            if self.delay:
                asyncio.get_running_loop().call_later(self.delay, self.transport.write, text)
            else:
                self.transport.write(text)


async def serve(
    report_port: Callable[[int], object], *, delay: float = 0.0, conversation: Callable[[], Conversation] = Conversation
) -> None:
    """Serve until the process ends; ``report_port`` is called with the port."""
    server = await asyncio.get_running_loop().create_server(lambda: Responder(delay, conversation()), "127.0.0.1", 0)
    report_port(server.sockets[0].getsockname()[1])
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(lambda port: print(port, flush=True), delay=float(sys.argv[1])))

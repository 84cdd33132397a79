"""A server that always sends the same response, as fast as asyncio can.

``python -m benchmarks.servers.fixed_responses DELAY`` prints its port.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, cast

from benchmarks.contestants.samples import CREATED_BYTES, DELIVERY_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator


def answer(status: bytes, body: bytes) -> bytes:
    """Write an answer as it goes over the wire."""
    return b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


CREATED = answer(b"201 Created", CREATED_BYTES)
DELIVERY = answer(b"200 OK", DELIVERY_BYTES)


class Conversation:
    """What is said over one connection: a POST is answered with a created delivery, anything else with a whole one."""

    def __init__(self) -> None:
        self._buffer = b""

    def answers(self, data: bytes) -> Iterator[bytes]:
        """Take what was received, and answer every request that is complete."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            _, _, length = head.partition(b"\r\ncontent-length:")
            size = end + 4 + int(length.partition(b"\r\n")[0] or 0)
            if len(self._buffer) < size:
                return
            self._buffer = self._buffer[size:]
            yield CREATED if head.startswith(b"post") else DELIVERY


class Answering(asyncio.Protocol):
    """Answers every request, ``delay`` seconds later."""

    transport: asyncio.Transport

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.conversation = Conversation()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer now or later."""
        for text in self.conversation.answers(data):
            if self.delay:
                asyncio.get_running_loop().call_later(self.delay, self.transport.write, text)
            else:
                self.transport.write(text)


async def serve(delay: float) -> None:
    """Serve until the process is ended."""
    server = await asyncio.get_running_loop().create_server(lambda: Answering(delay), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1])))

"""The vendor's door: what its clients send and receive, and whether they respect its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.machine import Process
    from tests.simulation.network import Connection, Network


class Door:
    """Watches the connections to the vendor."""

    def __init__(self, network: Network, *, violate: Callable[[str, str], None]) -> None:
        self._loop = network.loop
        self._violate = violate
        self._heard: dict[tuple[Process, str], tuple[float, float]] = {}
        """When a process received a 429 under an API key last, and until when it is to send nothing."""
        network.on_request, network.on_response = self._on_request, self._on_response

    def _on_request(self, connection: Connection, data: bytes) -> None:
        connection.is_busy = True
        start = data.find(b"x-api-key: ")
        if start < 0 or connection.client.process is None:
            return
        connection.requests += 1
        connection.api_key = data[start + 11 : data.index(b"\r\n", start)].decode()
        at, until = self._heard.get((connection.client.process, connection.api_key), (0.0, 0.0))
        had_begun = connection.requests == 1 and connection.began <= at
        if at < self._loop.now < until and not had_begun:
            left = until - self._loop.now
            self._violate("the API's limit is respected", f"{connection.client.process.name} sent {left:.2f} s early")

    def _on_response(self, connection: Connection, data: bytes) -> None:
        head, _, body = data.partition(b"\r\n\r\n")
        is_whole = f"Content-Length: {len(body)}\r\n".encode() in head + b"\r\n"
        if data.startswith(b"HTTP/1.1 429") and is_whole and connection.client.process and connection.is_busy:
            _, found, rest = data.partition(b"Retry-After: ")
            seconds = float(rest.partition(b"\r\n")[0]) if found else 0.0
            key = (connection.client.process, connection.api_key)
            _, until = self._heard.get(key, (0.0, 0.0))
            self._heard[key] = self._loop.now, max(until, self._loop.now + seconds)

"""A network in memory: listeners, connections with two ends, and every way in which they fail."""

from __future__ import annotations

import asyncio
import socket
from contextlib import contextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import attrs

from tests.simulation.machine import PROCESS

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Generator
    from contextvars import Context

    from tests.simulation.machine import Loop, Process

LATENCY = (0.005, 0.05)
"""Seconds that a message takes."""

MOMENT = 0.001
"""Seconds between the last bytes of a connection and its end: a process has read them by then."""

Address = tuple[str, int]


@attrs.frozen(eq=False)
class Listener:
    """A process that accepts connections at an address; the vendor's process is None."""

    address: Address
    factory: Callable[[], asyncio.Protocol]
    context: Context
    process: Process | None


@attrs.define(eq=False)
class Weather:
    """How the network is just now."""

    latency: tuple[float, float] = LATENCY
    is_silent: bool = False
    """Whether whatever is sent vanishes, for good on the connections of this time."""
    refuses: bool = False
    cuts: list[tuple[str, float]] = attrs.field(factory=list)
    """For coming messages to the server or to the client: the share of the bytes before it resets or falls silent."""


class Network:
    """All connections; taps see what the vendor's clients send and receive."""

    def __init__(self, loop: Loop, draw: random.Random) -> None:
        self.weather = Weather()
        self.connections: dict[Connection, None] = {}
        self.on_request: Callable[[Connection, bytes], None] = lambda _connection, _data: None
        self.on_response: Callable[[Connection, bytes], None] = lambda _connection, _data: None
        self.unreachable: set[int] = set()
        """Ports that nobody listens at just now."""
        self.loop = loop
        self.draw = draw
        self._listeners: dict[int, Listener] = {}
        """By port: all addresses are those of one machine."""

    @contextmanager
    def instead_of_sockets(self) -> Generator[None]:
        """Have servers listen here, and aiohttp's clients connect here."""
        loop: Any = self.loop
        loop.create_server = self._create_server
        loop.create_connection = self._create_connection
        with patch("aiohttp.connector.aiohappyeyeballs.start_connection", self._start_connection):
            yield

    def reset_all(self) -> None:
        """Reset every connection."""
        for connection in [*self.connections]:
            connection.reset()

    def send_unasked(self, data: bytes) -> int:
        """Send something to the client of every idle connection to the vendor; return to how many."""
        idle = [one for one in self.connections if one.listener.process is None and not one.is_busy and one.requests]
        for connection in idle:
            connection.send("client", data)
        return len(idle)

    def forget(self, process: Process) -> None:
        """Close what a process had open, as the operating system does when it ends."""
        self._listeners = {at: one for at, one in self._listeners.items() if one.process is not process}
        for connection in [*self.connections]:
            if connection.client.process is process:
                connection.client.is_closed = connection.client.is_lost = True
                del self.connections[connection]
                connection.close("client", _reset())
            elif connection.listener.process is process:
                connection.close("server", _reset())

    async def _create_server(self, factory: Any, host: str, port: int, **_: Any) -> Server:
        address = (host, port)
        self._listeners[port] = Listener(address, factory, copy_context(), PROCESS.get())
        return Server(address, lambda: self._listeners.pop(port, None))

    async def _start_connection(self, addr_infos: Any, **_: Any) -> Listener:
        port: int = addr_infos[0][4][1]
        await asyncio.sleep(self.draw.uniform(*self.weather.latency))
        listener = self._listeners.get(port)
        if listener is None or self.weather.refuses or port in self.unreachable:
            raise ConnectionRefusedError(111, "Connection refused")
        if self.weather.is_silent:
            await self.loop.create_future()
        return listener

    async def _create_connection(self, factory: Any, *_: Any, sock: Listener, **__: Any) -> tuple[Any, Any]:
        connection = Connection(self, sock, factory)
        return connection.client, connection.client.protocol


class Connection:
    """A connection between a client and a listener."""

    def __init__(self, network: Network, listener: Listener, factory: Callable[[], asyncio.Protocol]) -> None:
        self.network = network
        self.listener = listener
        self.requests = 0
        self.is_busy = False
        """Whether a request was sent and nothing has come back yet."""
        self.began = network.loop.now
        self.api_key = ""
        self._is_silent = False
        self._arrival = {"client": 0.0, "server": 0.0}
        self.client = End(self, "client", factory(), copy_context(), PROCESS.get())
        self.client.protocol.connection_made(self.client)
        self.server: End | None = None
        network.connections[self] = None
        network.loop.call_soon(self._accept, context=listener.context)

    def _accept(self) -> None:
        protocol = self.listener.factory()
        self.server = End(self, "server", protocol, self.listener.context, self.listener.process)
        protocol.connection_made(self.server)

    def send(self, to: str, data: bytes) -> None:
        """Have a message arrive at one end, all of it, a part of it, or nothing."""
        network, weather = self.network, self.network.weather
        if to == "server":
            network.on_request(self, data)
        self._is_silent = self._is_silent or weather.is_silent
        if self._is_silent:
            return
        cut = next((cut for cut in weather.cuts if cut[0] == to), None)
        if cut is not None:
            weather.cuts.remove(cut)
            data = data[: int(len(data) * cut[1])]
        arrival = max(self._arrival[to], network.loop.now + network.draw.uniform(*weather.latency))
        self._arrival[to] = arrival
        if data:
            self._later(arrival, to, self._arrive, to, data)
        if cut is not None and int(1000 * cut[1]) % 2:
            self._is_silent = True  # nothing follows, not even the end
        elif cut is not None:
            self._later(arrival + MOMENT, "client", self._end, "client", _reset())
            self._later(arrival + MOMENT, "server", self._end, "server", None)

    def close(self, by: str, error: Exception | None = None) -> None:
        """Close it at one end: the other learns of it after what was sent before."""
        other = "server" if by == "client" else "client"
        self._later(self.network.loop.now, by, self._end, by, None)
        if not self._is_silent:
            end = max(self._arrival[other], self.network.loop.now) + MOMENT
            self._later(end, other, self._end, other, error)

    def reset(self) -> None:
        """Reset it at both ends."""
        self.close("server", _reset())

    def _later(self, when: float, end: str, act: Any, *arguments: Any) -> None:
        context = self.client.context if end == "client" else self.listener.context
        self.network.loop.call_at(when, act, *arguments, context=context)

    def _arrive(self, to: str, data: bytes) -> None:
        end = self.client if to == "client" else self.server
        if end is None or end.is_closed:
            return
        if to == "client":
            self.network.on_response(self, data)
            self.is_busy = False
        end.protocol.data_received(data)

    def _end(self, which: str, error: Exception | None) -> None:
        end = self.client if which == "client" else self.server
        if end is not None and not end.is_lost:
            end.is_closed = end.is_lost = True
            end.protocol.connection_lost(error)
        if self.client.is_lost:
            self.network.connections.pop(self, None)


def _reset() -> ConnectionResetError:
    return ConnectionResetError(104, "Connection reset by peer")


class _Socket:
    """Takes the options that aiohttp and the sandbox set."""

    family = socket.AF_INET

    def setsockopt(self, *_: object) -> None:
        """Do nothing."""


class End(asyncio.Transport):
    """One end of a connection."""

    def __init__(
        self, connection: Connection, side: str, protocol: Any, context: Context, process: Process | None
    ) -> None:
        super().__init__()
        self.protocol = protocol
        self.context = context
        self.process = process
        self.is_closed = False
        self.is_lost = False
        self._connection = connection
        self._side = side
        self._to = "server" if side == "client" else "client"

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.is_closed:
            self._connection.send(self._to, bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._connection.close(self._side)

    def abort(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._connection.close(self._side, _reset())

    def is_closing(self) -> bool:
        return self.is_closed

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if self._side == "server":
            known = {"socket": _Socket(), "peername": ("127.0.0.1", 1), "sockname": self._connection.listener.address}
            return known.get(name, default)
        return default  # no socket: what has arrived was read at once

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


class Server:
    """What `loop.create_server` returns."""

    def __init__(self, address: Address, close: Callable[[], object]) -> None:
        self._address = address
        self._close = close

    @property
    def sockets(self) -> list[Any]:
        return [self]

    def getsockname(self) -> Address:
        return self._address

    def close(self) -> None:
        self._close()

    async def wait_closed(self) -> None: ...

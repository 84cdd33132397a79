"""A network in memory, on virtual time: hosts, connections that die in every way, and a name server."""

from __future__ import annotations

import asyncio
import selectors
import socket
import threading
from typing import TYPE_CHECKING, Any

import attrs

from benchmarks.month.events import Fate

if TYPE_CHECKING:
    from collections.abc import Callable

LATENCY = 0.02
"""Seconds until a connection is established."""

LOOKUP_THREAD = "kaspi-delivery-lookup"


@attrs.frozen
class Request:
    """A request as it came to a host."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@attrs.define(eq=False)
class Host:
    """A machine with an address."""

    address: str
    fate: Fate = Fate.SERVES
    connections: set[Connection] = attrs.field(factory=set)
    last_request_at: float = 0.0

    def meet(self, fate: Fate) -> None:
        """Fail in this way from now on."""
        self.fate = fate
        for connection in list(self.connections):
            if fate is Fate.REFUSES:
                connection.reset()
            elif fate is Fate.SWALLOWS:
                connection.is_cut = True


class Network:
    """All hosts and their names."""

    def __init__(self, serve: Callable[[Connection, Request], None]) -> None:
        self.serve = serve
        self.hosts: dict[str, Host] = {}
        self.addresses: list[str] = []
        """What the name server returns."""
        self.has_names = True
        self.is_silent = False
        """Whether the name server does not respond: a look-up hangs then, until the end of the month."""
        self.lookups = 0
        self.hanging_lookups: set[threading.Thread] = set()
        self._end = threading.Event()
        self._lock = threading.Lock()

    def add_host(self) -> Host:
        """Start another host."""
        address = f"10.0.{len(self.hosts) // 250}.{1 + len(self.hosts) % 250}"
        host = self.hosts[address] = Host(address)
        return host

    @property
    def connections(self) -> list[Connection]:
        """What the client holds open."""
        return [connection for host in self.hosts.values() for connection in host.connections]

    def end(self) -> None:
        """Let the threads end that wait for the name server."""
        self._end.set()
        for thread in self.hanging_lookups:
            thread.join()

    def getaddrinfo(self, _host: str, port: int, *_: object, **__: object) -> list[tuple[Any, ...]]:
        """Look a name up, in a thread of the client's."""
        with self._lock:
            self.lookups += 1
        if self.is_silent:
            self.hanging_lookups.add(threading.current_thread())
            self._end.wait()
        if not self.has_names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)) for address in self.addresses
        ]


class Connection(asyncio.Transport):
    """One connection, seen from the client; the host's side is `Network.serve`."""

    def __init__(self, network: Network, host: Host, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.host = host
        self.is_cut = False
        """Whether everything that is sent vanishes, in both directions."""
        self._network = network
        self._protocol = protocol
        self._received = b""
        self._is_closed = False
        host.connections.add(self)
        protocol.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send."""
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        first, *lines = head.decode("ascii").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        if len(rest) < int(headers.get("content-length", 0)):
            return
        self._received = b""
        method, path, _ = first.split(" ")
        if not (self.is_cut or self._is_closed):
            self._network.serve(self, Request(method, path, headers, rest))

    def writelines(self, list_of_data: Any) -> None:
        """Send in one piece."""
        self.write(b"".join(list_of_data))

    def respond(self, data: bytes, *, after: float) -> None:
        """Have the client receive this, unless the connection ends before."""
        asyncio.get_running_loop().call_later(after, self._deliver, data)

    def _deliver(self, data: bytes) -> None:
        if not (self.is_cut or self._is_closed):
            self._protocol.data_received(data)

    def reset(self) -> None:
        """End the connection by a reset."""
        if not self.is_cut:
            self._end(ConnectionResetError(104, "Connection reset by peer"))

    def close(self) -> None:
        """End the connection."""
        self._end(None)

    abort = close

    def _end(self, error: Exception | None) -> None:
        if not self._is_closed:
            self._is_closed = True
            self.host.connections.discard(self)
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, error)

    def is_closing(self) -> bool:
        """Return whether it has ended."""
        return self._is_closed

    def get_extra_info(self, _name: str, default: Any = None) -> Any:
        """Show no socket."""
        return default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing: what is written does not wait."""

    def pause_reading(self) -> None:
        """Do nothing: there is never more than one response."""

    def resume_reading(self) -> None:
        """Do nothing, likewise."""


class _Selector(selectors.DefaultSelector):
    """Lets time jump when everybody waits, and no thread looks a name up."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.now = 0.0
        self._network = network

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        while not ready and timeout != 0 and self._is_looking_up():
            ready = super().select(0.05)
        if not ready and timeout:
            self.now += timeout
        return ready

    def _is_looking_up(self) -> bool:
        return any(
            thread.name == LOOKUP_THREAD and thread not in self._network.hanging_lookups
            for thread in threading.enumerate()
        )


class VirtualLoop(asyncio.SelectorEventLoop):
    """Connects to the hosts of a network, on virtual time."""

    def __init__(self, network: Network) -> None:
        self._jumping = _Selector(network)
        super().__init__(self._jumping)
        self._network = network
        self._peers: dict[socket.socket, Host] = {}

    def time(self) -> float:
        """Return the virtual time, in seconds."""
        return self._jumping.now

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect, be refused, or wait for ever."""
        await asyncio.sleep(LATENCY)
        host = self._network.hosts[address[0]]
        if host.fate is Fate.REFUSES:
            raise ConnectionRefusedError(111, "Connection refused")
        if host.fate is Fate.SWALLOWS:
            await self.create_future()
        self._peers[sock] = host

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.Protocol], *_: Any, sock: socket.socket, **__: Any
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """Give the protocol a connection; TLS is taken for granted."""
        host = self._peers.pop(sock)
        sock.close()
        protocol = protocol_factory()
        return Connection(self._network, host, protocol), protocol

"""Sends one message of the exam and reads the response, in bounded time and memory; redirects are not followed."""

import asyncio
import enum
import ssl
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from urllib.parse import urlsplit

import aiohttp
import attrs
from multidict import CIMultiDict

from kaspi_delivery_async.sandbox.conformance.leaks import leak
from kaspi_delivery_async.sandbox.conformance.messages import GAP, Message, headers_of, right_signature
from kaspi_delivery_async.sandbox.conformance.target import PinnedResolver, Target
from kaspi_delivery_async.sandbox.webhooks.message import RESPONSE_LIMIT

CONNECT_LIMIT = 5.0
"""Seconds until a message has left."""

LONGEST_RESPONSE = 256 * 1024
"""Bytes; a longer response is taken for one without an end."""

_SHOWN = 64 * 1024  # bytes of a response that are looked at


class Problem(enum.Enum):
    """Why a message has no response."""

    UNREACHABLE = "no connection"
    BROKEN = "the connection broke before the response"
    SLOW = f"no complete response within {RESPONSE_LIMIT:g} s"
    ENDLESS = f"a response of more than {LONGEST_RESPONSE // 1024} KiB"


@attrs.frozen(kw_only=True)
class Reply:
    """What came back for a message."""

    message: Message
    status: int | None = None
    problem: Problem | None = None
    seconds: float | None = None
    """From the message's leaving to the end of the response."""
    leak: str | None = None
    """What the response gives away."""

    @property
    def accepted(self) -> bool:
        """Whether it is a complete 2xx in time. Source: GS, CD, WH."""
        return self.problem is None and self.status is not None and 200 <= self.status < 300

    @property
    def redirected(self) -> bool:
        """Whether it sends the message elsewhere."""
        return self.problem is None and self.status is not None and 300 <= self.status < 400


@attrs.frozen(kw_only=True)
class Sender:
    """Sends messages to one receiver; each `connections` has connections of its own."""

    target: Target
    secret: str = attrs.field(repr=False)
    wall: Callable[[], float] = time.time

    @asynccontextmanager
    async def connections(self) -> AsyncGenerator[aiohttp.ClientSession]:
        """Open a session that keeps its connections for the messages that follow."""
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_note)
        trace.on_request_chunk_sent.append(_note)
        connector = aiohttp.TCPConnector(
            limit=0, resolver=PinnedResolver(self.target), use_dns_cache=False, ssl=self._tls() or False
        )
        async with aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False, trace_configs=[trace], skip_auto_headers=("Accept-Encoding", "User-Agent"),
        ) as session:  # fmt: skip
            yield session

    async def send(self, session: aiohttp.ClientSession, message: Message) -> Reply:
        """Send a message; what goes wrong is in the reply."""
        now = self.wall()
        headers = CIMultiDict(headers_of(message, secret=self.secret, now=now))
        headers["Content-Length"] = str(len(message.body))
        loop = asyncio.get_running_loop()
        left_at: float | None = None
        status: int | None = None
        problem: Problem | None = None
        shown = b""
        try:
            async with asyncio.timeout(CONNECT_LIMIT) as deadline:

                def left() -> None:
                    nonlocal left_at
                    left_at = loop.time()
                    deadline.reschedule(left_at + RESPONSE_LIMIT)

                async with session.request(
                    message.method, self.target.url, data=_payload(message), headers=headers, allow_redirects=False,
                    trace_request_ctx=left,
                ) as response:  # fmt: skip
                    status = response.status
                    shown, problem = await _read(response)
        except aiohttp.ClientConnectorError:
            problem = Problem.UNREACHABLE
        except TimeoutError:
            problem = Problem.UNREACHABLE if left_at is None else Problem.SLOW
        except (aiohttp.ClientError, OSError, ValueError):
            problem = Problem.BROKEN
        seconds = None if left_at is None or problem is not None else loop.time() - left_at
        signature = right_signature(self.secret, str(int(now - message.age)), message.body)
        return Reply(
            message=message, status=status, problem=problem, seconds=seconds,
            leak=leak(shown, secret=self.secret, signature=signature),
        )  # fmt: skip

    @asynccontextmanager
    async def companion(self, message: Message, *, complete: bool) -> AsyncGenerator[None]:
        """Hold a connection open beside others: ``complete`` does not read its response, else half a body is sent."""
        parts = urlsplit(self.target.url)
        lines = [f"{message.method} {parts.path or '/'}{'?' * bool(parts.query)}{parts.query} HTTP/1.1"]
        pairs = headers_of(message, secret=self.secret, now=self.wall())
        pairs += [("Host", parts.netloc), ("Content-Length", str(len(message.body)))]
        head = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in pairs), "", ""])
        writer: asyncio.StreamWriter | None = None
        try:
            with suppress(OSError):  # the message that follows finds out
                async with asyncio.timeout(CONNECT_LIMIT):
                    _, writer = await asyncio.open_connection(
                        self.target.addresses[0], self.target.port, limit=1024, ssl=self._tls(),
                        server_hostname=self.target.host if self.target.secured else None,
                    )  # fmt: skip
                    writer.write(head.encode() + message.body[: None if complete else len(message.body) // 2])
                    await writer.drain()
            yield
        finally:
            if writer is not None:
                writer.transport.abort()
                with suppress(OSError):
                    await writer.wait_closed()

    def _tls(self) -> ssl.SSLContext | None:
        if not self.target.secured:
            return None
        context = ssl.create_default_context()
        if self.target.local:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


async def _note(_session: aiohttp.ClientSession, context: SimpleNamespace, _sent: object) -> None:
    context.trace_request_ctx()


def _payload(message: Message) -> bytes | AsyncGenerator[bytes]:
    return message.body if message.pieces == 1 else _in_pieces(message)


async def _in_pieces(message: Message) -> AsyncGenerator[bytes]:
    size = -(-len(message.body) // message.pieces)
    for start in range(0, len(message.body), size):
        if start > 0:
            await asyncio.sleep(GAP)
        yield message.body[start : start + size]


async def _read(response: aiohttp.ClientResponse) -> tuple[bytes, Problem | None]:
    shown, length = b"", 0
    async for chunk in response.content.iter_any():
        shown = (shown + chunk)[:_SHOWN]
        length += len(chunk)
        if length > LONGEST_RESPONSE:
            response.close()
            return shown, Problem.ENDLESS
    return shown, None

"""The ways in which a server can fail, each as a play for the raw server."""

import asyncio

from tests.support.raw_server import GOOD_BODY, Exchange, Play

HTML = b"<html><body>Bad Gateway</body></html>"


def respond(status: int, body: bytes = GOOD_BODY, *headers: str, kind: str = "application/json") -> Play:
    """Respond completely."""

    async def play(exchange: Exchange) -> None:
        await exchange.read()
        lines = [f"HTTP/1.1 {status} Whatever", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
        exchange.writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await exchange.writer.drain()

    return play


def respond_head(raw: bytes) -> Play:
    """Respond to the head of a request without a body, such as CONNECT."""

    async def play(exchange: Exchange) -> None:
        await exchange.reader.readuntil(b"\r\n\r\n")
        exchange.writer.write(raw)
        await exchange.writer.drain()

    return play


def send(raw: bytes) -> Play:
    """Write these bytes for a response, and close."""

    async def play(exchange: Exchange) -> None:
        await exchange.read()
        exchange.writer.write(raw)
        await exchange.writer.drain()
        exchange.writer.close()

    return play


def send_and_reset(raw: bytes) -> Play:
    """Write these bytes for a response, and reset the connection."""

    async def play(exchange: Exchange) -> None:
        await exchange.read()
        exchange.writer.write(raw)
        await exchange.writer.drain()
        await asyncio.sleep(0.01)  # a reset overtakes what was not yet read
        exchange.reset()

    return play


async def reset_before_request(exchange: Exchange) -> None:
    """Reset the connection as soon as the first byte of a request comes."""
    await exchange.reader.readexactly(1)
    exchange.reset()


async def close_after_request(exchange: Exchange) -> None:
    """Read the request and hang up."""
    await exchange.read()
    exchange.writer.close()


async def reset_after_request(exchange: Exchange) -> None:
    """Read the request and reset the connection."""
    await exchange.read()
    exchange.reset()


async def respond_late(exchange: Exchange) -> None:
    """Respond a second after the request came."""
    await exchange.read()
    await asyncio.sleep(1)
    exchange.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(GOOD_BODY) + GOOD_BODY)


async def respond_in_pieces(exchange: Exchange) -> None:
    """Respond bit by bit, without saying how much will come."""
    await exchange.read()
    exchange.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for part in (GOOD_BODY[:5], GOOD_BODY[5:]):
        await asyncio.sleep(1)
        exchange.writer.write(b"%x\r\n%s\r\n" % (len(part), part))
    await asyncio.sleep(1)
    exchange.writer.write(b"0\r\n\r\n")


async def stall_before_handshake(exchange: Exchange) -> None:
    """Accept the connection, and never say a word."""
    await asyncio.sleep(3600)


async def stall(exchange: Exchange) -> None:
    """Read the request and never respond."""
    await exchange.read()
    await asyncio.sleep(3600)


async def stall_in_body(exchange: Exchange) -> None:
    """Begin a response and never end it."""
    await exchange.read()
    exchange.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    await asyncio.sleep(3600)


async def drip(exchange: Exchange) -> None:
    """Send one byte a second."""
    await exchange.read()
    exchange.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1000):
        exchange.writer.write(b" ")
        await asyncio.sleep(1)


async def echo_in_error(exchange: Exchange) -> None:
    """Refuse the request, and quote all of it: what a careless server does."""
    request = await exchange.read()
    quoted = repr((request.headers, request.body)).encode().replace(b'"', b"'").replace(b"\\", b"/")
    body = b'{"code": "bad_request", "message": "' + quoted + b'"}'
    exchange.writer.write(b"HTTP/1.1 400 Bad\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    await exchange.writer.drain()


async def echo_as_garbage(exchange: Exchange) -> None:
    """Send the request's own bytes back as if they were a response."""
    request = await exchange.read()
    exchange.writer.write(request.headers["x-api-key"].encode() + b" " + request.body + b"\r\n\r\n")
    await exchange.writer.drain()
    exchange.writer.close()


async def echo_as_success(exchange: Exchange) -> None:
    """Respond 200 with the request's own body."""
    request = await exchange.read()
    exchange.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(request.body) + request.body)
    await exchange.writer.drain()

"""A server that lets clients connect, and never says a word."""

import socket
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def silent_server() -> Generator[int, None, None]:
    """Give the port of a socket that accepts nothing: the kernel alone completes connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        yield port

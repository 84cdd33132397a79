"""The other end of the line: a server in a process and, where there are two, on a core of its own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from benchmarks.contestants.samples import CREATED_BYTES, DELIVERY_BYTES, DELIVERY_ID
from benchmarks.measuring.cores import for_servers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

START_SECONDS = 10.0

NGINX_CONFIGURATION = """\
daemon off;
worker_processes 1;
pid {directory}/pid;
error_log {directory}/errors;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    default_type application/json;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location = /v1/deliveries {{ return 201 '{created}'; }}
        location = /v1/deliveries/{delivery_id} {{ return 200 '{delivery}'; }}
    }}
}}
"""


@attrs.frozen(kw_only=True)
class Server:
    """A running server."""

    name: str
    base_url: str


@contextmanager
def fastest_server() -> Iterator[Server]:
    """Run nginx with fixed responses where it is installed, else the asyncio server."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        with delaying_server(0.0) as server:
            yield server
        return
    port = _free_port()
    with tempfile.TemporaryDirectory() as directory:
        configuration = Path(directory, "nginx.conf")
        configuration.write_text(
            NGINX_CONFIGURATION.format(
                directory=directory,
                port=port,
                created=CREATED_BYTES.decode(),
                delivery=DELIVERY_BYTES.decode(),
                delivery_id=DELIVERY_ID,
            ),
            encoding="utf-8",
        )
        command = [program, "-e", f"{directory}/errors", "-p", directory, "-c", str(configuration)]
        with _running(command):
            _await_port(port)
            yield Server(name="nginx", base_url=f"http://127.0.0.1:{port}")


@contextmanager
def delaying_server(delay: float) -> Iterator[Server]:
    """Run the asyncio server, which responds after ``delay`` seconds."""
    with _running([sys.executable, "-m", "benchmarks.servers.fixed_responses", str(delay)]) as process:
        assert process.stdout is not None
        yield Server(name="asyncio", base_url=f"http://127.0.0.1:{int(process.stdout.readline())}")


@contextmanager
def _running(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    with for_servers():
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
    with process:
        try:
            yield process
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _await_port(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return

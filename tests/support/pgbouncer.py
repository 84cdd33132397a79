"""PgBouncer before a PostgreSQL server: a connection belongs to a client for one transaction."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.support.service_process import free_port

SETTINGS = """
[databases]
* = host=127.0.0.1 port={server_port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
"""


@contextmanager
def pooled(url: str) -> Generator[str]:
    """Return the URL that leads to a database through a PgBouncer, which has two connections for all clients."""
    program = shutil.which("pgbouncer")
    if not program:
        pytest.skip("needs pgbouncer: .ci/pgbouncer installs it")
    parts, port = urlsplit(url), free_port()
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)  # it gives up the rights of root
        settings = Path(directory) / "pgbouncer.ini"
        settings.write_text(SETTINGS.format(server_port=parts.port, user=parts.username, port=port))
        user = ["--user", "nobody"] if os.geteuid() == 0 else []
        process = subprocess.Popen([program, "--quiet", *user, settings])
        try:
            _wait_until_it_listens(port)
            yield urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{port}"))
        finally:
            process.terminate()
            process.wait()


def _wait_until_it_listens(port: int) -> None:
    deadline = time.monotonic() + 30.0
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "pgbouncer does not listen"
            time.sleep(0.01)
        else:
            return

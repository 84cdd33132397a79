"""Receiving works without any extra; a store in a database says which one it needs."""

import subprocess
import sys

PROGRAM = """
import sys
for name in ("sqlalchemy", "asyncpg", "django"):
    sys.modules[name] = None

from kaspi_delivery_async import ConfigurationError
from kaspi_delivery_async.webhooks import MemoryStore, WebhookInbox, WebhookVerifier

inbox = WebhookInbox(WebhookVerifier(["secret"]), store=MemoryStore())
inbox.aiohttp, inbox.asgi
try:
    WebhookInbox(WebhookVerifier(["secret"]), store="events.sqlite")
except ConfigurationError as error:
    print(error)
"""


def test_only_a_database_needs_an_extra() -> None:
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own program

    assert (ended.returncode, ended.stderr) == (0, "")
    assert 'pip install "kaspi-delivery-async[store]"' in ended.stdout

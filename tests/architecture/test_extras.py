"""The package needs none of its extras, and loads no more than it needs."""

import subprocess
import sys

import pytest

import kaspi_delivery_async

pytestmark = pytest.mark.processes

NAME = "kaspi_delivery_async"
EXTRAS = {
    "typer",
    "rich",
    "sqlalchemy",
    "aiosqlite",
    "asyncpg",
    "distributed",
    "opentelemetry",
    "django",
    "jinja2",
    "phonenumbers",
    "pytest",
    "xlsxwriter",
}


def test_the_package_works_without_its_extras() -> None:
    code = (
        "import sys, builtins\n"
        f"blocked = {EXTRAS!r}\n"
        "real = builtins.__import__\n"
        "def guard(name, *rest):\n"
        "    if name.split('.')[0] in blocked: raise ImportError(name)\n"
        "    return real(name, *rest)\n"
        "builtins.__import__ = guard\n"
        "import kaspi_delivery_async, kaspi_delivery_async.webhooks, kaspi_delivery_async.sandbox\n"
        "kaspi_delivery_async.DeliveryClient('key')\n"
        "try: import kaspi_delivery_async.otel\n"
        "except kaspi_delivery_async.ConfigurationError as error: assert 'kaspi-delivery-async[otel]' in str(error)\n"
        "else: raise AssertionError('it was blocked')\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_importing_the_package_loads_only_what_every_client_needs() -> None:
    """What it costs to start is what is imported."""
    code = "import sys, kaspi_delivery_async; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(ended.stdout.split())
    unneeded = {
        f"{NAME}.{module}" for module in ("bulk", "cli", "otel", "outbox", "sandbox", "order_files", "_database")
    }
    assert {NAME, "aiohttp"} <= loaded
    assert loaded & (unneeded | EXTRAS) == set()


def test_the_public_names_are_sorted_and_there() -> None:
    names = kaspi_delivery_async.__all__
    assert names == sorted(names)
    assert all(hasattr(kaspi_delivery_async, name) for name in names)


RECEIVING = """
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
    command = [sys.executable, "-W", "error", "-c", RECEIVING]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert 'pip install "kaspi-delivery-async[store]"' in ended.stdout


OUTBOX = """
import asyncio
import sys
sys.modules[sys.argv[1]] = None

from kaspi_delivery_async import ConfigurationError

async def main():
    from kaspi_delivery_async.outbox import DeliveryOutbox
    await DeliveryOutbox("shop.sqlite").__aenter__()

try:
    asyncio.run(main())
except ConfigurationError as error:
    print(error)
"""


@pytest.mark.parametrize("package", ["sqlalchemy", "greenlet", "aiosqlite"])
def test_an_outbox_without_its_extra_says_how_to_install_it(package: str) -> None:
    command = [sys.executable, "-W", "error", "-c", OUTBOX, package]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert 'pip install "kaspi-delivery-async[outbox]"' in ended.stdout

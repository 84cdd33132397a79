"""Stores that fail for a while: 503 while it lasts, soon stored again afterwards, and nothing acknowledged is lost."""

import asyncio
import contextlib
import resource
import subprocess
import tempfile
import time
import uuid
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import pytest

from kaspi_delivery_async import DeliveryWebhook
from kaspi_delivery_async._database import postgresql
from kaspi_delivery_async.webhooks import WebhookInbox, WebhookVerifier
from kaspi_delivery_async.webhooks.receivers import responses
from kaspi_delivery_async.webhooks.receivers.loopback import serve_on_loopback
from tests.support.faulty_proxy import FaultyProxy
from tests.support.postgresql import execute
from tests.support.webhook_messages import SECRET, body, headers

RECOVERY = 3.0
"""Seconds from an outage's end until events are stored again, as documented."""

pytestmark = pytest.mark.chaos


@pytest.fixture
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the time limits of PostgreSQL pass in a tenth of their time."""
    monkeypatch.setattr(postgresql, "CHECK_LIMIT", 0.2)
    monkeypatch.setattr(postgresql, "TRANSACTION_LIMIT", 0.5)
    monkeypatch.setattr(responses, "STORE_LIMIT", 0.4)


class Service:
    """A service that receives and handles webhooks."""

    def __init__(self, store: str) -> None:
        self.handled: set[str] = set()
        self.acknowledged: set[str] = set()
        self._inbox = WebhookInbox(WebhookVerifier([SECRET]), store=store, handler=self._handle)

    async def _handle(self, event: DeliveryWebhook) -> None:
        self.handled.add(event.event_id)

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncGenerator[None]:
        async with (
            serve_on_loopback(self._inbox.aiohttp) as self._url,
            self._inbox,
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5.0)) as self._session,  # the vendor's
        ):
            yield

    async def receive(self) -> int:
        """Send it an event that is new; return the response's status."""
        event_id = uuid.uuid4().hex
        raw = body(event_id)
        async with self._session.post(self._url, data=raw, headers=headers(raw, at=time.time())) as response:
            if response.status == 200:
                self.acknowledged.add(event_id)
            return response.status

    async def until_it_recovers(self) -> None:
        async with asyncio.timeout(RECOVERY):
            while await self.receive() != 200:
                await asyncio.sleep(0.02)

    async def until_all_is_handled(self) -> None:
        async with asyncio.timeout(30):
            while not self.acknowledged <= self.handled:
                await asyncio.sleep(0.02)


async def outlast(service: Service, begin: Callable[[], object], end: Callable[[], object]) -> None:
    async with service.serve():
        assert await service.receive() == 200
        begin()
        try:
            assert [await service.receive() for _ in range(2)] == [503, 503]
        finally:
            end()
        await service.until_it_recovers()
        await service.until_all_is_handled()


@pytest.mark.usefixtures("short_limits")
async def test_a_postgresql_that_is_silent(postgresql_url: str) -> None:
    async with FaultyProxy(urlsplit(postgresql_url).port or 5432) as proxy:
        service = Service(f"{proxy.url(postgresql_url)}?connect_timeout=1")
        await outlast(service, lambda: proxy.silence(new=True), proxy.heal)


@pytest.mark.usefixtures("short_limits")
async def test_a_postgresql_that_restarts(postgresql_url: str) -> None:
    port = urlsplit(postgresql_url).port or 5432
    async with FaultyProxy(port) as proxy:

        def stop() -> None:
            proxy.target_port = 0
            proxy.cut()

        def start() -> None:
            proxy.target_port = port

        await outlast(Service(proxy.url(postgresql_url)), stop, start)


async def test_a_postgresql_that_is_read_only_after_a_failover(postgresql_url: str) -> None:
    role = f"r_{uuid.uuid4().hex}"
    execute(postgresql_url, f"CREATE ROLE {role} LOGIN SUPERUSER")
    parts = urlsplit(postgresql_url)
    ours = f"usename = '{role}'"

    def fail_over() -> None:
        execute(postgresql_url, f"ALTER ROLE {role} SET default_transaction_read_only = on")
        execute(postgresql_url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}")

    def promote() -> None:
        execute(postgresql_url, f"ALTER ROLE {role} RESET default_transaction_read_only")

    try:
        url = urlunsplit(parts._replace(netloc=f"{role}@{parts.hostname}:{parts.port}"))
        await outlast(Service(url), fail_over, promote)
    finally:
        execute(postgresql_url, f"DROP OWNED BY {role}; DROP ROLE {role}")


FULL = """
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON kaspi_delivery_events EXECUTE FUNCTION fail()
"""


async def test_a_postgresql_whose_disk_is_full(postgresql_url: str) -> None:
    await outlast(
        Service(postgresql_url),
        lambda: execute(postgresql_url, FULL),
        lambda: execute(postgresql_url, "DROP FUNCTION fail CASCADE"),
    )


async def test_a_file_on_a_full_disk(file: str) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    await outlast(
        Service(file),
        lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1])),
        lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before),
    )


async def test_a_file_that_is_deleted(file: str) -> None:
    service = Service(file)
    async with service.serve():
        assert await service.receive() == 200
        await service.until_all_is_handled()
        for name in Path(file).parent.glob("run.sqlite*"):
            name.unlink()

        assert await service.receive() in {200, 503}  # the worker may have found out before
        await service.until_it_recovers()
        await service.until_all_is_handled()


@pytest.mark.long
async def test_a_postgresql_server_that_crashes() -> None:
    directory = tempfile.mkdtemp()
    Path(directory).chmod(0o755)  # the server has a user of its own
    url = server("start", directory)
    try:
        await outlast(Service(url), lambda: server("halt", directory), lambda: server("start", directory))
    finally:
        server("stop", directory)


def server(command: str, directory: str) -> str:
    """Start a server of the test's own, or halt it; return its URL."""
    program = Path(__file__).parents[2] / ".ci" / "postgres"
    done = subprocess.run([program, command, directory], check=True, capture_output=True, text=True)
    return done.stdout.strip()

"""PostgreSQL as it is met: silent, deadlocked, of another encoding or isolation."""

import asyncio
import time
import uuid
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from kaspi_delivery_async import ConfigurationError
from kaspi_delivery_async._database import postgresql
from kaspi_delivery_async.webhooks import WebhookInbox, WebhookVerifier
from tests.support.faulty_proxy import FaultyProxy
from tests.support.postgresql import execute
from tests.support.webhook_messages import SECRET, body, headers


def new_inbox(url: str, **settings: Any) -> WebhookInbox:
    return WebhookInbox(WebhookVerifier([SECRET]), store=url, **settings)


async def receive(inbox: WebhookInbox, event_id: str) -> None:
    raw = body(event_id)
    await inbox.receive(raw, headers(raw, at=time.time()))


SLOW_ROWS = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.003); RETURN NEW; END $$;
CREATE TRIGGER slow_rows BEFORE INSERT ON kaspi_delivery_events FOR EACH ROW EXECUTE FUNCTION slow()
"""


async def test_two_inboxes_that_store_the_same_events_in_opposite_order_do_not_deadlock(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "_NOTHING_DONE", frozenset[str]())  # a transaction that lost is not run again
    one, other = new_inbox(postgresql_url), new_inbox(postgresql_url)
    await asyncio.gather(receive(one, "x"), receive(other, "y"))
    execute(postgresql_url, SLOW_ROWS)
    third = await postgresql.connect(postgresql_url)
    await third.execute("BEGIN; LOCK TABLE kaspi_delivery_events IN EXCLUSIVE MODE")
    events = [f"wh_{number}" for number in range(100)]
    receiving = [asyncio.create_task(receive(one, event)) for event in events]
    receiving += [asyncio.create_task(receive(other, event)) for event in reversed(events)]
    async with asyncio.timeout(30):
        while await third.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") < 2:
            await asyncio.sleep(0.01)
    await third.execute("COMMIT")
    await third.close()
    await asyncio.gather(*receiving)

    assert (await one.totals()).duplicates == 100
    await one.aclose()
    await other.aclose()


async def test_a_connection_that_has_gone_silent_is_replaced(postgresql_url: str) -> None:
    async with FaultyProxy(urlsplit(postgresql_url).port or 5432) as proxy:
        inbox = new_inbox(proxy.url(postgresql_url))
        await receive(inbox, "wh_1")
        proxy.silence()

        async with asyncio.timeout(8):
            await receive(inbox, "wh_2")

        await inbox.aclose()


async def test_another_default_isolation_changes_nothing(postgresql_url: str) -> None:
    name = urlsplit(postgresql_url).path[1:]
    execute(postgresql_url, f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")

    async def handle(event: Any) -> None:
        pass

    inboxes = [new_inbox(postgresql_url, handler=handle) for _ in range(3)]
    await asyncio.gather(*(receive(inboxes[number % 3], f"wh_{number}") for number in range(60)))
    async with asyncio.timeout(30):
        while (await inboxes[0].totals()).handled < 60:
            await asyncio.sleep(0.1)
    assert (await inboxes[0].totals()).attempts == 60
    for inbox in inboxes:
        await inbox.aclose()


async def test_a_database_of_another_encoding_is_refused_by_name(postgresql_url: str) -> None:
    name = f"test_{uuid.uuid4().hex}"
    execute(postgresql_url, f"CREATE DATABASE {name} ENCODING 'WIN1251' TEMPLATE template0 LOCALE 'C'")
    try:
        with pytest.raises(ConfigurationError, match="WIN1251"):
            await new_inbox(urlunsplit(urlsplit(postgresql_url)._replace(path=f"/{name}"))).__aenter__()
    finally:
        execute(postgresql_url, f"DROP DATABASE {name} WITH (FORCE)")


async def test_a_setting_that_the_server_does_not_know_is_named(postgresql_url: str) -> None:
    with pytest.raises(ConfigurationError, match="no_such_setting"):
        await new_inbox(f"{postgresql_url}?no_such_setting=1").__aenter__()

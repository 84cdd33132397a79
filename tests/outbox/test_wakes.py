"""What wakes a relay: PostgreSQL's notifications, a pooler in between, a connection that is lost, a changed file."""

import asyncio
import time

import pytest

from kaspi_delivery_async import DeliveryClient
from kaspi_delivery_async.outbox import DeliveryOutbox, OutboxState
from kaspi_delivery_async.outbox.relay import wakes
from kaspi_delivery_async.sandbox import Sandbox
from tests.support.faulty_proxy import FaultyProxy
from tests.support.outbox_shop import Shop, shop_at, until, until_state
from tests.support.pgbouncer import pooled


@pytest.fixture
def _seldom_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TICK", "POLL"):
        monkeypatch.setattr(wakes, name, 60.0)


@pytest.mark.usefixtures("_seldom_looks")
async def test_a_commit_wakes_the_relay(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, sandbox: Sandbox
) -> None:
    async with outbox.relay(client):
        await asyncio.sleep(0.2)
        await shop.order(outbox, "order-1")
        start = time.monotonic()
        await until(lambda: _requested(sandbox, 1))
        assert time.monotonic() - start < 5


async def test_a_connection_that_is_lost_is_made_again(
    postgresql_url: str, client: DeliveryClient, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    port = int(postgresql_url.rsplit(":", maxsplit=1)[-1].split("/", maxsplit=1)[0])
    async with (
        FaultyProxy(port) as proxy,
        shop_at(postgresql_url) as shop,
        DeliveryOutbox(proxy.url(postgresql_url)) as outbox,
        outbox.relay(client),
    ):
        await shop.order(outbox, "order-1")
        await until_state_at(shop, "order-1")
        proxy.cut()
        proxy.target_port = 1
        await asyncio.sleep(0.1)
        proxy.target_port = port
        await shop.order(outbox, "order-2")
        await until_state_at(shop, "order-2")

    assert "listen" in caplog.text


async def test_behind_a_pooler_it_is_said_once_that_orders_are_looked_for(
    postgresql_url: str, client: DeliveryClient, caplog: pytest.LogCaptureFixture
) -> None:
    with pooled(postgresql_url) as pooled_url:
        location = f"{pooled_url}?pgbouncer=true"
        async with shop_at(postgresql_url) as shop, DeliveryOutbox(location) as outbox, outbox.relay(client):
            await shop.order(outbox, "order-1")
            await until_state(outbox, "order-1", OutboxState.CREATED)

    said = [record for record in caplog.records if "pooler hides notifications" in record.getMessage()]
    assert len(said) == 1


async def test_other_notifications_on_the_channel_do_no_harm(postgresql_url: str, client: DeliveryClient) -> None:
    async with shop_at(postgresql_url) as shop, DeliveryOutbox(postgresql_url) as outbox, outbox.relay(client):
        await until(lambda: _is_listened_to(shop))
        await shop.execute("SELECT pg_notify('kaspi_delivery_outbox', 'of another outbox')")
        await shop.order(outbox, "order-1")
        await until_state(outbox, "order-1", OutboxState.CREATED)


async def test_an_idle_relay_makes_at_most_three_transactions_a_second(
    postgresql_url: str, client: DeliveryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakes, "TICK", 5.0)
    async with (
        shop_at(postgresql_url) as shop,
        DeliveryOutbox(postgresql_url) as outbox,
        outbox.relay(client, _ignore, _ignore),
    ):
        await asyncio.sleep(0.3)
        before = await _transactions(shop)
        await asyncio.sleep(2)
        after = await _transactions(shop)

    assert after - before <= 6 + 2  # two are the test's own


async def _ignore(*_: object) -> None: ...


async def _transactions(shop: Shop) -> int:
    await shop.execute("SELECT pg_stat_force_next_flush()")
    statement = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
    ((count,),) = await shop.rows(statement)
    return int(count)


async def _is_listened_to(shop: Shop) -> bool:
    return bool(
        await shop.rows(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%kaspi%'"
        )
    )


async def _requested(sandbox: Sandbox, count: int) -> bool:
    return sandbox.requests.total >= count


async def until_state_at(shop: Shop, order_id: str) -> None:
    async def is_created() -> bool:
        rows = await shop.rows(f"SELECT state FROM kaspi_delivery_outbox_entries WHERE order_id = '{order_id}'")
        return rows == [("created",)]

    await until(is_created)

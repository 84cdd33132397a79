"""The outbox commands, run as an operator runs them."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from itertools import pairwise
from pathlib import Path

import orjson
import pytest

from kaspi_delivery_async import DeliveryClient, StorageError
from kaspi_delivery_async.cli.outbox import runs
from kaspi_delivery_async.outbox import DeliveryOutbox, OutboxState, OutboxStatus
from kaspi_delivery_async.sandbox import Sandbox
from tests.support.cli_process import started
from tests.support.cli_runner import Run
from tests.support.outbox_shop import Shop, shop_at, until_state


@pytest.fixture
async def shop(file: str, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Shop]:
    monkeypatch.setenv("KASPI_OUTBOX", file)
    monkeypatch.setenv("COLUMNS", "200")
    async with shop_at(file) as opened:
        yield opened


@pytest.fixture
async def outbox(shop: Shop) -> AsyncGenerator[DeliveryOutbox]:
    async with DeliveryOutbox(shop.location) as opened:
        yield opened


async def test_counts_are_shown_with_ages_and_pauses(shop: Shop, outbox: DeliveryOutbox, run: Run) -> None:
    empty = await run("outbox", "status")
    await shop.order(outbox, "order-1", "order-2")
    await shop.execute("UPDATE kaspi_delivery_outbox_entries SET enqueued_at = enqueued_at - 7200 WHERE number = 1")
    await shop.execute(
        "INSERT INTO kaspi_delivery_outbox_relays VALUES ('us', 'host:1', 9e9, 1000, 2000, 'the key is wrong')"
    )
    text = await run("outbox", "status")
    values = (await run("outbox", "status", "--json")).json

    assert "no orders" in empty.out
    assert "2 pending   not sent yet; the oldest is 2 h old" in text.out
    assert "paused: host:1 until 1970-01-01T00:33:20Z: the key is wrong" in text.out
    assert values["orders"]["pending"] == 2
    assert values["pauses"][0]["reason"] == "the key is wrong"
    assert 7200 <= values["oldestAge"]["pending"] < 7300


async def test_entries_are_listed_by_state(shop: Shop, outbox: DeliveryOutbox, run: Run) -> None:
    await shop.order(outbox, "order-1", "order-2")
    await shop.execute(
        "UPDATE kaspi_delivery_outbox_entries SET state = 'rejected', error = 'refused', delivery_id = 'dlv_1' "
        "WHERE number = 2"
    )
    everything = await run("outbox", "list")
    pending = (await run("outbox", "list", "--state", "pending", "--json")).json_lines
    wrong = await run("outbox", "list", "--state", "lost")

    assert everything.out.splitlines()[1].split()[1:] == ["order-2", "rejected", "dlv_1", "refused"]
    assert [(line["orderId"], line["firstSentAt"]) for line in pending] == [("order-1", None)]
    assert (wrong.code, "a state is one of pending, sent" in wrong.err) == (2, True)


async def test_orders_are_withdrawn_by_their_ids(shop: Shop, outbox: DeliveryOutbox, run: Run) -> None:
    await shop.order(outbox, "order-1")
    done = await run("outbox", "withdraw", "order-1")
    missing = await run("outbox", "withdraw", "order-1", "order-2", "--json")

    assert (done.code, done.out) == (0, "order-1: withdrawn\n")
    assert (missing.code, [line["withdrawn"] for line in missing.json_lines]) == (1, [True, False])


async def test_a_reconciliation_lists_what_a_person_has_to_look_up(
    shop: Shop, outbox: DeliveryOutbox, run: Run, sandbox: Sandbox
) -> None:
    await shop.order(outbox, "order-1")
    clean = await run("outbox", "reconcile")
    await shop.execute("UPDATE kaspi_delivery_outbox_entries SET state = 'in_doubt', first_sent_at = 1e9")
    text = await run("outbox", "reconcile")
    values = await run("outbox", "reconcile", "--json")

    assert clean.code == 0
    assert (text.code, "look up whether a courier was ordered" in text.out) == (1, True)
    assert [item["orderId"] for item in values.json["open"]] == ["order-1"]


async def test_bodies_of_final_orders_are_pruned(shop: Shop, outbox: DeliveryOutbox, run: Run) -> None:
    await shop.order(outbox, "order-1")
    await shop.execute("UPDATE kaspi_delivery_outbox_entries SET state = 'created', updated_at = 1000")

    assert (await run("outbox", "prune", "--days", "30")).out == "erased the bodies of 1 orders\n"
    assert (await run("outbox", "prune", "--days", "30", "--json")).json == {"event": "pruned", "orders": 0}


@pytest.mark.parametrize("days", ["1e10", "inf"])
async def test_any_number_of_days_is_a_number_of_days(shop: Shop, outbox: DeliveryOutbox, run: Run, days: str) -> None:
    await shop.order(outbox, "order-1")
    await shop.execute("UPDATE kaspi_delivery_outbox_entries SET state = 'created', updated_at = 1000")

    assert (await run("outbox", "prune", "--days", days)).out == "erased the bodies of 0 orders\n"


async def test_a_mistyped_location_is_no_empty_outbox(run: Run, tmp_path: Path) -> None:
    ended = await run("outbox", "status", "--outbox", str(tmp_path / "missing.sqlite"))

    assert (ended.code, "there is no file" in ended.err) == (2, True)


@pytest.mark.parametrize("name", ["no_such_module:f", "json:no_such_function", "json", ":f", "math:pi"])
async def test_a_callback_that_is_none_is_refused(
    run: Run, sandbox: Sandbox, file: str, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    ended = await run("outbox", "relay", "--outbox", file, "--on-result", name)

    assert (ended.code, "name one as MODULE:FUNCTION" in ended.err) == (2, True)


async def test_a_relay_shows_counts_when_they_change_and_outlives_its_database(
    shop: Shop,
    outbox: DeliveryOutbox,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(runs, "LOOK", 0.05)
    status, failures = DeliveryOutbox.status, [StorageError("it is down")]

    async def failing(opened: DeliveryOutbox) -> OutboxStatus:
        if failures:
            raise failures.pop()
        return await status(opened)

    monkeypatch.setattr(DeliveryOutbox, "status", failing)
    opened = runs.existing(shop.location, None)
    client = DeliveryClient(sandbox.api_key, base_url=sandbox.base_url)
    relay = asyncio.create_task(runs.relay(opened, client, callbacks=(None, None), concurrency=1, as_json=True))
    await asyncio.sleep(0.5)
    await shop.order(outbox, "order-1")
    await until_state(outbox, "order-1", OutboxState.CREATED)
    await asyncio.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
    await relay
    shown = [orjson.loads(line)["orders"] for line in capsys.readouterr().out.splitlines()]

    assert (shown[0]["created"], shown[-1]["created"]) == (0, 1)
    assert all(one != other for one, other in pairwise(shown))


@pytest.mark.processes
async def test_a_relay_sends_and_calls_back_until_it_is_stopped(
    shop: Shop, outbox: DeliveryOutbox, sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "shop_callbacks.py").write_text(
        "from sqlalchemy import text\n"
        "async def book(session, entry):\n"
        "    await session.execute(text(f\"INSERT INTO shop_results VALUES ('{entry.order_id}', 'x', 'y')\"))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    async with started("outbox", "relay", "--json", "--on-result", "shop_callbacks:book", env=environment) as process:
        assert process.stdout is not None
        first = orjson.loads(await process.stdout.readline())
        await shop.order(outbox, "order-1")
        await until_state(outbox, "order-1", OutboxState.CREATED)
        while not await shop.rows("SELECT id FROM shop_results"):
            await asyncio.sleep(0.05)
        changed = orjson.loads(await process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        _, err = await process.communicate()

    assert (process.returncode, err) == (0, b"")
    assert (first["event"], first["relays"], changed["orders"] == first["orders"]) == ("status", 1, False)

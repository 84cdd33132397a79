"""The demo: in virtual time where its views are concerned, in real time once through the entry point."""

import asyncio
import re
import signal
from datetime import UTC, datetime, timedelta

import aiohttp
import attrs
import orjson
import pytest

from kaspi_delivery_async.cli import main
from kaspi_delivery_async.cli.demo.run import bundled_orders, perform
from kaspi_delivery_async.cli.demo.snapshot import Entry, Scene, Traffic, problems
from kaspi_delivery_async.cli.demo.tables import visible
from kaspi_delivery_async.cli.demo.views import choose_view
from kaspi_delivery_async.models import DeliveryStatus
from kaspi_delivery_async.status import SEQUENCE
from kaspi_delivery_async.tracking import StatusChange
from tests.support.cli_process import first_line, started
from tests.support.cli_runner import Run

DAWN = datetime(2026, 1, 5, 6, tzinfo=UTC)


def entry(number: int = 0, *statuses: DeliveryStatus, expected: DeliveryStatus = DeliveryStatus.DELIVERED) -> Entry:
    """Describe a delivery that has been through `statuses`, an hour each."""
    changes = tuple(
        StatusChange(delivery_id=f"dlv_{number}", status=status, timestamp=DAWN + timedelta(hours=hour))
        for hour, status in enumerate(statuses)
    )
    return Entry(order=bundled_orders()[number], expected=expected, changes=changes)


CANCELLED = entry(1, DeliveryStatus.CREATED, DeliveryStatus.CANCELLED, expected=DeliveryStatus.CANCELLED)


def scene(*entries: Entry, deliveries: dict[str, int] | None = None) -> Scene:
    """Describe the end of a demo with these entries, one delivery for each unless given others."""
    return Scene(
        base_url="http://127.0.0.1:1/delivery",
        speed=900.0,
        elapsed=13.0,
        entries=entries,
        news=(),
        deliveries={one.order_id: 1 for one in entries} if deliveries is None else deliveries,
        traffic=Traffic(
            requests=1, creates=1, faults=0,
            webhooks_sent=1, webhooks_verified=1, webhooks_repeated=0, webhooks_refused=0,
        ),
    )  # fmt: skip


def test_the_bundled_orders_are_two_dozen_of_three_cities_with_cyrillic_ids_among_them() -> None:
    orders = bundled_orders()
    assert len({order.external_order_id for order in orders}) == len(orders) == 24
    assert {order.dropoff.address.rpartition(", ")[2] for order in orders} == {"Алматы", "Астана", "Шымкент"}
    assert 6 <= sum(not order.external_order_id.isascii() for order in orders) < 24
    assert any(order.dropoff.notes for order in orders)
    assert any(order.dropoff.notes is None for order in orders)


@pytest.mark.looptime
async def test_as_json_it_prints_every_change_and_sums_up(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert await perform(choose_view(as_json=True), speed=4000, seed=0)
    *changes, summary = [orjson.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    assert {line["type"] for line in changes} == {"change"}
    assert summary["type"] == "summary"
    assert (summary["ok"], summary["problems"]) == (True, [])
    printed: dict[str, list[str]] = {}
    for line in changes:
        printed.setdefault(line["externalOrderId"], []).append(line["status"])
    assert {delivery["externalOrderId"]: [step["status"] for step in delivery["timeline"]]
            for delivery in summary["deliveries"]} == printed  # fmt: skip
    ends = [delivery["status"] for delivery in summary["deliveries"]]
    assert (ends.count("delivered"), ends.count("cancelled")) == (23, 1)
    assert all(tuple(statuses) == SEQUENCE for statuses in printed.values() if "cancelled" not in statuses)


@pytest.mark.looptime
async def test_it_shows_that_faults_order_no_courier_twice(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    await perform(choose_view(as_json=True), speed=4000, seed=0)
    summary = orjson.loads(capsysbinary.readouterr().out.splitlines()[-1])
    replayed = [delivery for delivery in summary["deliveries"] if delivery["replayed"]]
    traffic = summary["traffic"]
    assert 1 <= len(replayed) <= 4
    assert all(delivery["attempts"] > 1 for delivery in replayed)
    assert traffic["creates"] == sum(delivery["attempts"] for delivery in summary["deliveries"]) > 24
    assert 0 < traffic["webhooks_refused"] < traffic["webhooks_verified"] < traffic["webhooks_sent"]
    assert traffic["webhooks_repeated"] > 0


@pytest.mark.looptime
async def test_in_a_pipe_it_writes_lines_without_escape_sequences(capsys: pytest.CaptureFixture[str]) -> None:
    assert await perform(choose_view(as_json=False), speed=4000, seed=0)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert len(re.findall(r"Z  delivered$", out, flags=re.MULTILINE)) == 23
    assert len(re.findall(r"https://track\.kaspi\.kz/dlv_\w{14} *$", out, flags=re.MULTILINE)) == 24
    assert "24 deliveries at the sandbox for 24 orders" in out
    assert out.splitlines()[-1].endswith("no order was created twice.")


@pytest.mark.looptime
async def test_on_a_terminal_a_table_gives_way_to_the_summary(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "20")
    assert await perform(choose_view(as_json=False), speed=4000, seed=0)
    out = capsys.readouterr().out
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out)
    assert "and 12 more" in plain
    assert "0 of 24 ended" in plain
    assert "Ерлан Ж., Астана" in plain
    assert "\x1b[?25l" in out
    assert out.rindex("\x1b[?25h") < out.index("https://track.kaspi.kz/")
    assert "no order was created twice." in plain


@pytest.mark.looptime
async def test_an_order_that_was_refused_makes_it_fail(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaspi_delivery_async.cli.demo.run.FAULTS", ("create:400:count=1",))
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert not await perform(choose_view(as_json=False), speed=4000, seed=0)
    out = capsys.readouterr().out
    assert "Not as expected:" in out
    assert "order-1041: create_delivery: HTTP 400" in out
    assert "order-1041: the sandbox holds 0 deliveries for it instead of one" in out


async def test_through_the_entry_point_in_real_time(run: Run) -> None:
    ended = await run("demo", "--speed", "4000", "--json")
    assert (ended.code, ended.err) == (0, "")
    assert ended.json_lines[-1]["page"].endswith("/_sandbox/")
    assert ended.json_lines[-1]["ok"] is True


async def test_kept_it_shows_its_page_until_ctrl_c() -> None:
    async with started("demo", "--speed", "4000", "--keep") as process, asyncio.timeout(60):
        url = re.search(r"http://\S+/_sandbox/", (await first_line(process)).decode())
        assert url is not None
        assert process.stderr is not None
        assert b"Ctrl-C ends it" in await process.stderr.readline()
        async with aiohttp.ClientSession() as session, session.get(url[0], headers={"Accept": "text/html"}) as page:
            assert "24 deliveries" in await page.text()
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert b"no order was created twice." in out


@pytest.mark.looptime
async def test_without_the_extra_it_says_how_to_install_the_page(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaspi_delivery_async.cli.demo.run.page_problem", lambda: "there is no page")
    assert await perform(choose_view(as_json=False), speed=4000, seed=0)
    assert capsys.readouterr().out.startswith("there is no page\n")


def test_a_demo_that_fails_has_exit_code_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("kaspi_delivery_async.cli.demo.run.FAULTS", ("create:400",))
    assert main(["demo", "--json"]) == 1
    assert orjson.loads(capsys.readouterr().out)["ok"] is False


@pytest.mark.parametrize("form", [(), ("--json",)])
async def test_ctrl_c_ends_it_at_once_and_without_a_trace(form: tuple[str, ...]) -> None:
    minutes_long = ("--speed", "60")
    async with started("demo", *minutes_long, *form) as process, asyncio.timeout(60):
        await first_line(process)
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert (process.returncode, err) == (130, b"")


def test_all_well() -> None:
    assert problems(scene(entry(0, *SEQUENCE), CANCELLED)) == []


def test_a_delivery_that_ended_otherwise_is_a_problem() -> None:
    lost = entry(0, DeliveryStatus.CREATED, DeliveryStatus.ACCEPTED)
    assert problems(scene(lost, CANCELLED)) == ["order-1041: delivered was expected, it is accepted"]


def test_a_delivery_that_was_never_created_is_a_problem() -> None:
    assert "order-1041: delivered was expected, it is not created" in problems(scene(entry(0), CANCELLED))


def test_two_couriers_for_one_order_are_a_problem() -> None:
    fine = entry(0, *SEQUENCE)
    found = problems(scene(fine, CANCELLED, deliveries={fine.order_id: 2, CANCELLED.order_id: 1}))
    assert found == ["order-1041: the sandbox holds 2 deliveries for it instead of one"]


def test_an_error_is_a_problem_in_its_own_words() -> None:
    broken = attrs.evolve(entry(0), problem="get_delivery: 404")
    assert "order-1041: get_delivery: 404" in problems(scene(broken, CANCELLED))


def test_it_is_a_problem_if_nothing_was_cancelled() -> None:
    assert problems(scene(entry(0, *SEQUENCE))) == ["no delivery was cancelled, though one was to be"]


def test_on_a_short_terminal_what_has_ended_makes_room() -> None:
    ended, under_way = entry(0, *SEQUENCE), [entry(number, DeliveryStatus.CREATED) for number in (1, 2, 3)]
    assert visible((ended, *under_way), room=4) == [ended, *under_way]
    assert visible((ended, *under_way), room=3) == under_way
    assert visible((ended, *under_way), room=2) == under_way[:2]

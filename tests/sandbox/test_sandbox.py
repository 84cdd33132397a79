"""The sandbox as a whole: starting and stopping, moving deliveries by hand and by journey, one seed one story."""

import ast
import asyncio
import gc
import inspect
import socket
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kaspi_delivery_async.sandbox as package
from kaspi_delivery_async.sandbox import Clock, ImpossibleMoveError, Journey, Sandbox, UnknownDeliveryError
from kaspi_delivery_async.sandbox.deliveries.journey import leg_seconds, promises
from kaspi_delivery_async.sandbox.deliveries.lifecycle import SEQUENCE, STATUSES, moves
from kaspi_delivery_async.sandbox.http.delivery_api import DeliveryApi
from kaspi_delivery_async.sandbox.state.logs import Log
from tests.support.described_api import Caller, Receiver


def test_the_sandbox_imports_nothing_else_of_the_package() -> None:
    """It is the other side: shared code would share its bugs."""
    for file in Path(inspect.getfile(package)).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, file
                names = [node.module or ""]
            for name in names:
                if name.startswith("kaspi_delivery_async"):
                    assert name.startswith("kaspi_delivery_async.sandbox"), (file, name)


async def test_a_sandbox_leaves_nothing_behind() -> None:
    tasks = asyncio.all_tasks()
    async with Receiver() as receiver, Sandbox(webhook_url=receiver.url) as sandbox, Caller(sandbox) as call:
        await call.create()
        port = int(sandbox.root_url.rpartition(":")[2])
    await asyncio.sleep(0)
    gc.collect()
    assert asyncio.all_tasks() == tasks
    with pytest.raises(ConnectionRefusedError), socket.socket() as probe:
        probe.connect(("127.0.0.1", port))


async def test_it_can_be_started_and_stopped_by_hand() -> None:
    sandbox = Sandbox()
    await sandbox.stop()
    await sandbox.start()
    assert sandbox.base_url == f"{sandbox.root_url}/delivery"
    await sandbox.stop()
    await sandbox.stop()
    with pytest.raises(RuntimeError, match="starts once"):
        await sandbox.start()


@pytest.mark.parametrize(
    "setting",
    [{"port": -1}, {"port": 65536}, {"answer_limit": 0.0}, {"answer_limit": float("nan")}, {"keep": -1}],
    ids=str,
)
def test_a_number_out_of_range_is_refused_by_name(setting: dict[str, Any]) -> None:
    (name,) = setting
    with pytest.raises(ValueError, match=f"^{name}:"):
        Sandbox(**setting)


@pytest.mark.parametrize("key", ["", "a b", " ", "ключ", "key\n", None, b"key"])
def test_a_key_that_no_client_can_send_is_refused(key: Any) -> None:
    with pytest.raises(ValueError, match=r"^api_key: visible ASCII characters"):
        Sandbox(api_key=key)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_sandbox_that_does_not_run_has_no_url(when: str) -> None:
    sandbox = Sandbox()
    if when == "after":
        async with sandbox:
            pass
    with pytest.raises(RuntimeError, match="not running"):
        _ = sandbox.base_url


async def test_it_listens_on_the_given_host_and_port() -> None:
    async with Sandbox(host="::1") as sandbox, Caller(sandbox) as call:
        assert sandbox.root_url.startswith("http://[::1]:")
        await call.create()


async def test_a_port_that_is_taken_is_an_error_that_leaves_nothing_behind() -> None:
    async with Sandbox() as sandbox:
        port = int(sandbox.root_url.rpartition(":")[2])
        clock = Clock.driven()
        with pytest.raises(OSError, match="address"):
            await Sandbox(port=port, clock=clock).start()
        async with Sandbox(clock=clock):
            pass


async def test_what_is_no_http_is_refused_as_json() -> None:
    async with Sandbox() as sandbox:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(sandbox.root_url.rpartition(":")[2]))
        writer.write(b"this is not HTTP\r\n\r\n")
        response = await reader.read()
        writer.close()
        await writer.wait_closed()
    head, _, body = response.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 400")
    assert body == b'{"code":"bad_request","message":"this is not valid HTTP"}'


async def test_a_failure_of_the_sandbox_itself_is_a_500_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing a caller sends can cause one, so the failure is put in from outside."""
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        with patch.object(DeliveryApi, "respond", side_effect=RuntimeError("bug")):
            reply = await call("GET", "/v1/deliveries/dlv_1")
    assert (reply.status, reply.json["code"]) == (500, "internal_error")
    assert [str(record.exc_info and record.exc_info[1]) for record in caplog.records] == ["bug"]


async def test_a_client_that_goes_in_the_middle_of_its_body_does_no_harm() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        _, writer = await asyncio.open_connection("127.0.0.1", int(sandbox.root_url.rpartition(":")[2]))
        writer.write(b"POST /delivery/v1/deliveries HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        await writer.drain()
        await call.create()
        writer.transport.abort()
        await call.create()
    assert sandbox.requests.total == 2


async def test_moving_by_hand_passes_through_every_status() -> None:
    async with Sandbox(clock=Clock.driven(start=5.0)) as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create()
        record = await sandbox.advance(delivery_id, "out_for_delivery", notes="Jumped")
    assert record == sandbox.deliveries[delivery_id]
    assert [entry.status for entry in record.history] == list(SEQUENCE[:-1])
    assert [entry.at for entry in record.history] == [5.0, 6.0, 7.0, 8.0]
    assert [entry.notes for entry in record.history] == [None, None, None, "Jumped"]


async def test_a_move_by_hand_ends_now_where_there_was_time_for_the_statuses_on_its_way() -> None:
    async with Sandbox(clock=Clock.driven()) as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create()
        await sandbox.clock.advance(3600)
        now = sandbox.clock.now()
        record = await sandbox.advance(delivery_id, "delivered")
        assert [entry.at - now for entry in record.history] == [-3600, -3, -2, -1, 0]


@pytest.mark.parametrize(
    ("reached", "target"), [("delivered", "accepted"), ("in_transit", "cancelled"), ("created", "lost")]
)
async def test_an_impossible_move_is_refused(reached: str, target: str) -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create()
        if reached != "created":
            await sandbox.advance(delivery_id, reached)
        with pytest.raises(ImpossibleMoveError, match=target):
            await sandbox.advance(delivery_id, target)
        assert sandbox.deliveries[delivery_id].status == reached


async def test_an_unknown_delivery_cannot_be_moved() -> None:
    async with Sandbox() as sandbox:
        with pytest.raises(UnknownDeliveryError, match="dlv_none"):
            await sandbox.advance("dlv_none", "accepted")


@given(st.lists(st.sampled_from(STATUSES), max_size=8))
def test_moves_follow_the_documented_sequence_and_never_leave_an_end(targets: list[str]) -> None:
    history = ["created"]
    for target in targets:
        try:
            history.extend(moves(history[-1], target))
        except ImpossibleMoveError:
            assert target in history or history[-1] in {"delivered", "cancelled"} or target == "cancelled"
    if history[-1] == "cancelled":
        assert tuple(history[:-1]) in {SEQUENCE[:1], SEQUENCE[:2]}
    else:
        assert tuple(history) == SEQUENCE[: len(history)]


def bounds() -> st.SearchStrategy[tuple[float, float]]:
    return st.tuples(st.floats(0, 1e5), st.floats(0, 1e5)).map(lambda pair: (min(pair), max(pair)))


@given(
    st.builds(Journey, accept=bounds(), pickup=bounds(), transit=bounds(), last_mile=bounds()), st.integers(), st.text()
)
def test_a_journey_keeps_within_its_bounds_and_its_promises(journey: Journey, seed: int, delivery_id: str) -> None:
    pickup, delivery = promises(journey)
    passed = 0.0
    for status, (shortest, longest) in journey.legs().items():
        seconds = leg_seconds(journey, seed=seed, delivery_id=delivery_id, status=status)
        assert seconds is not None
        assert shortest <= seconds <= longest * (1 + 1e-12)
        passed += seconds
        if status == "accepted":
            assert passed <= pickup * (1 + 1e-9)
    assert passed <= delivery * (1 + 1e-9)
    assert leg_seconds(journey, seed=seed, delivery_id=delivery_id, status="delivered") is None


@pytest.mark.parametrize("leg", [(-1.0, 1.0), (2.0, 1.0), (0.0, float("inf")), (float("nan"), 1.0)])
def test_a_leg_that_makes_no_sense_is_refused(leg: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="leg of a journey"):
        Journey(accept=leg)


async def test_a_delivery_moved_by_hand_goes_on_from_there() -> None:
    hour = (3600.0, 3600.0)
    journey = Journey(accept=hour, pickup=hour, transit=hour, last_mile=hour)
    async with Sandbox(clock=Clock.driven(start=0.0), journey=journey) as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create()
        await sandbox.advance(delivery_id, "in_transit")
        await sandbox.clock.advance(3600)
        assert sandbox.deliveries[delivery_id].status == "out_for_delivery"
        await sandbox.clock.advance(3600)
        assert [entry.at for entry in sandbox.deliveries[delivery_id].history] == [0, 1, 2, 3600, 7200]


async def test_a_cancelled_delivery_stays_where_it_is() -> None:
    async with Sandbox(clock=Clock.driven(), journey=Journey()) as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create()
        await sandbox.cancel(delivery_id, reason="Van broke down")
        await sandbox.clock.advance(7 * 86400)
        assert sandbox.deliveries[delivery_id].status == "cancelled"


async def story(seed: int) -> list[object]:
    async with (
        Receiver() as receiver,
        Sandbox(
            clock=Clock.driven(), seed=seed, journey=Journey(), webhook_url=receiver.url, faults=["webhook:drop:0.3"]
        ) as sandbox,
        Caller(sandbox) as call,
    ):
        for _ in range(4):
            await call.create()
        await sandbox.clock.advance(2 * 86400)
        attempts = [
            (made.event_id, made.attempt, made.at, made.status, dict(made.headers)) for made in sandbox.webhook_attempts
        ]
        return [dict(sandbox.deliveries), attempts]


async def test_one_seed_and_a_driven_clock_have_one_result() -> None:
    first = await story(7)
    assert first == await story(7)
    assert first != await story(8)


@given(st.integers(1, 5), st.lists(st.integers(), max_size=12))
def test_a_log_keeps_the_newest_and_counts_all(keep: int, entries: list[int]) -> None:
    log: Log[int] = Log(keep)
    for entry in entries:
        log.append(entry)
    newest = entries[-keep:]
    assert (list(log), log.total, len(log)) == (newest, len(entries), len(newest))
    assert [log[index] for index in range(-len(log), len(log))] == newest + newest
    assert list(log[1:]) == newest[1:]
    for beyond in (len(log), -len(log) - 1):
        with pytest.raises(IndexError):
            _ = log[beyond]


def test_a_forgotten_entry_is_not_brought_back() -> None:
    log: Log[str] = Log(1)
    number = log.append("old")
    log.append("new")
    log.replace(number, "older still")
    assert list(log) == ["new"]

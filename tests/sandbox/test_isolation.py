"""Tests that share a sandbox do not disturb each other: a reset, a fault, a look, a wait concern what they name."""

import asyncio
import threading
from collections import Counter

import aiohttp
import pytest

from kaspi_delivery_async.sandbox import Clock, Fault, Journey, Sandbox, ThreadedSandbox
from kaspi_delivery_async.sandbox.state.logs import Log
from tests.support.described_api import Caller, Received, Receiver, order


@pytest.mark.looptime
@pytest.mark.parametrize("kind", ["latency:seconds=5", "stall", "commit-then-stall", "slow 503", "stall:seconds=5"])
async def test_nothing_of_what_a_fault_held_back_turns_up_after_a_reset(kind: str) -> None:
    faults = ["create:latency:seconds=5", "create:503"] if kind == "slow 503" else [f"create:{kind}"]
    async with Sandbox(faults=faults) as sandbox, Caller(sandbox) as call:
        held = asyncio.create_task(call("POST", "/v1/deliveries", json=order(), key="old"))
        await asyncio.sleep(0.3)
        await sandbox.reset()
        await call.create(externalOrderId="order-new", key="new")
        with pytest.raises(aiohttp.ClientError):
            await held
        await asyncio.sleep(60)
        assert [record.external_order_id for record in sandbox.deliveries.values()] == ["order-new"]
        assert [(seen.idempotency_key, seen.status) for seen in sandbox.requests] == [("new", 201)]


async def test_a_request_whose_body_is_still_on_its_way_at_a_reset_is_cut_off() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        port = int(sandbox.root_url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = b"POST /delivery/v1/deliveries HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{"
        writer.write(head)
        await writer.drain()
        await call.control("GET", "/time")
        await sandbox.reset()
        writer.write(b"}")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.transport.abort()
        assert sandbox.requests.total == 0


@pytest.mark.looptime
async def test_a_wait_is_for_its_own_delivery_whatever_the_load_of_others() -> None:
    async def slow(sandbox: Sandbox, call: Caller, stop: asyncio.Event) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            await call.create(externalOrderId=f"load-{number}")
            await asyncio.sleep(0.05)

    async with Receiver(delay=0.2) as receiver, Sandbox(webhook_url=receiver.url) as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create()
        stop = asyncio.Event()
        load = asyncio.create_task(slow(sandbox, call, stop))
        await asyncio.sleep(1)
        began = asyncio.get_running_loop().time()
        await sandbox.advance(delivery_id, "accepted")
        moved = asyncio.get_running_loop().time() - began
        await sandbox.clock.advance(1)
        await sandbox.drain_webhooks()
        waited = asyncio.get_running_loop().time() - began
        stop.set()
        await load
    assert moved < 0.5
    assert waited < 2


@pytest.mark.looptime
@pytest.mark.parametrize("action", ["advance", "cancel", "resend", "through the control API"])
async def test_a_wait_is_for_no_event_of_another_delivery_however_slow_its_receiver(action: str) -> None:
    def slow_for_others(received: Received) -> float:
        return 0.0 if received.json["data"]["externalOrderId"] == "own" else 3.0

    async with Receiver(delay=slow_for_others) as receiver, Sandbox(webhook_url=receiver.url) as sandbox:
        clock = asyncio.get_running_loop().time
        async with Caller(sandbox) as call:
            delivery_id = await call.create(externalOrderId="own")
            await call.create(externalOrderId="other")
            await asyncio.sleep(1)
            began = clock()
            match action:
                case "advance":
                    await sandbox.advance(delivery_id, "delivered")
                case "cancel":
                    await sandbox.cancel(delivery_id)
                case "resend":
                    await sandbox.resend(receiver.received[0].json["eventId"])
                case _:
                    await call.control("POST", f"/deliveries/{delivery_id}/advance", json={"status": "accepted"})
            assert clock() - began < 0.5
            await sandbox.drain_webhooks()
            assert clock() - began > 1.5


async def seconds_late_beside_a_silent_receiver(deliveries: int) -> list[float]:
    """Register two receivers in turns, create deliveries, and return how late the events of the good one were."""
    clock = asyncio.get_running_loop().time
    came: dict[str, float] = {}
    due: dict[str, float] = {}

    def note(event: Received) -> int:
        came[event.json["eventId"]] = clock()
        return 200

    silent, good = Receiver(delay=600), Receiver(note)
    async with silent, good, Sandbox() as sandbox, Caller(sandbox) as call:

        async def create() -> None:
            reply = await call("POST", "/v1/deliveries", json=order(), check=False)
            if sandbox.webhook_url == good.url:
                due[f"wh_{reply.delivery_id.removeprefix('dlv_')}_created"] = clock()

        for turn in range(deliveries // 50):
            sandbox.webhook_url = (silent, good)[turn % 2].url
            await asyncio.gather(*(create() for _ in range(50)))
        sandbox.webhook_url = good.url
        for delivery_id in tuple(sandbox.deliveries)[:50]:  # whose first event the silent one has not accepted yet
            due[f"wh_{delivery_id.removeprefix('dlv_')}_cancelled"] = clock()
            await call("POST", f"/v1/deliveries/{delivery_id}/cancel")
        while len(came) < len(due):
            await asyncio.sleep(0.01)
    return [came[event_id] - moment for event_id, moment in due.items()]


@pytest.mark.looptime
async def test_a_silent_receiver_does_not_hold_up_another() -> None:
    assert max(await seconds_late_beside_a_silent_receiver(300)) < 1


@pytest.mark.long
async def test_of_ten_thousand_deliveries_no_event_is_late_beside_a_silent_receiver() -> None:
    late = await seconds_late_beside_a_silent_receiver(10_000)
    print(f"the latest of {len(late)} events was {max(late):.3f} s late")
    assert max(late) < 1


@pytest.mark.looptime
@pytest.mark.parametrize("apart", [0.0, 0.01])
async def test_retries_that_are_due_together_are_sent_together(apart: float) -> None:
    async with (
        Receiver(lambda _: 500, delay=0.1) as receiver,
        Sandbox(clock=Clock.driven(), webhook_url=receiver.url) as sandbox,
        Caller(sandbox) as call,
    ):
        for number in range(60):
            await call.create(externalOrderId=f"order-{number}")
            await sandbox.clock.advance(apart)
        await sandbox.drain_webhooks()
        began = asyncio.get_running_loop().time()
        await sandbox.clock.advance(60)
        assert asyncio.get_running_loop().time() - began < 1
    assert Counter(attempt.attempt for attempt in sandbox.webhook_attempts) == {1: 60, 2: 60}


class Interrupted(Fault):
    """A fault during whose choice another thread adds one."""

    def matches(self, target: str, *, order: str | None = None, key: str | None = None) -> bool:
        self.adding.start()
        self.adding.join(0.1)  # it has to wait until the choice is made
        return super().matches(target, order=order, key=key)

    adding: threading.Thread


async def test_a_fault_that_a_thread_adds_while_another_one_is_chosen_is_kept() -> None:
    async with ThreadedSandbox() as sandbox, Caller(sandbox) as call:
        Interrupted.adding = threading.Thread(target=sandbox.faults.add, args=("get:503",))
        sandbox.faults.add(Interrupted("create", "status", status=503, count=1))
        assert (await call("POST", "/v1/deliveries", json=order())).status == 503
        Interrupted.adding.join()
        assert [str(fault) for fault in sandbox.faults] == ["get:status"]


def test_a_log_that_a_thread_clears_while_an_entry_is_added_is_empty() -> None:
    def clear() -> None:
        log.clear()

    clearing = threading.Thread(target=clear)

    def interrupted_size(_: str) -> int:
        clearing.start()
        clearing.join(0.1)  # it has to wait until the entry is there
        return 1

    log: Log[str] = Log(10, size=interrupted_size)
    log.append("request")
    clearing.join()
    assert (len(log), log.total) == (0, 0)


def test_a_thread_may_look_while_deliveries_are_made() -> None:
    with ThreadedSandbox() as sandbox:

        async def load() -> None:
            async with Caller(sandbox) as call:
                for number in range(100):
                    await call.create(externalOrderId=f"order-{number}")

        making = threading.Thread(target=lambda: asyncio.run(load()))
        making.start()
        while making.is_alive():
            for view in (sandbox.deliveries, sandbox.deliveries.items(), sandbox.deliveries.values(), sandbox.requests):
                assert len(list(view)) <= 100
        making.join()
        assert len(sandbox.deliveries.items()) == 100


async def test_what_a_sandbox_shows_is_a_copy() -> None:
    async with Sandbox(faults=["get:503"]) as sandbox, Caller(sandbox) as call:
        await call.create()
        deliveries, requests, faults = sandbox.deliveries, sandbox.requests, sandbox.faults
        shown = [deliveries.items(), deliveries.values()]
        copied = [requests[:], faults.remaining()]
        running = [iter(deliveries), iter(requests), iter(faults)]
        await call.create()
        sandbox.faults.add("get:404")
        assert [*map(len, shown), *map(len, copied)] == [1] * 4
        assert [len(list(each)) for each in running] == [1] * 3


@pytest.mark.parametrize("entry", ["async with", "start and stop"])
async def test_a_threaded_sandbox_works_on_any_event_loop(entry: str) -> None:
    sandbox = ThreadedSandbox()
    if entry == "async with":
        await sandbox.__aenter__()
    else:
        await sandbox.start()
    async with Caller(sandbox) as call:
        delivery_id = await call.create()
        assert (await sandbox.advance(delivery_id, "delivered")).status == "delivered"
        await sandbox.clock.advance(60)
        await sandbox.reset()
        assert len(sandbox.deliveries) == 0
    await sandbox.stop()
    await sandbox.stop()
    with pytest.raises(RuntimeError, match="not running"):
        await sandbox.reset()
    with pytest.raises(RuntimeError, match="starts once"):
        await sandbox.start()


class Noted(Fault):
    """A fault that never happens, and notes in which thread it was considered."""

    threads: set[str]

    def matches(self, target: str, *, order: str | None = None, key: str | None = None) -> bool:
        self.threads.add(threading.current_thread().name)
        return False


async def test_whatever_moves_a_threaded_sandbox_is_carried_out_in_its_thread() -> None:
    Noted.threads = set()
    async with (
        Receiver() as receiver,
        ThreadedSandbox(
            clock=Clock.driven(), journey=Journey(), webhook_url=receiver.url, faults=[Noted("webhook", "drop")]
        ) as sandbox,
        Caller(sandbox) as call,
    ):
        delivery_id = await call.create()
        await sandbox.clock.advance(600)
        assert sandbox.deliveries[delivery_id].status == "accepted"
        await sandbox.advance(delivery_id, "in_transit")
        await sandbox.resend(receiver.received[0].json["eventId"])
    assert Noted.threads == {"kaspi-sandbox"}


async def test_a_threaded_sandbox_waits_for_attempts_in_flight_and_breaks_them_off() -> None:
    async with (
        asyncio.timeout(5),
        Receiver(delay=0.2) as receiver,
        ThreadedSandbox(webhook_url=receiver.url) as sandbox,
        Caller(sandbox) as call,
    ):
        await call.create()
        await sandbox.drain_webhooks()
        assert [attempt.status for attempt in sandbox.webhook_attempts] == [200]
        receiver.delay = 600
        await call.create()
        await sandbox.reset()
        assert (len(sandbox.deliveries), len(sandbox.webhook_attempts)) == (0, 0)


async def test_a_threaded_sandbox_that_cannot_start_leaves_no_thread() -> None:
    async with Sandbox() as sandbox:
        port = int(sandbox.root_url.rpartition(":")[2])
        with pytest.raises(OSError, match="address"):
            await ThreadedSandbox(port=port).start()
        assert not any(thread.name == "kaspi-sandbox" for thread in threading.enumerate())


async def test_a_threaded_sandbox_may_be_stopped_twice_at_once_and_before_its_context_ends() -> None:
    with ThreadedSandbox() as sandbox:
        async with asyncio.timeout(10):
            await asyncio.gather(sandbox.stop(), sandbox.stop())
    assert not any(thread.name == "kaspi-sandbox" for thread in threading.enumerate())


async def test_an_event_is_sent_again_by_a_threaded_sandbox() -> None:
    async with Receiver() as receiver, ThreadedSandbox(webhook_url=receiver.url) as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create()
        await sandbox.advance(delivery_id, "in_transit")
        accepted = next(received.json for received in receiver.received if received.json["type"] == "delivery.accepted")
        await sandbox.resend(accepted["eventId"])
        assert receiver.received[-1].json == accepted


async def test_logs_are_bounded_by_size_and_show_what_came() -> None:
    log: Log[bytes] = Log(100, largest=1000, size=len)
    for number in range(30):
        log.append(bytes([65 + number]) * 100)
    assert (len(log), log.total, log[0][:1]) == (10, 30, b"U")
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create(key="order-742")
        await call.create(key="order-742")
        await call("GET", "/v1/deliveries/dlv_none")
        assert repr(sandbox.requests) == (
            "<3 in all: [POST /delivery/v1/deliveries 201 key=order-742, POST /delivery/v1/deliveries 201 "
            "key=order-742 replayed, GET /delivery/v1/deliveries/dlv_none 404]>"
        )
        assert repr(sandbox.deliveries) == f"<1 in all: [{delivery_id} created]>"
        sandbox.faults.add("get:503")
        assert repr(sandbox.faults) == "<1 in force: [get:status]>"
        sandbox.webhook_url = "http://127.0.0.1:9/"
        await sandbox.advance(delivery_id, "accepted")
        event_id = sandbox.webhook_attempts[0].event_id
        assert repr(sandbox.webhook_attempts).startswith(
            f"<1 in all: [delivery.accepted {delivery_id} event={event_id} attempt=1 ClientConnectorError: "
        )
        for _ in range(20):
            await call("GET", "/v1/deliveries/dlv_none", check=False)
        assert repr(sandbox.requests).startswith("<23 in all: 3 older, [GET /delivery/v1/deliveries/dlv_none 503 ")


async def test_requests_without_a_key_are_bounded_in_memory() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        for _ in range(70):
            await call("POST", "/v1/deliveries", api_key="", data=b"x" * 1_000_000)
        assert sandbox.requests.total == 70
        assert sum(len(seen.body) for seen in sandbox.requests) <= 64 * 1024 * 1024

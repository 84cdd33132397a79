"""No run sends an order under a key of 23 hours, wherever the clocks step: in a request, in a pause, between runs."""

import asyncio
import socket
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, Literal, get_args

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaspi_delivery_async import DeliveryClient, RetryPolicy
from kaspi_delivery_async.bulk import Journal, Paused, create_deliveries
from kaspi_delivery_async.bulk.runner import CALLS
from tests.bulk.test_random_runs import inline
from tests.support import virtual_time
from tests.support.bulk_runs import orders
from tests.support.raw_server import Exchange, RawServer
from tests.support.server_scripts import respond

HOUR = 3600.0
Point = Literal["in a request", "in a pause", "between runs"]


@attrs.define
class Clocks:
    """Both clocks of the machine, as steps have moved them, in seconds."""

    wall: float = 0.0
    monotonic: float = 0.0

    def step(self, *, asleep: float = 0.0, awake: float = 0.0, set_to: float = 0.0) -> None:
        """Let hours pass, in which the machine slept or not, and set its wall clock."""
        self.wall += (asleep + awake + set_to) * HOUR
        self.monotonic += awake * HOUR


Step = tuple[Point, dict[str, float]]
"""Where the clocks move, and how."""

hours = st.floats(0, 26)
steps = st.fixed_dictionaries({}, optional={"asleep": hours, "awake": hours, "set_to": st.floats(-26, 26)})
points = st.sampled_from(get_args(Point))


plans = st.lists(st.tuples(points, steps), min_size=1, max_size=5)


@pytest.mark.parametrize(
    ("point", "step"),
    [
        *((point, step) for point in get_args(Point) for step in ({"asleep": 25.0}, {"awake": 25.0})),
        # Not between runs: what no clock has seen, no run can know.
        *((point, {"awake": 25.0, "set_to": -25.0}) for point in ("in a request", "in a pause")),
    ],
    ids=str,
)
def test_no_order_is_sent_under_a_key_of_23_hours(point: Point, step: dict[str, float]) -> None:
    play([("in a request", {}), (point, step)])


@pytest.mark.long
@settings(max_examples=300, deadline=None)
@given(plan=plans)
def test_no_order_is_sent_under_a_key_of_23_hours_whatever_the_clocks_do(plan: list[Step]) -> None:
    play(plan)


@pytest.mark.parametrize(("before", "asleep", "runs"), [(22.5, 1.0, 1), (21.0, 0.5, 2)])
async def test_an_order_is_not_resumed_by_a_machine_that_slept_while_it_connected(
    file: str, monkeypatch: pytest.MonkeyPatch, before: float, asleep: float, runs: int
) -> None:
    """The last look at the clocks is when the bytes are about to leave, and it counts from the run before."""
    clocks, real, look_up = Clocks(), time.time, socket.getaddrinfo
    sleeps = 0.0

    def slow_look_up(*arguments: Any, **options: Any) -> Any:
        clocks.step(asleep=sleeps)
        return look_up(*arguments, **options)

    monkeypatch.setattr(time, "time", lambda: real() + clocks.wall)
    monkeypatch.setattr(socket, "getaddrinfo", slow_look_up)
    async with RawServer([respond(503, b"")]) as server:
        for _ in range(2):
            client = DeliveryClient(
                "key", base_url=f"http://localhost:{server.port}", retry=RetryPolicy(max_attempts=1)
            )
            async with client, Journal(file, lease=1e9) as journal:
                _ = [result async for result in create_deliveries(client, orders(1), journal=journal)]
            clocks.step(asleep=before)
            sleeps = asleep
    assert len(server.requests) == CALLS * runs


@attrs.define
class Machine:
    """Runs orders over one journal until all steps were made, and keeps the age of each key that is sent."""

    rest: list[Step]
    clocks: Clocks = attrs.field(factory=Clocks)
    sent: defaultdict[str, list[tuple[float, float]]] = attrs.field(factory=lambda: defaultdict(list))
    """By key, what the clocks showed at each request that may have been carried out."""

    def is_next(self, point: Point) -> bool:
        return bool(self.rest) and self.rest[0][0] == point

    def step(self, _paused: Paused | None = None) -> None:
        if self.rest:
            self.clocks.step(**self.rest.pop(0)[1])

    async def respond(self, exchange: Exchange) -> None:
        key = (await exchange.read()).headers["idempotency-key"]
        if self.sent[key] or not self.is_next("in a pause"):  # a 429 does nothing: no key ages by it
            self.sent[key].append((self.clocks.wall, self.clocks.monotonic))
        if self.is_next("in a request"):
            self.step()
            exchange.writer.write(b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n")
        elif self.is_next("in a pause"):
            exchange.writer.write(b"HTTP/1.1 429 X\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n")
        elif self.rest:
            exchange.reset()  # so the order stays open for the next run
        else:
            body = b'{"deliveryId":"dlv_%s","status":"created"}' % key.encode()
            exchange.writer.write(b"HTTP/1.1 201 X\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    async def run(self, file: Path) -> None:
        retry = RetryPolicy(max_attempts=2)
        runs = len(self.rest) + 1
        async with (
            RawServer([self.respond]) as server,
            DeliveryClient("key", base_url=server.base_url, retry=retry) as client,
        ):
            for _ in range(runs):
                async with Journal(file, lease=1e9) as journal:
                    created = create_deliveries(client, orders(2), journal=journal, concurrency=2, on_pause=self.step)
                    async for _result in created:
                        pass
                while self.is_next("between runs"):
                    self.step()


def play(plan: list[Step]) -> None:
    machine = Machine(list(plan))
    clocks, real = machine.clocks, (time.time, time.monotonic)
    with (
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as monkeypatch,
        asyncio.Runner(loop_factory=virtual_time.new_event_loop) as runner,
    ):
        monkeypatch.setattr(runner.get_loop(), "run_in_executor", inline)
        monkeypatch.setattr(time, "time", lambda: real[0]() + clocks.wall)
        monkeypatch.setattr(time, "monotonic", lambda: real[1]() + clocks.monotonic)
        runner.run(machine.run(Path(folder, "run.sqlite")))
    for first, *others in filter(None, machine.sent.values()):
        for wall, monotonic in others:
            assert max(wall - first[0], monotonic - first[1]) < 23.01 * HOUR

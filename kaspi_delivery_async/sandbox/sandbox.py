"""The sandbox as a whole: puts its parts together, starts and stops them, and is what tests hold in hand."""

import math
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from kaspi_delivery_async.sandbox.clock import Clock
from kaspi_delivery_async.sandbox.deliveries import lifecycle
from kaspi_delivery_async.sandbox.deliveries.journey import Journey
from kaspi_delivery_async.sandbox.deliveries.service import DeliveryService
from kaspi_delivery_async.sandbox.faults.fault import Fault
from kaspi_delivery_async.sandbox.faults.selection import Faults
from kaspi_delivery_async.sandbox.http.control_api import ControlApi
from kaspi_delivery_async.sandbox.http.delivery_api import DeliveryApi
from kaspi_delivery_async.sandbox.http.fault_effects import FaultEffects
from kaspi_delivery_async.sandbox.http.messages import HttpError
from kaspi_delivery_async.sandbox.http.server import API_ROOT, Router, SandboxServer
from kaspi_delivery_async.sandbox.http.validation import is_key
from kaspi_delivery_async.sandbox.state.idempotency_keys import KeyMemory
from kaspi_delivery_async.sandbox.state.logs import Log, RecordedRequest, WebhookAttempt
from kaspi_delivery_async.sandbox.state.records import DeliveryRecord
from kaspi_delivery_async.sandbox.state.storage import SqliteStorage, Storage
from kaspi_delivery_async.sandbox.webhooks.message import ANSWER_LIMIT
from kaspi_delivery_async.sandbox.webhooks.sender import Registration, WebhookSender
from kaspi_delivery_async.sandbox.webhooks.urls import is_loopback, url_problem

_HIGHEST_PORT = 65535
_GRACE = 0.05  # seconds for answers under way when the sandbox stops; none of them takes that long


class Sandbox:
    """A local Delivery API for tests and development: stateful, with time and faults under control.

    Use it as ``async with Sandbox() as sandbox:``, or call `start` and `stop`; an object starts once. Deliveries move
    only by hand (`advance`) unless there is a `Journey`; time is real unless there is another `Clock`.

    Nothing it does leaves this machine: webhooks go to loopback addresses only.
    """

    clock: Clock
    """The time of the sandbox; ``await sandbox.clock.advance(seconds)`` moves it ahead."""
    faults: Faults
    """What goes wrong; ``sandbox.faults.add("create:commit-then-drop:0.05")``."""
    requests: Log[RecordedRequest]
    """The newest requests to the Delivery API; ``requests.total`` counts all."""
    webhook_attempts: Log[WebhookAttempt]
    """The newest webhook attempts; ``webhook_attempts.total`` counts all."""
    deliveries: Mapping[str, DeliveryRecord]
    """Every delivery under its id, in order of creation."""
    api_key: str
    """The key that is good; set another and the old one is answered 401."""
    disabled_keys: set[str]
    """Keys that are answered 403."""

    def __init__(
        self,
        *,
        api_key: str = "sandbox-key",
        webhook_secret: str = "sandbox-secret",
        webhook_url: str | None = None,
        clock: Clock | None = None,
        journey: Journey | None = None,
        faults: Iterable[Fault | str] = (),
        seed: int = 0,
        disabled_keys: Iterable[str] = (),
        host: str = "127.0.0.1",
        port: int = 0,
        state_file: str | Path | None = None,
        answer_limit: float = ANSWER_LIMIT,
        keep: int = 100_000,
        remote_control: bool = False,
    ) -> None:
        """Describe a sandbox; nothing runs yet.

        Args:
            api_key: The key that is good.
            webhook_secret: Signs webhooks.
            webhook_url: The registered receiver, on this machine; without one, no status events are sent.
            clock: Real time, unless given; a clock serves one sandbox at a time.
            journey: How long the legs of a delivery take; without it, deliveries move only by hand.
            faults: Faults in force from the beginning.
            seed: Ids, leg durations and the chances of faults follow from it.
            disabled_keys: Keys that are answered 403.
            host: The address to listen on.
            port: The port to listen on; 0 for any free one.
            state_file: An SQLite file that keeps deliveries, keys, pending webhooks and the time over restarts.
            answer_limit: Seconds of the event loop's time that a webhook receiver has.
            keep: How many requests and webhook attempts are remembered, each.
            remote_control: Whether other machines may use the control API.

        Raises:
            ValueError: No client can send the key, the webhook URL is unusable or not on this machine, a fault makes no
                sense, or a number is out of its range.

        """
        if not is_key(api_key):
            raise ValueError(
                f"api_key: visible ASCII characters without blanks, as a header carries it, not {api_key!r}"
            )
        if not 0 <= port <= _HIGHEST_PORT:
            raise ValueError(f"port: 0 (any free one) to {_HIGHEST_PORT}, not {port!r}")
        if not 0 < answer_limit < math.inf:
            raise ValueError(f"answer_limit: a positive number of seconds, not {answer_limit!r}")
        if keep < 0:
            raise ValueError(f"keep: 0 or more entries, not {keep!r}")
        self.api_key = api_key
        self.disabled_keys = set(disabled_keys)
        self.clock = clock or Clock.real()
        self.faults = Faults(seed=seed)
        for fault in faults:
            self.faults.add(fault)
        self.requests = Log(keep)
        self.webhook_attempts = Log(keep)
        self._registration = Registration(webhook_secret)
        self.webhook_url = webhook_url
        self._host = host
        self._port = port
        self._remote_control = remote_control
        self._runner: web.ServerRunner | None = None
        self._started = False
        self._undo = AsyncExitStack()
        self._storage = Storage() if state_file is None else SqliteStorage(Path(state_file))
        self._effects = FaultEffects(wall=self.clock.wall)
        self._keys = KeyMemory()
        self._sender = WebhookSender(
            registration=self._registration,
            clock=self.clock,
            faults=self.faults,
            log=self.webhook_attempts,
            storage=self._storage,
            answer_limit=answer_limit,
        )
        self._service = DeliveryService(
            seed=seed, clock=self.clock, journey=journey, storage=self._storage, publish=self._sender.publish
        )
        self.deliveries = self._service.deliveries

    @property
    def base_url(self) -> str:
        """The URL to give a client, such as ``http://127.0.0.1:40123/delivery``."""
        return f"{self.root_url}/{API_ROOT}"

    @property
    def root_url(self) -> str:
        """The URL above both APIs, such as ``http://127.0.0.1:40123``.

        Raises:
            RuntimeError: The sandbox is not running.

        """
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("the sandbox is not running: use `async with Sandbox(...)` or `await sandbox.start()`")
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._runner.addresses[0][1]}"

    @property
    def webhook_secret(self) -> str:
        """The secret that signs webhooks from now on."""
        return self._registration.secret

    @webhook_secret.setter
    def webhook_secret(self, secret: str) -> None:
        self._registration.secret = secret

    @property
    def webhook_url(self) -> str | None:
        """The registered receiver; every attempt goes where this points at the time.

        Setting it raises ValueError for what is no http or https URL of this machine.
        """
        return self._registration.url

    @webhook_url.setter
    def webhook_url(self, url: str | None) -> None:
        if url is not None:
            problem = url_problem(url)
            if problem is None and not is_loopback(url):
                problem = "the sandbox sends to this machine only (127.0.0.0/8, ::1, localhost)"
            if problem is not None:
                raise ValueError(f"webhook_url: {problem}")
        self._registration.url = url

    async def start(self) -> None:
        """Begin to serve.

        Raises:
            RuntimeError: It was started before.
            OSError: The address cannot be had, or the state file not be opened.
            ValueError: The state file is none.

        """
        if self._started:
            raise RuntimeError("a sandbox starts once: make a new one (state_file keeps the state)")
        self._started = True
        async with AsyncExitStack() as undo:
            saved = self._storage.load()
            undo.callback(self._storage.close)
            undo.push_async_callback(self._sender.close)
            self.clock.begin(settle=self.drain_webhooks, not_before=saved.now)
            undo.callback(self.clock.end)
            undo.callback(self._service.commit)
            self._runner = runner = self._make_runner()
            undo.push_async_callback(runner.cleanup)
            undo.callback(self._effects.stop)
            for keyed in saved.keys:
                self._keys.remember(keyed)
            self._service.restore(saved)
            for pending in saved.events:
                self._sender.schedule(pending)
            await runner.setup()
            await web.TCPSite(runner, self._host, self._port).start()
            self._undo = undo.pop_all()

    async def stop(self) -> None:
        """Stop serving: connections are closed, waits ended, tasks gone when it returns. Stopping twice is harmless."""
        await self._undo.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def advance(self, delivery_id: str, status: str, *, notes: str | None = None) -> DeliveryRecord:
        """Move a delivery through every status on its way to ``status``, each with its webhook.

        It returns when the receiver has answered them, or failed to; so a receiver must not await it.

        Raises:
            UnknownDeliveryError: There is no such delivery.
            ImpossibleMoveError: Its present status does not lead there; a ``ValueError``.

        """
        record = self._service.advance(delivery_id, status, notes=notes)
        self._service.commit()
        await self.drain_webhooks()
        return record

    async def cancel(self, delivery_id: str, *, reason: str | None = None) -> DeliveryRecord:
        """Cancel a delivery from the courier's side; as `advance` to ``cancelled``."""
        return await self.advance(delivery_id, lifecycle.CANCELLED, notes=reason)

    async def drain_webhooks(self) -> None:
        """Wait until no webhook attempt is under way. Those that wait for their time are not waited for."""
        await self._sender.drain()

    async def reset(self) -> None:
        """Forget deliveries, keys, pending webhooks, faults and logs. The clock goes on."""
        self.clock.forget()
        await self._sender.abandon()
        self._service.clear()
        self._keys.clear()
        self._storage.clear()
        self.faults.clear()
        self.requests.clear()
        self.webhook_attempts.clear()

    def _make_runner(self) -> web.ServerRunner:
        api = DeliveryApi(
            service=self._service, keys=self._keys, storage=self._storage, clock=self.clock, admit=self._admit
        )
        edge = Router(
            api=api,
            control=ControlApi(self).respond,
            faults=self.faults,
            effects=self._effects,
            log=self.requests,
            clock=self.clock,
            remote_control=self._remote_control,
        )
        return web.ServerRunner(SandboxServer(edge.handle), shutdown_timeout=_GRACE)

    def _admit(self, api_key: str) -> None:
        if api_key in self.disabled_keys:
            raise HttpError(403, "forbidden", "x-api-key: this key is disabled")
        if not api_key or api_key != self.api_key:
            raise HttpError(401, "unauthorized", "x-api-key: the key is missing or not known")

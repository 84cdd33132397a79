"""The sandbox as a whole: puts its parts together, starts and stops them, and is what tests hold in hand."""

import secrets
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from aiohttp import web

from kaspi_delivery_async.sandbox import settings
from kaspi_delivery_async.sandbox.assumptions import Assumptions
from kaspi_delivery_async.sandbox.clock import Clock
from kaspi_delivery_async.sandbox.deliveries import lifecycle
from kaspi_delivery_async.sandbox.deliveries.journey import Journey
from kaspi_delivery_async.sandbox.deliveries.service import Deliveries, DeliveryService
from kaspi_delivery_async.sandbox.faults.fault import Fault
from kaspi_delivery_async.sandbox.faults.selection import Faults
from kaspi_delivery_async.sandbox.http.access import check_api_key
from kaspi_delivery_async.sandbox.http.control.api import ControlApi
from kaspi_delivery_async.sandbox.http.delivery_api import DeliveryApi
from kaspi_delivery_async.sandbox.http.fault_effects import FaultEffects
from kaspi_delivery_async.sandbox.http.server import API_ROOT, Router, SandboxServer
from kaspi_delivery_async.sandbox.page.entry import with_page
from kaspi_delivery_async.sandbox.state.idempotency_keys import KeyMemory
from kaspi_delivery_async.sandbox.state.logs import Log, RecordedRequest, WebhookAttempt
from kaspi_delivery_async.sandbox.state.records import DeliveryRecord
from kaspi_delivery_async.sandbox.state.storage import SqliteStorage, Storage
from kaspi_delivery_async.sandbox.webhooks.message import RESPONSE_LIMIT
from kaspi_delivery_async.sandbox.webhooks.sender import Registration, WebhookSender

_GRACE = 0.05  # seconds for responses in progress when the sandbox stops; none of them takes that long


class Sandbox:
    """A local Delivery API for tests and development: stateful, with time and faults under control.

    Use it as ``async with Sandbox() as sandbox:``, or call `start` and `stop`; an object starts once. Deliveries move
    only by hand (`advance`) unless there is a `Journey`; time is real unless there is another `Clock`.

    Nothing it does leaves this machine: webhooks go to loopback addresses only, and no web page of another site gets
    a response.
    """

    clock: Clock
    """The time of the sandbox; ``await sandbox.clock.advance(seconds)`` moves it ahead."""
    faults: Faults
    """What goes wrong; ``sandbox.faults.add("create:commit-then-drop:0.05")``."""
    requests: Log[RecordedRequest]
    """The newest requests but those of the control API; ``requests.total`` counts all, ``requests.clear()`` forgets."""
    webhook_attempts: Log[WebhookAttempt]
    """The newest webhook attempts; ``webhook_attempts.total`` counts all."""
    api_key: str
    """The accepted API key; after you assign another, requests with the old one get 401."""
    api_keys: set[str]
    """Further API keys that are accepted, as while a key is rotated."""
    disabled_keys: set[str]
    """API keys that get 403."""
    deliveries: Deliveries
    """Every delivery under its id, in order of creation."""
    seed: int
    """What ids, durations and chances follow from."""
    hidden_settings: set[str]
    """What the control API does not show, of ``apiKey`` and ``webhookSecret``; empty at first."""
    assumptions: Assumptions
    """How the sandbox behaves where no page of the vendor says so."""

    def __init__(
        self,
        *,
        api_key: str = "sandbox-key",
        api_keys: Iterable[str] = (),
        webhook_secret: str = "sandbox-secret",
        webhook_url: str | None = None,
        clock: Clock | None = None,
        journey: Journey | None = None,
        faults: Iterable[Fault | str] = (),
        seed: int | None = None,
        disabled_keys: Iterable[str] = (),
        host: str = "127.0.0.1",
        port: int = 0,
        allowed_hosts: Iterable[str] = (),
        state_file: str | Path | None = None,
        answer_limit: float = RESPONSE_LIMIT,
        keep: int = 100_000,
        remote_control: bool = False,
        self_signed_receiver: bool = False,
        assumptions: Assumptions | None = None,
    ) -> None:
        """Describe a sandbox; nothing runs yet.

        Args:
            api_key: The accepted API key.
            api_keys: Further API keys that are accepted.
            webhook_secret: Signs webhooks.
            webhook_url: The registered receiver, on this machine; without one, no status events are sent.
            clock: Real time, unless given; a clock serves one sandbox at a time.
            journey: How long the legs of a delivery take; without it, deliveries move only by hand.
            faults: Faults in force from the beginning.
            seed: Ids, leg durations and the chances of faults follow from it; another one each time, unless given.
            disabled_keys: API keys that get 403.
            host: The address to listen on.
            port: The port to listen on; 0 for any free one.
            allowed_hosts: Names by which programs may call the sandbox, beside ``localhost`` and its addresses.
            state_file: An SQLite file that keeps deliveries, keys, pending webhooks and the time over restarts.
            answer_limit: Seconds of the event loop's time that a webhook receiver has.
            keep: How many requests and webhook attempts are remembered, each; at most 64 MiB of them.
            remote_control: Whether other machines may use the control API.
            self_signed_receiver: Whether the certificate of an https receiver is taken without verification.
            assumptions: How to behave where no page of the vendor says so.

        Raises:
            ValueError: A setting makes no sense; the message begins with its name.

        """
        settings.check_numbers(port=port, answer_limit=answer_limit, keep=keep)
        self.api_key = settings.checked_key(api_key, "api_key")
        self.api_keys = {settings.checked_key(each, "api_keys") for each in api_keys}
        self.disabled_keys, self.hidden_settings = set(disabled_keys), set[str]()
        self.clock = clock or Clock.real()
        self.seed = secrets.randbelow(2**32) if seed is None else seed
        self.assumptions = assumptions or Assumptions()
        self.faults = Faults(seed=self.seed)
        for fault in faults:
            self.faults.add(fault)
        self.requests = Log(keep, size=lambda seen: seen.size)
        self.webhook_attempts = Log(keep, size=lambda made: made.size)
        self._registration = Registration(settings.checked_secret(webhook_secret))
        self.webhook_url = webhook_url
        self._host = host
        self._port = port
        self._allowed_hosts = settings.host_names(host, allowed_hosts)
        self._remote_control = remote_control
        self._runner: web.ServerRunner | None = None
        self._started = False
        self._undo = AsyncExitStack()
        self._storage = Storage() if state_file is None else SqliteStorage(Path(state_file))
        self._effects = FaultEffects(wall=self.clock.wall)
        self._keys = KeyMemory()
        self._sender = WebhookSender(
            registration=self._registration, clock=self.clock, faults=self.faults, log=self.webhook_attempts,
            storage=self._storage, response_limit=answer_limit, self_signed=self_signed_receiver,
        )  # fmt: skip
        self._service = DeliveryService(
            seed=self.seed, clock=self.clock, journey=journey, storage=self._storage, publish=self._sender.publish
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
        return f"http://{settings.reachable(self._host)}:{self._runner.addresses[0][1]}"

    @property
    def webhook_secret(self) -> str:
        """The secret that signs webhooks from now on."""
        return self._registration.secret

    @webhook_secret.setter
    def webhook_secret(self, secret: str) -> None:
        self._registration.secret = settings.checked_secret(secret)

    @property
    def webhook_url(self) -> str | None:
        """The registered receiver; every attempt goes where this points at the time.

        Setting it raises ValueError for what is not an http or https URL of this machine.
        """
        return self._registration.url

    @webhook_url.setter
    def webhook_url(self, url: str | None) -> None:
        self._registration.url = settings.checked_receiver(url)

    async def start(self) -> None:
        """Begin to serve.

        Raises:
            RuntimeError: It was started before.
            OSError: The address cannot be had, or the state file cannot be opened.
            ValueError: The state file is not one, or another sandbox uses it.

        """
        if self._started:
            raise RuntimeError("a sandbox starts once: make a new one (state_file keeps the state)")
        self._started = True
        async with AsyncExitStack() as undo:
            saved = self._storage.load()
            undo.callback(self._storage.close)
            undo.push_async_callback(self._sender.close)
            self.clock.begin(drain=self._sender.drain, moved=self.keep, not_before=saved.now)
            undo.callback(self.clock.end)
            undo.callback(self._service.commit_if_possible)
            self._runner = runner = self._make_runner()
            undo.push_async_callback(runner.cleanup)
            undo.callback(self._effects.stop)
            for stored in saved.keys:
                self._keys.remember(stored)
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

    async def __aexit__(self, *_error: object) -> None:
        await self.stop()

    async def advance(self, delivery_id: str, status: str, *, notes: str | None = None) -> DeliveryRecord:
        """Move a delivery through every status on its way to ``status``, which gets the notes; each has its webhook.

        It returns when the receiver has responded to them, or failed to; so a receiver must not await it.

        Raises:
            UnknownDeliveryError: There is no such delivery.
            ImpossibleMoveError: Its present status does not lead there; a ``ValueError``.

        """
        record = self._service.advance(delivery_id, status, notes=notes)
        self._service.commit()
        await self._sender.drain(delivery_id)
        return record

    async def cancel(self, delivery_id: str, *, reason: str | None = None) -> DeliveryRecord:
        """Cancel a delivery from the courier's side; as `advance` to ``cancelled``."""
        return await self.advance(delivery_id, lifecycle.CANCELLED, notes=reason)

    async def resend(self, event_id: str) -> None:
        """Send an event once more, as the vendor's support does on request, and wait for the receiver.

        Raises:
            UnknownEventError: There is no such event.
            ValueError: No receiver is registered.

        """
        event = self._service.event(event_id)
        if event.url is None and self.webhook_url is None:
            raise ValueError("no receiver is registered: set webhook_url first")
        self._sender.publish(event)
        self._service.commit()
        await self._sender.drain(event.delivery_id)

    async def drain_webhooks(self) -> None:
        """Wait for the webhook attempts in flight. Those that wait for their time are not waited for."""
        await self._sender.drain()

    async def reset(self) -> None:
        """Forget deliveries, keys, pending webhooks, faults and logs. The clock goes on, and no id is given again.

        Requests that a fault still holds back are not handled any more: their connections are reset.
        """
        self._effects.reset()
        self.clock.forget()
        self._service.clear()
        self._keys.clear()
        self._storage.clear()
        self.faults.clear()
        self.requests.clear()
        self.webhook_attempts.clear()
        await self._sender.abandon()
        self._service.commit()

    def keep(self) -> None:
        """Make the state durable, the time included."""
        self._service.commit_if_possible()

    def _make_runner(self) -> web.ServerRunner:
        api = DeliveryApi(
            service=self._service, keys=self._keys, storage=self._storage, clock=self.clock, admit=self._admit,
            assumptions=self.assumptions,
        )  # fmt: skip
        router = Router(
            api=api, control=with_page(ControlApi(self, create_example=self._service.create_example).respond),
            faults=self.faults, effects=self._effects, log=self.requests, clock=self.clock,
            assumptions=self.assumptions, remote_control=self._remote_control, allowed_hosts=self._allowed_hosts,
        )  # fmt: skip
        return web.ServerRunner(SandboxServer(router), shutdown_timeout=_GRACE)

    def _admit(self, api_key: str) -> None:
        check_api_key(api_key, current=self.api_key, others=self.api_keys, disabled=self.disabled_keys)

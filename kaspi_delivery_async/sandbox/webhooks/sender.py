"""Sends webhooks: attempts over HTTP, one delivery's events in order, retries on the sandbox clock."""

import asyncio
import itertools
from contextlib import suppress

import aiohttp
import attrs

from kaspi_delivery_async.sandbox.clock import Clock
from kaspi_delivery_async.sandbox.faults.fault import Fault, FaultKind
from kaspi_delivery_async.sandbox.faults.selection import Faults, Happening
from kaspi_delivery_async.sandbox.state.logs import Log, WebhookAttempt
from kaspi_delivery_async.sandbox.state.records import Event, PendingEvent
from kaspi_delivery_async.sandbox.state.storage import Storage, StorageError
from kaspi_delivery_async.sandbox.webhooks.message import following_attempt, render, signed_headers
from kaspi_delivery_async.sandbox.webhooks.urls import is_loopback

_AT_ONCE = 64  # attempts to one receiver; more would only queue up in it


@attrs.define
class Registration:
    """What a partner sets in the console: where events go and the secret that signs them. Source: WH."""

    secret: str = attrs.field(repr=False)
    url: str | None = attrs.field(default=None, repr=False)


@attrs.frozen(eq=False)
class _Attempt:
    """An attempt, and the fault that happens to it, if any."""

    pending: PendingEvent
    happening: Happening | None
    number: int
    """In order of launching."""

    @property
    def fault(self) -> Fault | None:
        return None if self.happening is None else self.happening.fault

    @property
    def kind(self) -> FaultKind | None:
        return None if self.fault is None else self.fault.kind

    @property
    def delivery_id(self) -> str:
        return self.pending.event.delivery_id


class WebhookSender:
    """Hands events to receivers on this machine; none other is ever contacted."""

    def __init__(
        self,
        *,
        registration: Registration,
        clock: Clock,
        faults: Faults,
        log: Log[WebhookAttempt],
        storage: Storage,
        response_limit: float,
        self_signed: bool,
    ) -> None:
        """Begin with nothing to send.

        Args:
            registration: The receiver and the secret, as they are at the time of each attempt.
            clock: When attempts are due.
            faults: What goes wrong.
            log: Where attempts are recorded.
            storage: Keeps what no receiver has accepted yet.
            response_limit: Seconds of the event loop's time that a receiver has.
            self_signed: Whether the certificate of an https receiver is taken as it is.

        """
        self._registration = registration
        self._clock = clock
        self._faults = faults
        self._log = log
        self._storage = storage
        self._timeout = aiohttp.ClientTimeout(total=response_limit)
        self._self_signed = self_signed
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._session: aiohttp.ClientSession | None = None
        self._running: dict[str, dict[asyncio.Task[None], int]] = {}
        """The attempts of each delivery in flight, with their numbers."""
        self._latest: dict[tuple[str, str], asyncio.Task[None]] = {}
        """The newest attempt of each delivery at each receiver: the next one there comes after it."""
        self._held: dict[str, list[_Attempt]] = {}
        self._numbers = itertools.count()

    def publish(self, event: Event) -> None:
        """Send an event, unless it is for the registered receiver and there is none."""
        if event.url is None and self._registration.url is None:
            return
        now = self._clock.now()
        pending = PendingEvent(event=event, attempt=1, first_at=now, due=now)
        self._storage.save_event(pending)
        self._launch(pending)

    def schedule(self, pending: PendingEvent) -> None:
        """Make an attempt when it is due."""
        self._clock.call_at(pending.due, lambda: self._launch(pending))

    async def drain(self, delivery_id: str | None = None) -> None:
        """Wait for the attempts that have been launched by now, of all deliveries or of one."""
        launched = next(self._numbers)
        while True:
            if delivery_id is None:
                running = [
                    task for each in self._running.values() for task, number in each.items() if number < launched
                ]
            else:
                running = [task for task, number in self._running.get(delivery_id, {}).items() if number < launched]
            if not running:
                return
            await asyncio.wait(running)

    async def abandon(self) -> None:
        """Cancel everything in progress and drop everything held back."""
        broken_off = [task for each in self._running.values() for task in each]
        self._held.clear()
        self._running.clear()
        self._latest.clear()
        for task in broken_off:
            task.cancel()
        if broken_off:
            await asyncio.wait(broken_off)

    async def close(self) -> None:
        """Cancel everything in progress and close the connections."""
        await self.abandon()
        if self._session is not None:
            await self._session.close()

    def _launch(self, pending: PendingEvent) -> None:
        happening = self._faults.pick(pending.event.type, order=pending.event.external_order_id)
        attempt = _Attempt(pending, happening, next(self._numbers))
        if attempt.kind is FaultKind.REORDER:
            self._held.setdefault(attempt.delivery_id, []).append(attempt)
            seconds = (attempt.fault and attempt.fault.seconds) or 0.0
            self._clock.call_at(self._clock.now() + seconds, lambda: self._release(attempt))
        elif happening is not None and happening.seconds > 0:
            self._clock.call_at(self._clock.now() + happening.seconds, lambda: self._start(attempt))
        else:
            self._start(attempt)

    def _release(self, attempt: _Attempt) -> None:
        held = self._held.get(attempt.delivery_id, [])
        if attempt in held:
            held.remove(attempt)
            if not held:
                del self._held[attempt.delivery_id]
            self._start(attempt)

    def _start(self, attempt: _Attempt) -> None:
        delivery_id = attempt.delivery_id
        url = attempt.pending.event.url or self._registration.url or ""
        line = (delivery_id, url)
        work = self._run(attempt, url, at=self._clock.now(), after=self._latest.get(line))
        task = asyncio.create_task(work)
        self._running.setdefault(delivery_id, {})[task] = attempt.number
        self._latest[line] = task
        task.add_done_callback(lambda done: self._ended(line, done))

    def _ended(self, line: tuple[str, str], task: asyncio.Task[None]) -> None:
        delivery_id, _ = line
        running = self._running.get(delivery_id, {})
        running.pop(task, None)
        if not running:
            self._running.pop(delivery_id, None)
        if self._latest.get(line) is task:
            del self._latest[line]

    async def _run(self, attempt: _Attempt, url: str, *, at: float, after: asyncio.Task[None] | None) -> None:
        if after is not None:
            await asyncio.wait([after])
        # A receiver that is silent must not hold up another.
        async with self._turns.setdefault(url, asyncio.Semaphore(_AT_ONCE)):
            copies = 2 if attempt.kind is FaultKind.DUPLICATE else 1
            sent = await asyncio.gather(*(self._send(attempt, url, at) for _ in range(copies)))
        following = None if any(sent) else following_attempt(attempt.pending, at)
        if following is None:
            self._storage.forget_event(attempt.pending.event.event_id)
        else:
            self._storage.save_event(following)
            self.schedule(following)
        with suppress(StorageError):  # the next commit catches up
            self._storage.commit(self._clock.now())
        if attempt.pending.attempt == 1:
            for held in tuple(self._held.get(attempt.delivery_id, ())):
                if held.number < attempt.number:
                    self._release(held)

    async def _send(self, attempt: _Attempt, url: str, at: float) -> bool:
        """Make one attempt, log it, and return whether the receiver accepted the event."""
        event = attempt.pending.event
        if attempt.fault is not None and attempt.kind is FaultKind.UNKNOWN_EVENT:
            unknown = attempt.fault.value or ""
            event = attrs.evolve(event, type=f"delivery.{unknown}", status=unknown)
        body = render(event, attempt.pending.attempt)
        skew = (attempt.fault.seconds or 0.0) if attempt.fault and attempt.kind is FaultKind.CLOCK_SKEW else 0.0
        secret = self._registration.secret + ("?" if attempt.kind is FaultKind.BAD_SIGNATURE else "")
        headers = signed_headers(body, secret=secret, timestamp=int(self._clock.stamp() + skew))
        begun = WebhookAttempt(
            event_id=event.event_id,
            type=event.type,
            delivery_id=event.delivery_id,
            attempt=attempt.pending.attempt,
            at=at,
            url=url,
            headers=headers,
            body=body,
            error="no response yet",
            fault=None if attempt.happening is None else attempt.happening.text,
        )
        # Logged when it is sent, so that the log's order is the one of sending and an attempt that hangs is in it.
        number = self._log.append(begun, final=False)
        began = asyncio.get_running_loop().time()
        status, error = await self._post(url, body, headers, kind=attempt.kind)
        duration = asyncio.get_running_loop().time() - began
        ended = attrs.evolve(begun, status=status, error=error, duration=duration)
        self._log.replace(number, ended)
        return ended.succeeded

    async def _post(
        self, url: str, body: bytes, headers: dict[str, str], *, kind: FaultKind | None
    ) -> tuple[int | None, str | None]:
        if not url:
            return None, "not sent: no receiver is registered any more"
        if not is_loopback(url):
            return None, "not sent: the sandbox sends to this machine only (127.0.0.0/8, ::1, localhost)"
        if kind is FaultKind.DROP:
            return None, "lost on the way by a fault"
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=not self._self_signed),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=self._timeout,
            )
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                return response.status, None
        except TimeoutError:
            return None, f"no response within {self._timeout.total:g} seconds"
        except (aiohttp.ClientError, ValueError) as error:
            return None, f"{type(error).__name__}: {error}"

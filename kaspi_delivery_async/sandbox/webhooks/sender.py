"""Sends webhooks: attempts over HTTP, one delivery's events in order, retries on the sandbox clock."""

import asyncio
import itertools

import aiohttp
import attrs

from kaspi_delivery_async.sandbox.clock import Clock
from kaspi_delivery_async.sandbox.faults.fault import Fault, FaultKind
from kaspi_delivery_async.sandbox.faults.selection import Faults
from kaspi_delivery_async.sandbox.state.logs import Log, WebhookAttempt
from kaspi_delivery_async.sandbox.state.records import Event, PendingEvent
from kaspi_delivery_async.sandbox.state.storage import Storage
from kaspi_delivery_async.sandbox.webhooks.message import following_attempt, render, signed_headers
from kaspi_delivery_async.sandbox.webhooks.urls import is_loopback

_AT_ONCE = 64  # attempts; more would only queue up in the receiver


@attrs.define
class Registration:
    """What a partner sets in the console: where events go and the secret that signs them. Source: WH."""

    secret: str = attrs.field(repr=False)
    url: str | None = attrs.field(default=None, repr=False)


@attrs.frozen(eq=False)
class _Attempt:
    """An attempt whose fault, if any, is decided."""

    pending: PendingEvent
    fault: Fault | None
    number: int
    """In order of launching."""

    @property
    def kind(self) -> FaultKind | None:
        return None if self.fault is None else self.fault.kind

    @property
    def seconds(self) -> float:
        return 0.0 if self.fault is None else self.fault.seconds or 0.0


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
        answer_limit: float,
    ) -> None:
        """Begin with nothing to send; ``answer_limit`` is in seconds of the event loop's time."""
        self._registration = registration
        self._clock = clock
        self._faults = faults
        self._log = log
        self._storage = storage
        self._timeout = aiohttp.ClientTimeout(total=answer_limit)
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._latest: dict[str, asyncio.Task[None]] = {}
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

    async def drain(self) -> None:
        """Wait until no attempt is under way."""
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    async def abandon(self) -> None:
        """Break off everything under way and drop everything held back."""
        self._held.clear()
        for task in self._tasks:
            task.cancel()
        await self.drain()

    async def close(self) -> None:
        """Break off everything under way and close the connections."""
        await self.abandon()
        if self._session is not None:
            await self._session.close()

    def _launch(self, pending: PendingEvent) -> None:
        happening = self._faults.pick(pending.event.type)
        attempt = _Attempt(pending, None if happening is None else happening.fault, next(self._numbers))
        if attempt.kind is FaultKind.DELAY:
            self._clock.call_at(self._clock.now() + attempt.seconds, lambda: self._start(attempt))
        elif attempt.kind is FaultKind.REORDER:
            self._held.setdefault(pending.event.delivery_id, []).append(attempt)
            self._clock.call_at(self._clock.now() + attempt.seconds, lambda: self._release(attempt))
        else:
            self._start(attempt)

    def _release(self, attempt: _Attempt) -> None:
        delivery_id = attempt.pending.event.delivery_id
        held = self._held.get(delivery_id, [])
        if attempt in held:
            held.remove(attempt)
            if not held:
                del self._held[delivery_id]
            self._start(attempt)

    def _start(self, attempt: _Attempt) -> None:
        delivery_id = attempt.pending.event.delivery_id
        work = self._run(attempt, at=self._clock.now(), after=self._latest.get(delivery_id))
        task = asyncio.create_task(work)
        self._tasks.add(task)
        self._latest[delivery_id] = task
        task.add_done_callback(self._tasks.discard)

    async def _run(self, attempt: _Attempt, *, at: float, after: asyncio.Task[None] | None) -> None:
        delivery_id = attempt.pending.event.delivery_id
        if after is not None:
            await asyncio.wait([after])
        async with self._turn:
            copies = 2 if attempt.kind is FaultKind.DUPLICATE else 1
            sent = await asyncio.gather(*(self._send(attempt, at) for _ in range(copies)))
        following = None if any(sent) else following_attempt(attempt.pending, at)
        if following is None:
            self._storage.forget_event(attempt.pending.event.event_id)
        else:
            self._storage.save_event(following)
            self.schedule(following)
        self._storage.commit(self._clock.now())
        if self._latest.get(delivery_id) is asyncio.current_task():
            del self._latest[delivery_id]
        if attempt.pending.attempt == 1:
            for held in tuple(self._held.get(delivery_id, ())):
                if held.number < attempt.number:
                    self._release(held)

    async def _send(self, attempt: _Attempt, at: float) -> bool:
        """Make one attempt, log it, and tell whether the receiver accepted the event."""
        event = attempt.pending.event
        body = render(event, attempt.pending.attempt)
        skew = attempt.seconds if attempt.kind is FaultKind.CLOCK_SKEW else 0.0
        secret = self._registration.secret + ("?" if attempt.kind is FaultKind.BAD_SIGNATURE else "")
        headers = signed_headers(body, secret=secret, timestamp=int(self._clock.stamp() + skew))
        url = event.url or self._registration.url or ""
        began = asyncio.get_running_loop().time()
        status, error = await self._post(url, body, headers, kind=attempt.kind)
        logged = WebhookAttempt(
            event_id=event.event_id,
            type=event.type,
            delivery_id=event.delivery_id,
            attempt=attempt.pending.attempt,
            at=at,
            url=url,
            headers=headers,
            body=body,
            status=status,
            error=error,
            duration=asyncio.get_running_loop().time() - began,
            fault=None if attempt.fault is None else str(attempt.fault),
        )
        self._log.append(logged)
        return logged.succeeded

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
                connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar(), timeout=self._timeout
            )
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                return response.status, None
        except TimeoutError:
            return None, f"no answer within {self._timeout.total:g} seconds"
        except (aiohttp.ClientError, ValueError) as error:
            return None, f"{type(error).__name__}: {error}"

"""Receives webhooks: verifies, stores, acknowledges, and has each handled once.

A message is acknowledged when it is stored, before its handler runs, so that the vendor's 5 seconds
are kept whatever the handler does, and nothing is lost if the process dies (Source: WH CL).
"""

import asyncio
import logging
import os
import random
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from contextvars import Context
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

import attrs

from kaspi_delivery_async.errors import StorageError, WebhookVerificationError
from kaspi_delivery_async.options import RetryPolicy
from kaspi_delivery_async.tracking import StatusHub
from kaspi_delivery_async.webhooks.settings import check_settings
from kaspi_delivery_async.webhooks.stored_events import (
    DeadLetter,
    InboxTotals,
    Message,
    Receipt,
    error_text,
    event_key,
    unreadable_key,
)
from kaspi_delivery_async.webhooks.stores.protocol import Store, follow
from kaspi_delivery_async.webhooks.verifier import MALFORMED_BODY, Headers, WebhookVerifier, system_clock, unix_seconds
from kaspi_delivery_async.webhooks.worker import Handler, Worker

if TYPE_CHECKING:
    from kaspi_delivery_async.webhooks.receivers.aiohttp import AiohttpHandler
    from kaspi_delivery_async.webhooks.receivers.asgi import AsgiReceiver
    from kaspi_delivery_async.webhooks.receivers.django import DjangoView

HANDLER_RETRIES = RetryPolicy(max_attempts=12, base=2.0, cap=3600.0)
"""A handler is tried 12 times, over an hour or so, before its event becomes a dead letter."""

HANDLER_TIMEOUT = 30.0
"""Seconds that a handler may run."""

_logger = logging.getLogger(__name__)


@attrs.define(eq=False)
class _Running:
    """What runs for an inbox on one event loop, in one process."""

    worker: Worker | None
    task: asyncio.Task[None]
    entered: int = 0
    """How many contexts it was entered for and has not left."""
    is_closing: bool = False
    closed: asyncio.Event = attrs.field(factory=asyncio.Event)


class WebhookInbox:
    """Stores every verified event and runs a handler for it until the handler succeeds.

    Mount one of `aiohttp`, `asgi` and `django` in your service, or call `receive` yourself, and
    enter the inbox as an asynchronous context manager (or pass `lifespan` or `cleanup_ctx` to your
    framework, which do it), so that waiting events of an earlier run are taken up at once::

        async def handle(event: DeliveryWebhook) -> None: ...

        inbox = WebhookInbox(WebhookVerifier([secret]), store="events.sqlite", handler=handle)

    A handler runs once for each event, whatever duplicates arrive, and never twice at a time; again after
    it raised; and possibly again after its process was killed, so running it twice must do no harm.
    Events of one delivery may be handled out of order: `StatusHub` and `kaspi_delivery_async.status` sort that out.

    One inbox may be used on several event loops, one after the other or at once.
    """

    def __init__(
        self,
        verifier: WebhookVerifier,
        *,
        store: Store | str | os.PathLike[str],
        handler: Handler | None = None,
        hub: StatusHub | None = None,
        retry: RetryPolicy = HANDLER_RETRIES,
        handler_timeout: float | None = HANDLER_TIMEOUT,
        concurrency: int = 32,
        clock: Callable[[], float] = system_clock,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Set up an inbox; nothing is opened yet.

        Args:
            verifier: Verifies incoming messages.
            store: An SQLite file's path, a PostgreSQL URL, or a `Store` such as `MemoryStore`. Several
                processes may share one that is not in memory.
            handler: Called with each event: a coroutine function, or an object whose ``__call__`` is one.
                Without a handler, events are stored for another process to handle.
            hub: Receives each event and wakes the tasks that wait for its delivery; also the events
                that other processes receive into the same store.
            retry: How often and how soon a handler is tried again before its event becomes a dead letter.
            handler_timeout: Seconds that one run of the handler may take; then it is cancelled, and has failed.
                None sets no bound.
            concurrency: Maximum number of concurrent handlers.
            clock: Seconds since the epoch, for the age of messages and of handled events.
            draw: Evenly distributed over [0, 1), for the jitter of retries.

        Raises `ConfigurationError` for an argument of another kind, a location that is none, or an extra that
        is not installed.

        """
        check_settings(
            verifier=verifier,
            store=store,
            handler=handler,
            hub=hub,
            handler_timeout=handler_timeout,
            concurrency=concurrency,
        )
        self._verifier = verifier
        self._store = _store_at(store) if isinstance(store, str | os.PathLike) else store
        self._hub = hub
        self._clock = clock
        self._new_worker = handler and partial(
            Worker,
            store=self._store,
            handler=handler,
            handler_timeout=handler_timeout,
            policy=retry,
            concurrency=concurrency,
            clock=clock,
            draw=draw,
        )
        self._running: dict[tuple[int, asyncio.AbstractEventLoop], _Running] = {}

    async def __aenter__(self) -> Self:
        """Open the store and begin to handle its events; raises `ConfigurationError` if it can never be used."""
        try:
            await self._store.open()
        except StorageError as error:
            # It may pass, and until then senders get a 503.
            _logger.warning("the inbox's store cannot be opened yet: %s", error)
        self._start().entered += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        running = self._current()
        if running is not None:
            running.entered -= 1
            if running.entered > 0:
                return
        await self.aclose()

    async def aclose(self, *, grace: float = 10.0) -> None:
        """Stop handling events: running handlers get ``grace`` seconds, then they are cancelled and left to others.

        A handler that goes on all the same is waited for a second longer. Meanwhile `receive` raises
        `StorageError`; afterwards it opens the inbox again.
        """
        running = self._current()
        if running is not None and running.is_closing:
            await running.closed.wait()
        elif running is not None:
            running.is_closing = True
            try:
                running.task.cancel()
                await asyncio.wait([running.task])
                if running.worker is not None:
                    await running.worker.finish(grace)
            finally:
                running.closed.set()
                del self._running[_here()]
        await self._store.close()

    async def receive(self, body: bytes, headers: Headers, received_at: datetime | float | None = None) -> Receipt:
        """Verify a message and store its event; when this returns, the message may be acknowledged by any 2xx.

        Args:
            body: The body, byte for byte.
            headers: The request's headers, in any case, as text or bytes.
            received_at: When it was received: seconds since the epoch or a datetime with its zone; now if None.

        Raises `WebhookVerificationError` if it is not genuine or cannot be read (then it is stored as a
        dead letter), and what the store raises, such as `StorageError`: nothing is stored then, and the
        vendor must be made to send it again.

        """
        moment = unix_seconds(received_at, self._clock)
        try:
            event = self._verifier.verify(body, headers, moment)
        except WebhookVerificationError as error:
            if error.reason == MALFORMED_BODY:
                raw = bytes(body)
                self._start()
                await self._store.add(
                    Message(key=unreadable_key(raw), body=raw, received_at=moment, event=None, error=error_text(error))
                )
            raise
        running = self._start()
        message = Message(key=event_key(event.event_id), body=bytes(body), received_at=moment, event=event)
        is_new = await self._store.add(message)
        if self._hub is not None:
            self._hub.publish(event)
        if running.worker is not None and is_new:
            running.worker.wake()
        return Receipt(event=event, duplicate=not is_new)

    async def dead_letters(self, *, limit: int = 100) -> Sequence[DeadLetter]:
        """List the oldest dead letters, at most ``limit``."""
        return await self._store.dead_letters(limit=limit)

    async def replay(self, numbers: Collection[int] | None = None) -> int:
        """Make dead letters due again, by their numbers, or all of them; return how many."""
        replayed = await self._store.replay(numbers)
        running = self._current()
        if running is not None and running.worker is not None:
            running.worker.wake()
        return replayed

    async def totals(self) -> InboxTotals:
        """Count events, attempts and duplicates."""
        return await self._store.totals()

    @property
    def aiohttp(self) -> "AiohttpHandler":
        """A handler for ``aiohttp.web``: ``app.router.add_route("*", "/webhooks", inbox.aiohttp)``."""
        from kaspi_delivery_async.webhooks.receivers.aiohttp import aiohttp_handler

        return aiohttp_handler(self.receive)

    async def cleanup_ctx(self, _app: object) -> AsyncGenerator[None, None]:
        """Keep the inbox open while an ``aiohttp.web`` application runs.

        As in ``app.cleanup_ctx.append(inbox.cleanup_ctx)``.
        """
        async with self:
            yield

    @asynccontextmanager
    async def lifespan(self, _app: object) -> AsyncGenerator[None, None]:
        """Keep the inbox open while an application of FastAPI, Starlette or Litestar runs.

        As in ``FastAPI(lifespan=inbox.lifespan)``, or ``Litestar(lifespan=[inbox.lifespan])``.
        """
        async with self:
            yield

    @property
    def asgi(self) -> "AsgiReceiver":
        """An ASGI application, to serve by itself, or at a route of FastAPI, Starlette or Litestar."""
        from kaspi_delivery_async.webhooks.receivers.asgi import AsgiReceiver

        return AsgiReceiver(self.receive, lifespan=self)

    @property
    def django(self) -> "DjangoView":
        """An async Django view, exempt from CSRF protection, for a project under an ASGI server."""
        from kaspi_delivery_async.webhooks.receivers.django import django_view

        return django_view(self.receive)

    def _current(self) -> _Running | None:
        return self._running.get(_here())

    def _start(self) -> _Running:
        """Return what runs on this event loop, started if it is not; raises `StorageError` while it closes."""
        here = _here()
        running = self._running.get(here)
        if running is not None and running.is_closing:
            raise StorageError("the inbox is closing; it receives again when it is opened again")
        if running is None:
            self._running = {key: other for key, other in self._running.items() if not key[1].is_closed()}
            worker = self._new_worker() if self._new_worker else None
            # In a context of its own: it outlives the request that starts it.
            task = asyncio.create_task(self._run(worker), context=Context())
            running = self._running[here] = _Running(worker=worker, task=task)
        return running

    async def _run(self, worker: Worker | None) -> None:
        async with asyncio.TaskGroup() as group:
            if worker is not None:
                group.create_task(worker.run())
            if self._hub is not None:
                group.create_task(follow(self._store, self._hub.announce, self._hub.nothing_missed))


def _here() -> tuple[int, asyncio.AbstractEventLoop]:
    return os.getpid(), asyncio.get_running_loop()


def _store_at(location: str | os.PathLike[str]) -> Store:
    from kaspi_delivery_async.webhooks.stores.sql import SqlStore

    return SqlStore(location)

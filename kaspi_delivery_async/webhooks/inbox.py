"""Receives webhooks: verifies, stores, acknowledges, and has them handled once each.

A message is acknowledged when it is stored, before its handler runs, so that the vendor's 5 seconds
are kept whatever the handler does, and nothing is lost if the process dies (Source: WH CL).
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from functools import partial
from typing import TYPE_CHECKING, Self

from kaspi_delivery_async.errors import ConfigurationError, WebhookVerificationError
from kaspi_delivery_async.options import RetryPolicy
from kaspi_delivery_async.webhooks.stored_events import Message, Receipt, error_text, event_key, unreadable_key
from kaspi_delivery_async.webhooks.verifier import MALFORMED_BODY
from kaspi_delivery_async.webhooks.worker import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Sequence
    from types import TracebackType

    from kaspi_delivery_async.tracking import StatusHub
    from kaspi_delivery_async.webhooks.receivers.aiohttp import AiohttpHandler
    from kaspi_delivery_async.webhooks.receivers.asgi import AsgiReceiver
    from kaspi_delivery_async.webhooks.receivers.django import DjangoView
    from kaspi_delivery_async.webhooks.stored_events import DeadLetter, InboxTotals
    from kaspi_delivery_async.webhooks.stores.protocol import Store
    from kaspi_delivery_async.webhooks.verifier import Headers, WebhookVerifier
    from kaspi_delivery_async.webhooks.worker import Handler

HANDLER_RETRIES = RetryPolicy(max_attempts=12, base=2.0, cap=3600.0)
"""A handler is tried 12 times, over an hour or so, before its event becomes a dead letter."""


class WebhookInbox:
    """Keeps every genuine event, and hands each to a handler until it succeeds.

    Mount one of `aiohttp`, `asgi` and `django` in your service, or call `receive` yourself, and
    enter the inbox as an asynchronous context manager (or let `asgi`'s lifespan or aiohttp's
    `cleanup_ctx` do it), so that waiting events of an earlier run are taken up at once::

        async def handle(event: DeliveryWebhook) -> None: ...

        inbox = WebhookInbox(WebhookVerifier([secret]), store="events.sqlite", handler=handle)

    A handler runs once for each event, however often it comes; again after it raised; and possibly
    again after its process was killed, so it must bear that. Events of one delivery may be handled
    out of their order: `StatusHub` and `kaspi_delivery_async.status` put them right.
    """

    def __init__(
        self,
        verifier: WebhookVerifier,
        *,
        store: Store | str | os.PathLike[str],
        handler: Handler | None = None,
        hub: StatusHub | None = None,
        retry: RetryPolicy = HANDLER_RETRIES,
        concurrency: int = 32,
        clock: Callable[[], float] = time.time,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Set up an inbox; nothing is opened before the first event.

        Args:
            verifier: Tells which messages are genuine.
            store: Where events are kept: an SQLite file's path, a PostgreSQL URL, or a `Store` such as
                `MemoryStore`. Several processes may share one that is not in memory.
            handler: Is given each event. Without one, events wait for another process that has one.
            hub: Is told of each event, to wake those who wait for its delivery; of those that other
                processes receive too, if the store is PostgreSQL.
            retry: How often and how soon a handler is tried again before its event is a dead letter.
            concurrency: How many handlers run at once, at the most.
            clock: Seconds since the epoch.
            draw: Evenly distributed over [0, 1), for the jitter of retries.

        Raises `ConfigurationError` for a location that is none, or whose packages are not installed.

        """
        if concurrency < 1:
            raise ConfigurationError(f"WebhookInbox.concurrency is {concurrency!r}; it must be 1 or more")
        self._verifier = verifier
        self._store = _opened(store)
        self._hub = hub
        self._clock = clock
        self._new_worker = handler and partial(
            Worker,
            store=self._store,
            handler=handler,
            policy=retry,
            concurrency=concurrency,
            clock=clock,
            draw=draw,
        )
        self._worker: Worker | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self, *, grace: float = 10.0) -> None:
        """Stop handling events: those under way get ``grace`` seconds, then they are cancelled and left to others.

        What comes later opens the inbox again.
        """
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._worker is not None:
            await self._worker.finish(grace)
        self._task = self._worker = None
        await self._store.close()

    async def receive(self, body: bytes, headers: Headers, received_at: float | None = None) -> Receipt:
        """Verify a message and store its event; when this returns, the vendor may be told so by any 2xx.

        Args:
            body: The body exactly as it came.
            headers: The request's headers, in any case, as text or bytes.
            received_at: When it came, in Unix seconds; now if None.

        Raises `WebhookVerificationError` if it is not genuine or cannot be read (then it is kept as a
        dead letter), and what the store raises, such as `StorageError`: nothing is stored then, and the
        vendor must be told to repeat it.

        """
        moment = self._clock() if received_at is None else received_at
        try:
            event = self._verifier.verify(body, headers, moment)
        except WebhookVerificationError as error:
            if error.reason == MALFORMED_BODY:
                await self._store.add(
                    Message(
                        key=unreadable_key(body), body=body, received_at=moment, event=None, error=error_text(error)
                    )
                )
            raise
        self._start()
        message = Message(key=event_key(event.event_id), body=body, received_at=moment, event=event)
        is_new = await self._store.add(message)
        if self._hub is not None:
            self._hub.publish(event)
        if self._worker is not None and is_new:
            self._worker.wake()
        return Receipt(event=event, duplicate=not is_new)

    async def dead_letters(self, *, limit: int = 100) -> Sequence[DeadLetter]:
        """List the oldest dead letters, at most ``limit``."""
        return await self._store.dead_letters(limit=limit)

    async def replay(self, numbers: Collection[int] | None = None) -> int:
        """Have dead letters handled anew, by their numbers, or all of them; return how many."""
        replayed = await self._store.replay(numbers, now=self._clock())
        if self._worker is not None:
            self._worker.wake()
        return replayed

    async def totals(self) -> InboxTotals:
        """Count events, attempts and duplicates."""
        return await self._store.totals()

    @property
    def aiohttp(self) -> AiohttpHandler:
        """A handler for ``aiohttp.web``: ``app.router.add_route("*", "/webhooks", inbox.aiohttp)``."""
        from kaspi_delivery_async.webhooks.receivers.aiohttp import aiohttp_handler

        return aiohttp_handler(self.receive)

    async def cleanup_ctx(self, _app: object) -> AsyncGenerator[None]:
        """Keep the inbox open while an ``aiohttp.web`` application runs.

        As in ``app.cleanup_ctx.append(inbox.cleanup_ctx)``.
        """
        async with self:
            yield

    @property
    def asgi(self) -> AsgiReceiver:
        """An ASGI application, to serve by itself or to mount in FastAPI, Starlette or Litestar."""
        from kaspi_delivery_async.webhooks.receivers.asgi import AsgiReceiver

        return AsgiReceiver(self.receive, lifespan=self)

    @property
    def django(self) -> DjangoView:
        """An async Django view, exempt from CSRF protection, for a project under an ASGI server."""
        from kaspi_delivery_async.webhooks.receivers.django import django_view

        return django_view(self.receive)

    def _start(self) -> None:
        # A task that was cancelled belonged to an event loop that has ended.
        if self._task is None or self._task.cancelled():
            self._worker = self._new_worker() if self._new_worker else None
            self._task = asyncio.create_task(self._run(self._worker))

    async def _run(self, worker: Worker | None) -> None:
        async with asyncio.TaskGroup() as group:
            if worker is not None:
                group.create_task(worker.run())
            if self._hub is not None:
                group.create_task(self._store.follow(self._hub.announce))


def _opened(store: Store | str | os.PathLike[str]) -> Store:
    if not isinstance(store, str | os.PathLike):
        return store
    from kaspi_delivery_async.webhooks.stores.sql import SqlStore

    return SqlStore(store)

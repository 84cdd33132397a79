"""Checks of the arguments of `WebhookInbox`: what can be known to be wrong is refused when it is made."""

from __future__ import annotations

import inspect
import math
import os
from functools import partial
from typing import Any

from kaspi_delivery_async.errors import ConfigurationError
from kaspi_delivery_async.webhooks.stores.protocol import Store

_STORE_METHODS = sorted(name for name in vars(Store) if not name.startswith("_"))


def check_settings(
    *, verifier: Any, store: Any, handler: Any, hub: Any, handler_timeout: Any, concurrency: Any
) -> None:
    """Raise `ConfigurationError` for what cannot work."""
    if not _has(verifier, "verify"):
        raise ConfigurationError("WebhookInbox.verifier must be a WebhookVerifier; WebhookVerifier([secret]) makes one")
    if not isinstance(store, str | os.PathLike) and not _has(store, *_STORE_METHODS):
        raise ConfigurationError(
            "WebhookInbox.store must be a file's path, a PostgreSQL URL or a Store such as MemoryStore()"
        )
    if handler is not None and not _is_coroutine_function(handler):
        raise ConfigurationError(
            "WebhookInbox.handler must be a coroutine function (async def); "
            "run blocking code in it by asyncio.to_thread"
        )
    if hub is not None and not _has(hub, "publish", "announce"):
        raise ConfigurationError("WebhookInbox.hub must be a StatusHub, or None")
    if handler_timeout is not None and not (_is_number(handler_timeout) and handler_timeout > 0):
        raise ConfigurationError("WebhookInbox.handler_timeout must be a positive number of seconds, or None")
    if isinstance(concurrency, bool) or not isinstance(concurrency, int) or concurrency < 1:
        raise ConfigurationError(f"WebhookInbox.concurrency is {concurrency!r}; it must be 1 or more")


def _has(value: object, *methods: str) -> bool:
    """Whether it is an object, and not a class, with these methods."""
    return not isinstance(value, type) and all(callable(getattr(value, name, None)) for name in methods)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)


def _is_coroutine_function(handler: Any) -> bool:
    while isinstance(handler, partial):
        handler = handler.func
    if isinstance(handler, type):
        return False
    return inspect.iscoroutinefunction(handler) or (callable(handler) and inspect.iscoroutinefunction(handler.__call__))

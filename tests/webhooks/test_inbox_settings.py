"""What can be known to be wrong is refused when an inbox is made, or entered."""

import asyncio
import functools
import typing
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest

from kaspi_delivery_async import (
    ConfigurationError,
    DeliveryWebhook,
    RetryPolicy,
)
from kaspi_delivery_async.webhooks import MemoryStore, WebhookInbox, WebhookVerifier
from tests.support.inboxes import new_inbox
from tests.support.webhook_messages import SECRET

ONCE = RetryPolicy(max_attempts=1)
SOON = RetryPolicy(max_attempts=2, base=0.01, cap=0.02)


async def hang(event: DeliveryWebhook) -> None:
    await asyncio.Event().wait()


class AsyncCallable:
    async def __call__(self, event: DeliveryWebhook) -> None: ...


def blocking(event: DeliveryWebhook) -> None: ...


@pytest.mark.parametrize(
    "handler", [hang, functools.partial(hang), AsyncCallable(), AsyncCallable().__call__, AsyncMock()]
)
def test_a_handler_is_anything_that_is_async(handler: Any) -> None:
    new_inbox(handler=handler)


@pytest.mark.parametrize(
    "settings",
    [
        {"handler": blocking},
        {"handler": functools.partial(blocking)},
        {"handler": "handle"},
        {"handler": AsyncCallable},
        {"store": None},
        {"store": 42},
        {"store": MemoryStore},
        {"store": b"events.sqlite"},
        {"verifier": "secret"},
        {"verifier": None},
        {"verifier": WebhookVerifier},
        {"hub": "hub"},
        {"handler_timeout": 0},
        {"handler_timeout": "30"},
        {"handler_timeout": float("nan")},
        {"concurrency": True},
    ],
)
def test_what_cannot_work_is_refused_when_the_inbox_is_made(settings: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {"verifier": WebhookVerifier([SECRET]), "store": MemoryStore()} | settings
    with pytest.raises(ConfigurationError, match="WebhookInbox"):
        WebhookInbox(arguments.pop("verifier"), **arguments)


@pytest.mark.parametrize("name", ["missing/events.sqlite", "file/events.sqlite", "folder"])
async def test_a_store_that_cannot_be_is_refused_on_entering(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError):
        await new_inbox(tmp_path / name).__aenter__()


async def test_a_store_that_is_down_keeps_no_service_from_starting(caplog: pytest.LogCaptureFixture) -> None:
    async with new_inbox("postgresql://me@127.0.0.1:1/db"):
        pass

    assert "cannot be opened yet" in caplog.text


def test_type_hints_resolve() -> None:
    for method in (WebhookInbox.__init__, WebhookInbox.receive, WebhookInbox.aclose, WebhookInbox.replay):
        assert typing.get_type_hints(method)


def test_a_location_that_is_none_is_refused_at_once(verifier: WebhookVerifier) -> None:
    with pytest.raises(ConfigurationError):
        WebhookInbox(verifier, store="mysql://host/db")

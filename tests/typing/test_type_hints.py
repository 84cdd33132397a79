"""Annotations of public signatures resolve at run time, for dependency injection and run-time checkers."""

import inspect
from collections.abc import Iterator
from typing import Any, get_type_hints

import pytest

import kaspi_delivery_async
from kaspi_delivery_async import errors, models, operations, status, tracking
from kaspi_delivery_async.webhooks import WebhookInbox


def public() -> Iterator[Any]:
    yield WebhookInbox
    yield from (getattr(kaspi_delivery_async, name) for name in kaspi_delivery_async.__all__)
    for module in (errors, models, operations, status, tracking):
        members = [value for name, value in vars(module).items() if not name.startswith("_")]
        yield from (value for value in members if getattr(value, "__module__", None) == module.__name__)


def signatures() -> Iterator[Any]:
    for value in dict.fromkeys(one for one in public() if inspect.isclass(one) or inspect.isfunction(one)):
        if not str(value.__module__).startswith(kaspi_delivery_async.__name__):
            continue
        yield pytest.param(value, id=value.__qualname__)
        for attribute in vars(value).values() if inspect.isclass(value) else ():
            member = getattr(attribute, "__func__", attribute)
            if inspect.isfunction(member) and (not member.__name__.startswith("_") or member.__name__ == "__init__"):
                yield pytest.param(member, id=member.__qualname__)


@pytest.mark.parametrize("signature", list(signatures()))
def test_names_in_public_signatures_resolve(signature: Any) -> None:
    assert isinstance(get_type_hints(signature), dict)

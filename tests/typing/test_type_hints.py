"""Annotations of public signatures resolve at run time, for dependency injection and run-time checkers."""

import inspect
from collections.abc import Iterator
from typing import Any, get_type_hints

import pytest

import kaspi_delivery_async
from kaspi_delivery_async import (
    bulk,
    client,
    errors,
    instrumentation,
    models,
    operations,
    options,
    order_files,
    otel,
    outbox,
    pytest_plugin,
    response,
    sandbox,
    status,
    tracking,
    webhooks,
)


def public() -> Iterator[Any]:
    for package in (kaspi_delivery_async, bulk, order_files, outbox, sandbox, webhooks):
        yield from (getattr(package, name) for name in package.__all__)
    modules = (client, errors, instrumentation, models, operations, options, otel, response, status, tracking)
    for module in (*modules, pytest_plugin):
        members = [value for name, value in vars(module).items() if not name.startswith("_")]
        yield from (value for value in members if getattr(value, "__module__", None) == module.__name__)


def signatures() -> Iterator[Any]:
    for value in dict.fromkeys(one for one in public() if inspect.isclass(one) or inspect.isfunction(one)):
        if not str(value.__module__).startswith(kaspi_delivery_async.__name__):
            continue
        yield pytest.param(value, id=value.__qualname__)
        for attribute in vars(value).values() if inspect.isclass(value) else ():
            member = getattr(attribute, "__func__", attribute)
            if inspect.isfunction(member) and (not member.__name__.startswith("_") or member.__name__.endswith("__")):
                yield pytest.param(member, id=member.__qualname__)


@pytest.mark.parametrize("signature", list(signatures()))
def test_names_in_public_signatures_resolve(signature: Any) -> None:
    assert isinstance(get_type_hints(signature), dict)

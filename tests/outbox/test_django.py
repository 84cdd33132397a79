"""Enqueueing in Django's transactions, on each kind of database that Django has."""

from collections.abc import Generator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import call_command  # type: ignore[import-untyped]
from django.db import connection, connections, transaction  # type: ignore[import-untyped]

from kaspi_delivery_async import ConfigurationError, StorageError
from kaspi_delivery_async.outbox import DeliveryOutbox, OutboxConflictError, OutboxState
from tests.support.django_project import configure_django
from tests.support.orders import order
from tests.support.outbox_shop import other_content


@pytest.fixture
def migrated(location: str) -> Generator[str]:
    """Migrate a database of Django's."""
    configure_django()
    if location.startswith("postgresql://"):
        parts = urlsplit(location)
        database = {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": parts.path[1:],
            "HOST": parts.hostname,
            "PORT": parts.port,
            "USER": parts.username,
        }
    else:
        database = {"ENGINE": "django.db.backends.sqlite3", "NAME": location}
    before = connections.settings
    connections.settings = connections.configure_settings({"default": database})
    connections["default"] = connections.create_connection("default")
    call_command("migrate", verbosity=0, interactive=False)
    yield location
    connection.close()
    connections.settings = before


def run(outbox: DeliveryOutbox, order_id: str, **settings: Any) -> Any:
    return outbox.enqueue_sync(connection, order(order_id), **settings)


def states(location: str) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT order_id, state FROM kaspi_delivery_outbox_entries")
        return dict(cursor.fetchall())


@pytest.mark.usefixtures("migrated")
def test_djangos_transactions_enqueue_both_or_neither(location: str) -> None:
    outbox = DeliveryOutbox(location, create_tables=False)
    with transaction.atomic():
        entry = run(outbox, "order-1")
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            _enqueue_and_fail(outbox)
        assert run(outbox, "order-1") == entry
        with pytest.raises(OutboxConflictError):
            outbox.enqueue_sync(connection, other_content("order-1"))
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        _enqueue_and_fail(outbox)

    assert states(location) == {"order-1": OutboxState.PENDING}


def _enqueue_and_fail(outbox: DeliveryOutbox) -> None:
    run(outbox, "order-2")
    raise ZeroDivisionError


def _rename_a_column_and_enqueue(outbox: DeliveryOutbox) -> None:
    run(outbox, "order-1")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE kaspi_delivery_outbox_entries RENAME COLUMN fingerprint TO other")
    run(outbox, "order-2")


@pytest.mark.usefixtures("migrated")
def test_djangos_connection_is_refused_outside_of_a_transaction(location: str) -> None:
    outbox = DeliveryOutbox(location, create_tables=False)
    with pytest.raises(ConfigurationError, match=r"autocommits outside of `transaction\.atomic\(\)`"):
        run(outbox, "order-1")

    assert states(location) == {}


@pytest.mark.usefixtures("migrated")
def test_errors_of_djangos_database_say_what_is_wrong(location: str, tmp_path: Path) -> None:
    outbox = DeliveryOutbox(location, create_tables=False)
    with pytest.raises(StorageError, match="the shop's database cannot be used"), transaction.atomic():
        _rename_a_column_and_enqueue(outbox)
    other = DeliveryOutbox(tmp_path / "other.sqlite")
    with pytest.raises(ConfigurationError, match="on another database"), transaction.atomic():
        run(other, "order-1")
    call_command("migrate", "django_app", "zero", verbosity=0, interactive=False)
    with pytest.raises(ConfigurationError, match="on another database"), transaction.atomic():
        run(outbox, "order-1")


def test_another_kind_of_database_of_djangos_is_refused(file: str) -> None:
    class Oracle:
        vendor = "oracle"
        in_atomic_block = True

    with pytest.raises(ConfigurationError, match="on another database"):
        DeliveryOutbox(file).enqueue_sync(Oracle(), order())

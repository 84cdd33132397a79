"""Make the outbox's tables."""

from typing import TYPE_CHECKING, Any

from django.db import migrations  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]

from kaspi_delivery_async.outbox.storage.ddl import creating, dropping


def _create(_apps: Any, editor: Any) -> None:
    for statement in creating(is_postgresql=editor.connection.vendor == "postgresql"):
        editor.execute(statement)


def _drop(_apps: Any, editor: Any) -> None:
    for statement in dropping():
        editor.execute(statement)


if TYPE_CHECKING:  # Django has no types of its own
    _Migration = object
else:
    _Migration = migrations.Migration


class Migration(_Migration):
    """The tables of version 1."""

    initial = True
    dependencies: list[tuple[str, str]] = []  # noqa: RUF012 - as Django's are
    operations: list[object] = [migrations.RunPython(_create, _drop)]  # noqa: RUF012

"""The environment of the API that an outbox's orders are for: written down by its first relay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaspi_delivery_async.errors import ConfigurationError
from kaspi_delivery_async.outbox.storage import statements

if TYPE_CHECKING:
    from sqlalchemy import Connection


def choose_environment(connection: Connection, *, environment: str) -> None:
    """Write down the environment's host, unless there is one; raises `ConfigurationError` if it is another one."""
    connection.execute(statements.choose_environment(environment))
    found = connection.execute(statements.environment()).scalar_one()
    if found != environment:
        raise ConfigurationError(
            f"the outbox holds orders for {found}, and this client is for {environment}: use a client of the "
            "environment that the outbox was begun with, or an outbox of another `schema` or database"
        )

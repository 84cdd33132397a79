"""A PostgreSQL database, through asyncpg."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from kaspi_delivery_async._database.logs import LOGGING_NAME, keep_rows_out_of_logs
from kaspi_delivery_async._extras import missing_extra

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

T = TypeVar("T")

CONNECTIONS = 5
"""Connections, at the most."""

BUSY_TIMEOUT = 5.0
"""Seconds to wait for a connection before it counts as failure."""

_LASTING_STATES = ("28", "3D", "3F", "42")
"""Classes of SQLSTATE that no later attempt will mend: wrong credentials, no such database or schema, no permission."""


class PostgresqlDatabase:
    """Runs transactions, several at once."""

    is_postgresql = True
    is_lost = False
    name = "the PostgreSQL database"

    def __init__(self, dsn: str) -> None:
        """Connect to nothing yet; raises `ConfigurationError` if the driver is not installed."""
        # SQLAlchemy 2.0 lets the driver's errors through as they are while it connects.
        self.failures: tuple[type[Exception], ...] = (SQLAlchemyError, OSError, _asyncpg().PostgresError)
        asyncio_extension = importlib.import_module("sqlalchemy.ext.asyncio")
        self._engine: Any = asyncio_extension.create_async_engine(
            "postgresql+asyncpg://",
            async_creator=lambda: connect(dsn),
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=BUSY_TIMEOUT,
            pool_pre_ping=True,  # a restart of the server costs no transaction
            hide_parameters=True,
            logging_name=LOGGING_NAME,
        )
        keep_rows_out_of_logs(self._engine.sync_engine)

    async def prepare(self) -> None:
        """Do nothing: the database has to be there."""

    async def run(self, work: Callable[[Connection], T], *, writes: bool) -> T:  # noqa: ARG002 - SQLite's alone
        """Run a transaction; a cancelled caller rolls it back."""
        async with self._engine.begin() as connection:
            result: T = await connection.run_sync(work)
            return result

    async def close(self) -> None:
        """Close the connections."""
        await self._engine.dispose()


async def connect(dsn: str) -> Any:
    """Open a connection of asyncpg's own; its errors are asyncpg's and ``OSError``."""
    return await _asyncpg().connect(dsn, timeout=BUSY_TIMEOUT)


def is_lasting(cause: BaseException | None) -> bool:
    """Whether no later attempt will mend what a failure came from."""
    sqlstate: str | None = getattr(cause, "sqlstate", None)
    if sqlstate is not None:
        return sqlstate.startswith(_LASTING_STATES)
    return cause is not None and isinstance(cause.__cause__, ValueError)  # asyncpg on a setting in the URL


def _asyncpg() -> Any:
    try:
        return importlib.import_module("asyncpg")
    except ImportError as missing:
        raise missing_extra("postgres", needs="asyncpg", purpose="a PostgreSQL database") from missing

"""Database locations: a file's path, or a PostgreSQL URL; imports no SQLAlchemy."""

from __future__ import annotations

import os
import re
from pathlib import Path

from kaspi_delivery_async.errors import ConfigurationError

_SCHEME = re.compile(r"(?P<name>[a-z0-9]+)(\+[a-z0-9]+)?://", re.IGNORECASE)


DatabaseLocation = Path | str
"""An SQLite file, or a PostgreSQL URL as libpq and asyncpg read it; that one holds a password."""


def parse_location(location: str | os.PathLike[str]) -> DatabaseLocation:
    """Return the database that a location names; raises `ConfigurationError` for any URL but SQLite's and PostgreSQL's.

    No message repeats the location: a URL holds a password.
    """
    spelled = os.fspath(location)
    if not isinstance(spelled, str):
        raise ConfigurationError("a database's location is a text or a Path, not bytes")
    spelled = str.__str__(spelled)  # of an enumeration that is a text, its value
    if scheme := _SCHEME.match(spelled):
        name, rest = scheme["name"].lower(), spelled[scheme.end() :]
        if name in {"postgresql", "postgres"}:
            return f"postgresql://{rest}"
        if name != "sqlite" or not rest.startswith("/"):
            raise ConfigurationError(
                f"{name}:// is no database location; it is a file's path, sqlite:///path or postgresql://user@host/name"
            )
        if "?" in rest:
            raise ConfigurationError("an sqlite:// URL takes no settings behind a question mark; leave them out")
        spelled = rest[1:]
    elif spelled.startswith("file:"):
        raise ConfigurationError("file: is no database location; it is a file's path or sqlite:///path")
    if spelled in {"", ":memory:"} or "\0" in spelled:
        raise ConfigurationError("a database needs the path of a file, which outlives the process")
    return Path(spelled).absolute()

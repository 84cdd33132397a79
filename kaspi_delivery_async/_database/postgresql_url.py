"""PostgreSQL URLs as hosters write them: which settings of libpq are understood, and which change nothing here."""

from __future__ import annotations

import configparser
import getpass
import ipaddress
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import attrs

from kaspi_delivery_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECT_TIMEOUT = 5.0
"""Seconds that connecting may take, unless the URL's ``connect_timeout`` says otherwise."""

UNREADABLE = "the PostgreSQL URL cannot be read; it is postgresql://user@host/name"

_UNDERSTOOD = frozenset({
    "database", "dbname", "gsslib", "host", "krbsrvname", "passfile", "password", "port", "service", "sslcert",
    "sslcrl", "sslkey", "sslmode", "sslnegotiation", "sslpassword", "sslrootcert", "ssl_max_protocol_version",
    "ssl_min_protocol_version", "target_session_attrs", "user",
})  # fmt: skip
"""What asyncpg reads from a URL by itself."""

_WITHOUT_EFFECT: Mapping[str, frozenset[str] | None] = {
    "channel_binding": frozenset({"disable", "prefer"}),
    "client_encoding": frozenset({"auto", "utf-8", "utf8"}),
    "gssdelegation": frozenset({"0"}),
    "gssencmode": frozenset({"disable", "prefer"}),
    "keepalives": None,
    "keepalives_count": None,
    "keepalives_idle": None,
    "keepalives_interval": None,
    "load_balance_hosts": frozenset({"disable", "random"}),
    "sslcompression": None,
    "sslsni": frozenset({"1"}),
    "tcp_user_timeout": None,
}
"""Settings of libpq that change nothing here, with these values (None: with any)."""

_UNSUPPORTED = frozenset({
    "hostaddr", "passcommand", "replication", "require_auth", "requirepeer", "requiressl", "scram_client_key",
    "scram_server_key", "servicefile", "sslcertmode", "sslcrldir", "sslkeylogfile",
})  # fmt: skip
"""Settings of libpq that would change something, and that the driver does not know."""

_OWN = frozenset({"connect_timeout", "pgbouncer", "prepared_statement_cache_size", "statement_cache_size"})
"""Settings that are read here: the first is libpq's, the others are known to drivers and hosters."""

_TLS_MODES = frozenset({"allow", "disable", "prefer", "require", "verify-ca", "verify-full"})

_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


@attrs.frozen(kw_only=True)
class PostgresqlUrl:
    """What a URL says; it holds a password."""

    dsn: str = attrs.field(repr=False)
    """What asyncpg reads."""
    timeout: float = CONNECT_TIMEOUT
    """Seconds that connecting may take."""
    statement_cache_size: int | None = None
    """Prepared statements that are kept; None keeps as many as the drivers do."""
    server_settings: dict[str, str] = attrs.field(factory=dict[str, str], repr=False)
    """Settings that the server is given, and checks."""
    requires_tls: bool = False
    """Whether TLS is required because the URL says nothing of it, and the server is elsewhere."""


def parse_postgresql_url(url: str) -> PostgresqlUrl:
    """Read a URL; raises `ConfigurationError`, which names a setting that is not understood, and no value."""
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise ConfigurationError(UNREADABLE) from None
    if len({name for name, _ in query}) < len(query):
        raise ConfigurationError("the PostgreSQL URL names a setting twice; name each one once")
    settings = _Settings()
    for name, value in query:
        settings.read(name, value)
    driver = settings.driver
    if not driver.keys() & {"user", "service"} and "@" not in parts.netloc and not _has_default_user():
        raise ConfigurationError("the PostgreSQL URL names no user, and this process's own has no name; name one")
    service: Mapping[str, str] = _service(driver["service"]) if "service" in driver else {}
    requires_tls = (
        "sslmode" not in {*driver, *service}
        and "PGSSLMODE" not in os.environ
        # In the order in which the driver looks for the host.
        and _leaves_this_machine(
            unquote(parts.netloc.rpartition("@")[2])
            or driver.get("host")
            or service.get("host")
            or os.environ.get("PGHOST", "")
        )
    )
    if requires_tls:
        # Otherwise anyone on the way may decline TLS, and read the password.
        driver["sslmode"] = "require"
    return PostgresqlUrl(
        dsn=parts._replace(query=urlencode(driver)).geturl(),
        timeout=settings.timeout,
        statement_cache_size=settings.statement_cache_size,
        server_settings=settings.server,
        requires_tls=requires_tls,
    )


class _Settings:
    """The settings of a URL, sorted by who understands them."""

    def __init__(self) -> None:
        self.driver: dict[str, str] = {}
        self.server: dict[str, str] = {}
        self.timeout = CONNECT_TIMEOUT
        self.statement_cache_size: int | None = None

    def read(self, name: str, value: str) -> None:
        """Sort a setting in."""
        if name in _OWN:
            self._read_own(name, value)
        elif name in {"ssl", "sslmode"}:
            self.driver["sslmode"] = _tls_mode(name, value)
        elif name in _UNDERSTOOD:
            self.driver[name] = value
        elif name in _WITHOUT_EFFECT:
            _check_harmless(name, value)
        elif name in _UNSUPPORTED or not _SETTING.fullmatch(name):
            raise ConfigurationError(
                f"the PostgreSQL URL's setting {name!r} is not supported by the driver, asyncpg; leave it out"
            )
        elif name == "fallback_application_name":
            self.server.setdefault("application_name", value)
        else:
            # The server knows it, or refuses the connection, and then it is named.
            self.server[name] = value

    def _read_own(self, name: str, value: str) -> None:
        if name == "connect_timeout":
            self.timeout = _number(name, value) or CONNECT_TIMEOUT
        elif name != "pgbouncer":
            self.statement_cache_size = _number(name, value)
        elif value == "true":
            self.statement_cache_size = 0


def _tls_mode(name: str, value: str) -> str:
    mode = "require" if name == "ssl" and value in {"1", "on", "true"} else value
    if mode not in _TLS_MODES:
        raise ConfigurationError(f"the PostgreSQL URL's {name} is none of {', '.join(sorted(_TLS_MODES))}")
    return mode


def _check_harmless(name: str, value: str) -> None:
    harmless = _WITHOUT_EFFECT[name]
    if harmless is not None and value.lower() not in harmless:
        raise ConfigurationError(
            f"the PostgreSQL URL's {name} asks for what the driver, asyncpg, cannot do; "
            f"it may be {' or '.join(sorted(harmless))}"
        )


def _number(name: str, value: str) -> int:
    if not value.isascii() or not value.isdecimal():
        raise ConfigurationError(f"the PostgreSQL URL's {name} must be a whole number, 0 or more")
    return int(value)


def _has_default_user() -> bool:
    """Whether there is a user's name that the driver falls back to; in a container there may be none."""
    try:
        return bool(os.environ.get("PGUSER") or getpass.getuser())
    except (KeyError, OSError):
        return False


def _service(name: str) -> Mapping[str, str]:
    """Return the settings of a service in the file that the driver reads; none where it finds none."""
    services = configparser.ConfigParser(interpolation=None)
    with suppress(configparser.Error, OSError, RuntimeError, ValueError):  # which the driver reports, if it matters
        services.read(os.environ.get("PGSERVICEFILE") or Path.home() / ".pg_service.conf")
    return dict(services.items(name)) if services.has_section(name) else {}


def _leaves_this_machine(hosts: str) -> bool:
    return not all(_is_here(host) for host in hosts.split(","))


def _is_here(host: str) -> bool:
    if host == "" or host.startswith(("/", "@")):
        return True  # a Unix socket
    if host.startswith("["):
        name = host[1:].partition("]")[0]
    else:
        name = host if host.count(":") > 1 else host.partition(":")[0]
    if name.lower() in {"", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False

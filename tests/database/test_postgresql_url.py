"""PostgreSQL URLs as hosters write them."""

import getpass
from pathlib import Path
from typing import Any

import pytest

from kaspi_delivery_async import ConfigurationError
from kaspi_delivery_async._database.postgresql_url import parse_postgresql_url

HERE = "postgresql://me:hunter2@127.0.0.1/db"


@pytest.mark.parametrize(
    "query",
    ["keepalives=1", "gssencmode=disable", "channel_binding=prefer", "load_balance_hosts=random", "tcp_user_timeout=9"],
)
def test_what_changes_nothing_is_left_out(query: str) -> None:
    assert parse_postgresql_url(f"{HERE}?{query}").dsn == HERE


@pytest.mark.parametrize(
    ("query", "understood"),
    [
        ("connect_timeout=3", {"timeout": 3}),
        ("connect_timeout=0", {"timeout": 5.0}),
        ("statement_cache_size=0", {"statement_cache_size": 0}),
        ("pgbouncer=true", {"statement_cache_size": 0}),
        ("pgbouncer=false", {"statement_cache_size": None}),
        ("ssl=require", {"dsn": f"{HERE}?sslmode=require"}),
        ("ssl=true", {"dsn": f"{HERE}?sslmode=require"}),
        ("search_path=shop", {"server_settings": {"search_path": "shop"}}),
        ("fallback_application_name=a", {"server_settings": {"application_name": "a"}}),
        ("target_session_attrs=read-write", {"dsn": f"{HERE}?target_session_attrs=read-write"}),
    ],
)
def test_settings_are_understood(query: str, understood: dict[str, Any]) -> None:
    url = parse_postgresql_url(f"{HERE}?{query}")
    assert {name: getattr(url, name) for name in understood} == understood


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("sslmode=bogus", "sslmode"),
        ("channel_binding=require", "channel_binding"),
        ("require_auth=none", "require_auth"),
        ("connect_timeout=soon", "connect_timeout"),
        ("sslmode=require&sslmode=disable", "twice"),
        ("a b=1", "a b"),
        ("sslmode", "cannot be read"),
    ],
)
def test_what_nobody_understands_is_named(query: str, name: str) -> None:
    with pytest.raises(ConfigurationError, match=name) as caught:
        parse_postgresql_url(f"{HERE}?{query}")

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("rest", "requires_tls"),
    [
        ("db.example/db", True),
        ("10.0.0.7:5432/db", True),
        ("127.0.0.1,db.example/db", True),
        ("/db?host=db.example", True),
        ("db.example/db?host=/run/postgresql", True),
        ("db.example/db?service=nowhere", True),
        ("/db?service=far", True),
        ("/db?service=far-by-tls", False),
        ("/db?service=far-by-tls&sslmode=require", False),
        ("localhost/db?service=far", False),
        ("/db?service=near", False),
        ("db.example/db?sslmode=prefer", False),
        ("localhost:5432/db", False),
        ("[::1]:5432/db", False),
        ("/db?host=/run/postgresql", False),
        ("%2Frun%2Fpostgresql/db", False),
    ],
)
def test_a_password_leaves_this_machine_in_clear_only_if_that_is_asked_for(
    rest: str, requires_tls: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = tmp_path / "services"
    services.write_text(
        "[far]\nhost=db.example\n[far-by-tls]\nhost=db.example\nsslmode=verify-full\n[near]\nhost=localhost\n"
    )
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    found = parse_postgresql_url(f"postgresql://me:pw@{rest}")
    assert found.requires_tls == requires_tls
    assert ("sslmode=require" in found.dsn) == (requires_tls or "sslmode=require" in rest)


def test_a_user_without_a_name_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(getpass, "getuser", fail)
    with pytest.raises(ConfigurationError, match="names no user"):
        parse_postgresql_url("postgresql://127.0.0.1/db")

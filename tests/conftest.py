"""What all tests share: virtual time for tests marked `looptime`, and locations for a database."""

import asyncio
import signal
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from kaspi_delivery_async._call import limiter
from tests.support import virtual_time
from tests.support.postgresql import postgresql_url

__all__ = ["postgresql_url"]

pytest_plugins = ["tests.support.readings"]

settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")

# Who starts the tests in the background may have SIGINT ignored, which processes inherit: Ctrl-C would do nothing.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run tests marked `looptime` on a loop whose clock jumps over every wait, the others on a real one."""
    if item.get_closest_marker("looptime"):
        return {"virtual": virtual_time.new_event_loop}
    return {"real": asyncio.new_event_loop}


@pytest.fixture(autouse=True)
def forgotten_limits() -> None:
    """Forget pauses and spent budgets: they belong to key and port, and the port of one test comes back in another."""
    limiter._kept.clear()
    limiter._limiters.clear()


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Return the path of an SQLite file that does not exist yet."""
    return str(tmp_path / "run.sqlite")


@pytest.fixture
def little_room_for_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let temporary databases of SQLite grow by two pages only, as on a disk that is full."""
    connect = sqlite3.connect

    def limited(database: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(database, **options)
        if database == "":
            connection.execute("PRAGMA max_page_count = 4")
        return connection

    monkeypatch.setattr(sqlite3, "connect", limited)


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest) -> str:
    """Return the location of a new database of each kind."""
    fixture = {"sqlite": "file", "postgresql": "postgresql_url"}[request.param]
    place: str = request.getfixturevalue(fixture)
    return place

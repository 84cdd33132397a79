"""A resource for each event loop: opened once, closed with its loop, and never carried into a fork."""

import asyncio
import os

import pytest

from kaspi_delivery_async import ConfigurationError
from kaspi_delivery_async._database.per_loop import PerLoop


class Opened:
    """Counts what is opened, closed and abandoned."""

    def __init__(self) -> None:
        self.opened: list[int] = []
        self.closed: list[int] = []
        self.abandoned: list[int] = []
        self.resources = PerLoop[int](self._open, self._close, self.abandoned.append)

    async def _open(self) -> int:
        self.opened.append(len(self.opened))
        return self.opened[-1]

    async def _close(self, resource: int) -> None:
        self.closed.append(resource)


async def test_a_resource_is_opened_once_and_can_be_opened_again() -> None:
    opened = Opened()

    assert list(await asyncio.gather(opened.resources.get(), opened.resources.get())) == [0, 0]
    await opened.resources.close(only=7)
    assert opened.closed == []
    await opened.resources.close()
    await opened.resources.close()
    assert await opened.resources.get() == 1
    await opened.resources.close()

    assert (opened.closed, opened.abandoned) == ([0, 1], [])


def test_a_resource_ends_with_its_loop() -> None:
    opened = Opened()

    assert [asyncio.run(opened.resources.get()) for _ in range(3)] == [0, 1, 2]

    assert (opened.closed, opened.abandoned) == ([0, 1, 2], [])


def test_the_resource_of_a_loop_that_was_closed_without_ceremony_is_abandoned() -> None:
    opened = Opened()
    unused, used = asyncio.new_event_loop(), asyncio.new_event_loop()
    used.run_until_complete(opened.resources.get())
    used.close()
    unused.close()

    assert asyncio.run(opened.resources.get()) == 1

    assert (opened.closed, opened.abandoned) == ([1], [0])


def test_a_loop_in_which_opening_failed_leaves_nothing_to_let_go() -> None:
    abandoned: list[int] = []
    failing = [True]

    async def open_or_fail() -> int:
        if failing:
            failing.clear()
            raise OSError("not now")
        return 1

    async def close(resource: int) -> None:
        """Nothing is held."""

    resources = PerLoop[int](open_or_fail, close, abandoned.append)
    with pytest.raises(OSError, match="not now"):
        asyncio.run(resources.get())

    assert asyncio.run(resources.get()) == 1
    assert abandoned == []


def test_a_fork_of_a_process_that_has_it_open_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Opened()

    async def fork() -> None:
        await opened.resources.get()
        parent = os.getpid()
        monkeypatch.setattr("os.getpid", lambda: parent + 1)
        with pytest.raises(ConfigurationError, match="forked"):
            await opened.resources.get()
        await opened.resources.close()
        monkeypatch.undo()

    asyncio.run(fork())
    assert opened.closed == [0]


def test_a_fork_of_a_process_that_never_opened_it_opens_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Opened()
    parent = os.getpid()
    monkeypatch.setattr("os.getpid", lambda: parent + 1)

    assert asyncio.run(opened.resources.get()) == 0


async def test_what_is_wanted_while_another_closes_it_is_closed_in_the_end() -> None:
    opened: list[int] = []
    closed: list[int] = []

    async def open_it() -> int:
        await asyncio.sleep(0.01)
        opened.append(len(opened))
        return opened[-1]

    async def close_it(number: int) -> None:
        await asyncio.sleep(0.01)
        closed.append(number)

    resource = PerLoop(open_it, close_it, closed.append)
    await asyncio.gather(resource.get(), resource.close(), resource.get())
    await resource.close()

    assert opened == closed

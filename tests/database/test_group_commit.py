"""Writes that come at once are written together."""

import asyncio
from collections.abc import Sequence

import pytest

from kaspi_delivery_async._database.group_commit import LARGEST_GROUP, GroupCommit


class Disk:
    """Records what is written together; fails or takes time as configured."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.error: Exception | None = None

    async def write(self, numbers: Sequence[int]) -> list[int]:
        self.groups.append(list(numbers))
        await asyncio.sleep(1)
        if self.error is not None:
            raise self.error
        return [number * 10 for number in numbers]


@pytest.mark.looptime
async def test_what_comes_during_a_write_goes_with_the_next() -> None:
    disk = Disk()
    commit = GroupCommit(disk.write)
    first = asyncio.create_task(commit.submit(1))
    await asyncio.sleep(0.5)

    others = await asyncio.gather(commit.submit(2), commit.submit(3))

    assert await first == 10
    assert list(others) == [20, 30]
    assert disk.groups == [[1], [2, 3]]


@pytest.mark.looptime
async def test_a_group_is_bounded() -> None:
    disk = Disk()
    commit = GroupCommit(disk.write)
    numbers = range(2 * LARGEST_GROUP + 1)

    assert await asyncio.gather(*map(commit.submit, numbers)) == [number * 10 for number in numbers]

    assert [len(group) for group in disk.groups] == [LARGEST_GROUP, LARGEST_GROUP, 1]


@pytest.mark.looptime
async def test_an_error_reaches_everyone_of_its_group_and_nobody_after() -> None:
    disk = Disk()
    commit = GroupCommit(disk.write)
    disk.error = OSError("full")
    results = await asyncio.gather(commit.submit(1), commit.submit(2), return_exceptions=True)
    disk.error = None

    assert [type(result) for result in results] == [OSError, OSError]
    assert await commit.submit(3) == 30


@pytest.mark.looptime
@pytest.mark.parametrize("error", [None, OSError("full")])
async def test_who_is_cancelled_takes_nothing_from_the_others(error: Exception | None) -> None:
    disk = Disk()
    disk.error = error
    commit = GroupCommit(disk.write)
    gone, stays = asyncio.create_task(commit.submit(1)), asyncio.create_task(commit.submit(2))
    await asyncio.sleep(0.5)
    gone.cancel()

    results = await asyncio.gather(gone, stays, return_exceptions=True)

    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1] == (error or 20)


@pytest.mark.looptime
async def test_a_flush_waits_for_the_write_in_progress() -> None:
    disk = Disk()
    commit = GroupCommit(disk.write)
    await commit.flush()
    task = asyncio.create_task(commit.submit(1))
    await asyncio.sleep(0.5)

    await commit.flush()

    assert asyncio.get_running_loop().time() == 1
    await task


@pytest.mark.looptime
async def test_a_result_that_nobody_waits_for_any_more_is_handed_back() -> None:
    handed_back: list[tuple[int, int]] = []
    disk = Disk()
    commit = GroupCommit(disk.write, on_abandoned=lambda number, result: handed_back.append((number, result)))
    submitted = asyncio.create_task(commit.submit(1))
    await asyncio.sleep(0.5)
    submitted.cancel()
    await asyncio.sleep(1)

    assert handed_back == [(1, 10)]

"""Group commit: one write for all that waits."""

import asyncio
from collections.abc import Sequence

import pytest

from kaspi_delivery_async.bulk.grouping import LARGEST_GROUP, GroupedWrites
from tests.bulk.support import until


class Disk:
    """Writes when it is let, and remembers what it was given at once."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.may_write = asyncio.Event()

    async def write(self, group: Sequence[int]) -> list[int]:
        self.groups.append(list(group))
        await self.may_write.wait()
        if -1 in group:
            raise OSError("disk full")
        return [number * 10 for number in group]


async def test_what_comes_during_a_write_shares_the_next_one() -> None:
    disk = Disk()
    writes = GroupedWrites(disk.write)
    first = [asyncio.create_task(writes.add(number)) for number in (1, 2)]
    await until(lambda: bool(disk.groups))
    later = [asyncio.create_task(writes.add(number)) for number in (3, 4)]
    await asyncio.sleep(0)
    disk.may_write.set()
    assert await asyncio.gather(*first, *later) == [10, 20, 30, 40]
    assert disk.groups == [[1, 2], [3, 4]]


async def test_a_group_is_bounded() -> None:
    disk = Disk()
    disk.may_write.set()
    writes = GroupedWrites(disk.write)
    numbers = range(2 * LARGEST_GROUP + 1)
    assert await asyncio.gather(*map(writes.add, numbers)) == [number * 10 for number in numbers]
    assert [len(group) for group in disk.groups] == [LARGEST_GROUP, LARGEST_GROUP, 1]


async def test_a_failed_write_fails_its_group_only() -> None:
    disk = Disk()
    disk.may_write.set()
    writes = GroupedWrites(disk.write)
    for failed in await asyncio.gather(writes.add(-1), writes.add(1), return_exceptions=True):
        assert isinstance(failed, OSError)
    assert await writes.add(2) == 20


async def test_cancelling_one_who_waits_harms_nobody_else() -> None:
    disk = Disk()
    writes = GroupedWrites(disk.write)
    impatient, patient = asyncio.create_task(writes.add(1)), asyncio.create_task(writes.add(2))
    await until(lambda: bool(disk.groups))
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    disk.may_write.set()
    assert await patient == 20


async def test_finishing_waits_for_what_is_under_way() -> None:
    disk = Disk()
    writes = GroupedWrites(disk.write)
    await writes.finish()
    adding = asyncio.create_task(writes.add(1))
    await asyncio.sleep(0)
    disk.may_write.set()
    await writes.finish()
    assert disk.groups == [[1]]
    assert await adding == 10

"""Order files that are read while an event loop runs: pipes that stay silent hold up nothing."""

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspi_delivery_async import InvalidRequestError
from kaspi_delivery_async.bulk import Line, read_orders
from kaspi_delivery_async.order_files.background import AHEAD, read_in_background
from kaspi_delivery_async.order_files.lines import as_lines
from tests.support.order_files import HEADER, ROW, write_orders


async def test_rows_of_a_pipe_are_yielded_as_they_come(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    row = ",".join(f'"{cell}"' for cell in ROW.values())
    os.write(writing, f"{','.join(HEADER)}\n{row}\n{row}\n".encode())
    async with asyncio.timeout(10), aclosing(as_lines(read_orders(f"/dev/fd/{reading}", format="csv"))) as lines:  # type: ignore[type-var]
        assert [(await anext(lines)).place for _ in range(2)] == [f"{reading}, line 2", f"{reading}, line 3"]
        waiting = asyncio.ensure_future(anext(lines))
        await asyncio.sleep(0.05)  # the loop goes on while the pipe is silent
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    os.close(writing)
    os.close(reading)


async def test_what_reading_raises_is_raised(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"none\.csv: cannot be read"):
        async for _ in read_orders(tmp_path / "none.csv"):
            pass


async def test_an_order_file_is_the_same_read_either_way(tmp_path: Path) -> None:
    orders = read_orders(write_orders(tmp_path / "o.csv", 3 * AHEAD))
    assert [line async for line in orders] == list(orders)


async def test_no_more_is_read_ahead_than_the_bound() -> None:
    taken = 0

    def numbers() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    async with aclosing(read_in_background(lambda _: numbers())) as items:
        await anext(items)
        await asyncio.sleep(0.05)
        assert taken <= AHEAD + 2
    await asyncio.sleep(0.05)
    assert not any(thread.name == "kaspi-order-file" for thread in threading.enumerate())


@given(count=st.integers(0, 3 * AHEAD), pauses=st.sets(st.integers(0, 3 * AHEAD), max_size=5))
def test_every_item_comes_once_and_in_order(count: int, pauses: set[int]) -> None:
    async def read() -> list[int]:
        found = []
        async for number in read_in_background(lambda _: range(count)):
            found.append(number)
            if number in pauses:
                await asyncio.sleep(0)
        return found

    assert asyncio.run(read()) == list(range(count))


async def test_lines_of_a_list_are_read_without_a_thread() -> None:
    line = Line(place="here", order=InvalidRequestError("a", "b"))
    assert [found async for found in as_lines([line])] == [line]

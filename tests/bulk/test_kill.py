"""A shorter round of the kill harness; `python -m tests.support.kill_harness` plays all 300 points."""

import pytest

from tests.support.kill_harness import survive_all

pytestmark = [pytest.mark.processes, pytest.mark.newest]


async def test_killed_at_2_random_points_and_continued() -> None:
    assert await survive_all(range(2), orders=100, jobs=2) == 2

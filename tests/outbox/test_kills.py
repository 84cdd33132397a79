"""Web services and relays that are killed at random points: one courier for each committed order."""

import pytest

from tests.support.outbox_kills import survive

pytestmark = [pytest.mark.processes, pytest.mark.newest]


async def test_killed_at_10_random_points(location: str) -> None:
    assert await survive(location, kills=10) > 0


@pytest.mark.long
async def test_killed_at_1000_random_points(location: str) -> None:
    assert await survive(location, kills=1000, seed=1) > 0

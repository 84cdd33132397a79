"""An inbox in two processes that are killed while clocks are set and connections are cut."""

from pathlib import Path

import pytest

from tests.support.inbox_chaos import Run

pytestmark = [pytest.mark.chaos, pytest.mark.processes]


@pytest.mark.long
async def test_no_event_is_lost_or_handled_twice_at_a_time(location: str, tmp_path: Path) -> None:
    figures = await Run(location, tmp_path, events=40, faults=3, seed=7).play()

    assert figures.handled + figures.dead == 40
    assert figures.faults["kill"] > 0


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100))
async def test_no_event_is_lost_or_handled_twice_at_a_time_in_many_runs(
    location: str, tmp_path: Path, seed: int
) -> None:
    figures = await Run(location, tmp_path, events=500, faults=10, seed=seed).play()

    assert figures.handled + figures.dead == 500

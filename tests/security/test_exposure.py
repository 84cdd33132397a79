"""What commands leave readable on Linux, as docs/security.md says."""

import os
import sys
from pathlib import Path

import pytest

from tests.security.exposure import exposures

PAGE = Path(__file__).parents[2] / "docs" / "security.md"


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can look as another user")
async def test_another_user_reads_nothing() -> None:
    found = await exposures()
    assert not [one for one in found if one.other_user]
    assert not [one for one in found if one.place == "`ps`" and one.same_user]
    rows = [
        [cell.strip() for cell in line.split("|")] for line in PAGE.read_text().splitlines() if line.count("|") == 5
    ]
    documented = {(row[1], row[2]): row[3] for row in rows}
    for one in found:
        assert set(one.same_user) <= set(documented[f"`{one.command}`", one.place].split(", ")), one

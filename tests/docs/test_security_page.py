"""Each promise of docs/security.md names a test that exists, and each bound a constant."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()


def test_each_promise_names_a_test() -> None:
    named = re.findall(r"`(tests/[a-z_/]+\.py)::(test_\w+)`", PAGE)
    assert len(named) > 20
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE)
    ]
    assert missing == []


def test_each_bound_is_in_one_place_of_the_code() -> None:
    named = re.findall(r"`([a-z_/]+\.py): (\w+)`", PAGE)
    assert len(named) > 10
    missing = [
        f"{path}: {name}"
        for path, name in named
        if not re.search(rf"^(class )?{name}\b", (ROOT / path).read_text(), re.MULTILINE)
    ]
    assert missing == []

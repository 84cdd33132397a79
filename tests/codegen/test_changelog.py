"""`--diff --changelog` adds what users have to know to the changelog, once."""

from pathlib import Path

import pytest

from codegen.__main__ import main
from codegen.comparison.changelog import with_section
from codegen.comparison.compare import compare
from tests.codegen.edits import DESCRIPTIONS, edited
from tests.codegen.test_verdicts import BASES

OLD = BASES["vendor"]
CHANGES = compare(
    OLD,
    edited(
        OLD,
        set={"S Eta properties more": {"type": "string"}, "create summary": "x", "get operationId": "findDelivery"},
        drop=["cancel"],
    ),
)
ADDED = "- `Eta.more`: there is a new optional field (string)."
RENAMED = "the operation at the same method and path has another operationId"
CHANGED = f"- **Breaking:** `getDelivery`: {RENAMED} (now findDelivery)."
REMOVED = "- **Breaking:** `cancelDelivery`: an operation or webhook is gone (POST /v1/deliveries/{deliveryId}/cancel)."
REST = f"### Changed\n\n{CHANGED}\n\n### Removed\n\n{REMOVED}\n"
NEW = f"## Unreleased\n\n### Added\n\n{ADDED}\n\n{REST}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", NEW),
        ("# Changelog\n", f"# Changelog\n\n{NEW}"),
        ("# Changelog\n\n## Unreleased\n\n## 1.0\n\n- Old.\n", f"# Changelog\n\n{NEW}\n## 1.0\n\n- Old.\n"),
        (
            "## Unreleased\n\n### Added\n\n- One.\n\n### Fixed\n\n- Two.\n\n## 1.0\n",
            f"## Unreleased\n\n### Added\n\n- One.\n{ADDED}\n\n### Fixed\n\n- Two.\n\n{REST}\n## 1.0\n",
        ),
        ("## Unreleased\n\n### Added\n\n- One.\n", NEW.replace("### Added\n\n", "### Added\n\n- One.\n")),
    ],
)
def test_changes_stand_under_unreleased(before: str, after: str) -> None:
    written = with_section(before, CHANGES)
    assert written == after
    assert with_section(written, CHANGES) == written


def test_the_command_writes_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = str(DESCRIPTIONS["vendor"])
    assert main(["--diff", old, old, "--changelog", str(tmp_path / "new.md")]) == 0
    assert (tmp_path / "new.md").read_text() == "## Unreleased\n\n"
    capsys.readouterr()

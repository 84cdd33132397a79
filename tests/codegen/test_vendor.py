"""The vendor's description, with the overlay, differs from this project's as openapi/README.md says."""

import re

from codegen import settings
from codegen.comparison.compare import compare
from codegen.description.load import load_whole

README = settings.ROOT / "openapi" / "README.md"


def test_the_differences_are_the_explained_ones(vendor: str, overlay: str) -> None:
    section = README.read_text(encoding="utf-8").partition("## What differs")[2].partition("## Open")[0]
    explained = set(re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE))
    changes = compare(load_whole(vendor, overlay=overlay), load_whole(str(settings.DESCRIPTION)))
    assert {change.rule for change in changes} - {"text-changed"} == explained

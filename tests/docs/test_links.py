"""What the pages link to or name exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "kaspi_delivery_async"
PLACES = (".", "docs", "docs/*", "openapi", "codegen", "benchmarks")
PAGES = [page for place in PLACES for page in ROOT.glob(f"{place}/*.md")]


def _id(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_links_lead_to_files(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_a_file_that_is_named_exists(page: Path) -> None:
    """A path that is named in backticks is relative to the repository or to the package."""
    named = re.findall(
        r"`(?:python )?([\w.-]+/[\w./-]*\.(?:py|md|toml|yaml|json|svg))\b", page.read_text(encoding="utf-8")
    )
    assert [path for path in named if not (ROOT / path).exists() and not (PACKAGE / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_a_link_to_a_section_leads_to_its_heading(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)", page.read_text(encoding="utf-8")):
        text = (page.parent / target if target else page).read_text(encoding="utf-8")
        headings = {_anchor(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
        assert anchor in headings, f"{target}#{anchor}"


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_page_is_reached_from_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")} - {"index.md"}
    assert {name for name in pages if f"]({name})" not in index} == set()
    assert {name for name in pages if f"\n{name.removesuffix('.md')}\n" not in index} == set()

"""README, the site's first page and the command's help say the same in the same words."""

import re
from pathlib import Path

import pytest

from kaspi_delivery_async.cli import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def introduction(page: str) -> str:
    """Return the paragraph and the list below the title of a page."""
    return "\n\n".join(page.split("\n\n", 3)[1:3])


def words(text: str) -> str:
    """Return the text without marks and line breaks."""
    return " ".join(re.sub(r"[*`]", "", text).split())


def test_the_first_page_of_the_site_says_what_the_readme_says() -> None:
    site = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")

    assert introduction(README).count("\n- ") == 5
    assert introduction(site) == introduction(README)


def test_the_help_says_what_the_readme_says(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])

    assert words(introduction(README)) in words(capsys.readouterr().out)


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) < 120


def test_the_figures_of_the_comparison_are_those_of_the_benchmarks() -> None:
    table = README.partition("## Comparison")[2].partition("\n## ")[0]
    measured = re.findall(r"\d[\d,.]*\d", (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8"))

    figures = set(re.findall(r"\d[\d,.]*\d", table))
    assert len(figures) >= 5
    assert figures <= set(measured)

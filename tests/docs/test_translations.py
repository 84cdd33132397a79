"""The merchant's page in Russian and Kazakh has the sections and commands of the English one; texts are translated."""

import ast
import gettext
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLI = ROOT / "kaspi_delivery_async" / "cli"
CODE = re.compile(r"^ *```(?:bash|toml|python)\n.*?^ *```$", re.MULTILINE | re.DOTALL)
ENTRY = re.compile(r'^msgid "(.+)"\nmsgstr "(.+)"$', re.MULTILINE)


@pytest.mark.parametrize("language", ["ru", "kk"])
def test_a_translated_page_has_the_sections_and_the_commands_of_the_english_one(language: str) -> None:
    english = (ROOT / "docs" / "merchant.md").read_text(encoding="utf-8")
    translated = (ROOT / "docs" / language / "merchant.md").read_text(encoding="utf-8")
    assert CODE.findall(translated) == CODE.findall(english)
    outline = re.compile(r"^(#+ |\| `[^`]*` )", re.MULTILINE)
    assert [line for line in outline.findall(translated) if "|" not in line or "preset" in line] == [
        line for line in outline.findall(english) if "|" not in line or "preset" in line
    ]
    assert set(re.findall(r"--[a-z-]+", english)) <= set(re.findall(r"--[a-z-]+", translated))


def texts() -> set[str]:
    """Every text that the commands have translated."""
    return {
        node.args[0].value
        for path in CLI.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "_"
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


@pytest.mark.parametrize("language", ["ru", "kk"])
def test_every_text_is_translated_and_its_catalogue_compiled(language: str) -> None:
    folder = CLI / "locale" / language / "LC_MESSAGES"
    entries = dict(ENTRY.findall((folder / "kaspi-delivery.po").read_text(encoding="utf-8")))
    with (folder / "kaspi-delivery.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    assert texts() <= entries.keys()
    assert {text: compiled.gettext(text) for text in entries} == entries
    placeholders = re.compile(r"\{\w+\}")
    assert all(sorted(placeholders.findall(text)) == sorted(placeholders.findall(entries[text])) for text in entries)

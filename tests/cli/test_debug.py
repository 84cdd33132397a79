"""`kaspi-delivery debug`: versions and settings, and no secret."""

from importlib.metadata import version

import pytest

from kaspi_delivery_async import __version__
from tests.support.cli_runner import Run


async def test_versions_are_shown_one_a_line(run: Run) -> None:
    ended = await run("debug")

    lines = dict(line.split(maxsplit=1) for line in ended.out.splitlines())
    assert ended.code == 0
    assert lines["kaspi-delivery-async"] == __version__
    assert lines["python"].startswith("CPython 3.")
    assert lines["aiohttp"] == version("aiohttp")
    assert lines["xlsxwriter"] == version("xlsxwriter")
    assert {lines["backoff"], lines["python-backoff"]} > {"not installed"}


async def test_of_settings_it_shows_only_whether_they_are_set(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KASPI_API_KEY", "the-secret-key")
    monkeypatch.setenv("KASPI_BASE_URL", "https://user:word@shop.example")

    ended = await run("debug", "--json")

    assert (ended.json["KASPI_API_KEY"], ended.json["KASPI_BASE_URL"]) == ("set", "set")
    assert ended.json["KASPI_WEBHOOK_SECRET"] == "not set"
    assert "secret-key" not in ended.out
    assert "shop.example" not in ended.out

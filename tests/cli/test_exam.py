"""`kaspi-delivery webhooks exam`, as a user runs it."""

from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from tests.support.cli_runner import Run
from tests.support.faulty_receivers import SECRET, Receiver, RefusesDuplicates, RefusesWithA500, served


async def test_a_good_receiver_passes_and_each_row_names_its_pages(run: Run) -> None:
    async with served(Receiver()) as url:
        ended = await run("webhooks", "exam", url, "--secret", SECRET)
    assert ended.code == 0
    assert "at most 90" in ended.err
    line = next(line for line in ended.out.splitlines() if "six-minutes-old" in line)
    assert line.split()[:3] == ["passed", "six-minutes-old", "WH"]
    assert "meets what the vendor's pages demand" in ended.out.replace("\n", " ")
    assert SECRET not in ended.out + ended.err


async def test_a_faulty_receiver_fails_with_what_was_seen_and_the_pages(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KASPI_WEBHOOK_SECRET", f"{SECRET}, an older one")
    async with served(RefusesDuplicates()) as url:
        ended = await run("webhooks", "exam", url, "--json", "--junit", str(tmp_path / "exam.xml"))
    assert ended.code == 1
    report = ended.json
    rows = {row["name"]: row for row in report["rows"]}
    assert (report["passed"], report["failed"], report["url"]) == (False, 3, url)
    assert rows["duplicate"] | {"seconds": None} == {
        "name": "duplicate", "title": "an event that comes again is accepted again", "required": True,
        "pages": "CD WH", "result": "failed", "detail": "status 400 instead of a 2xx", "seconds": None,
    }  # fmt: skip
    suite = fromstring((tmp_path / "exam.xml").read_bytes())[0]
    assert (suite.get("failures"), suite.get("tests")) == ("3", str(len(rows)))
    assert [case.get("name") for case in suite if case.find("failure") is not None] == [
        "duplicate", "same-message", "duplicates-at-once",
    ]  # fmt: skip


async def test_warnings_do_not_fail_it(run: Run, tmp_path: Path) -> None:
    async with served(RefusesWithA500()) as url:
        ended = await run("webhooks", "exam", url, "--secret", SECRET, "--junit", str(tmp_path / "exam.xml"))
    assert ended.code == 0
    assert "warning  refusal-status" in ended.out
    skipped = fromstring((tmp_path / "exam.xml").read_bytes()).findall(".//skipped")
    assert "status 500" in str(skipped[0].get("message"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("http://receiver.test/", "--secret", SECRET), "--i-own-this-url"),
        (("http://127.0.0.1:9/",), "KASPI_WEBHOOK_SECRET is not set"),
        (("http://127.0.0.1:9/", "--secret", SECRET, "--junit", "/no/such/folder"), "cannot be written"),
    ],
)
async def test_wrong_usage_is_named(run: Run, arguments: tuple[str, ...], said: str) -> None:
    ended = await run("webhooks", "exam", *arguments)
    assert (ended.code, said in ended.err) == (2, True)

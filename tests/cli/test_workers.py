"""What a run on a cluster says of its workers."""

import json

import pytest

from kaspi_delivery_async.bulk import OrderState, Result
from kaspi_delivery_async.bulk.dask import WorkersChanged
from kaspi_delivery_async.cli.bulk.output.report import Report
from kaspi_delivery_async.cli.signals import StopEvent

BEGIN = WorkersChanged(in_flight={"tls://a:1": 0}, joined=("tls://a:1",))
JOINED = WorkersChanged(in_flight={"tls://a:1": 300, "tls://b:2": 0}, joined=("tls://b:2",))
LEFT = WorkersChanged(in_flight={"tls://b:2": 300}, left=("tls://a:1",))
NONE_LEFT = WorkersChanged(in_flight={}, left=("tls://b:2",), reason="no worker is left; waiting for one")


def report(*, as_json: bool) -> Report:
    return Report(None, as_json=as_json, source=None, stop=StopEvent(is_gentle=True))


async def test_people_read_who_joined_and_left_and_what_the_run_waits_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "160")
    shown = report(as_json=False)
    shown.announce_workers(BEGIN)
    assert capsys.readouterr().err == ""
    with shown._progress.shown():
        await shown._show(Result(place="order 1", order_id="order-0", state=OrderState.CREATED))
    assert "workers 1" in capsys.readouterr().err
    for change in (JOINED, LEFT, NONE_LEFT):
        shown.announce_workers(change)
    assert capsys.readouterr().err.splitlines() == [
        "Worker tls://b:2 joined: tls://a:1 has 300 orders, tls://b:2 has 0 orders.",
        "Worker tls://a:1 left: tls://b:2 has 300 orders.",
        "Worker tls://b:2 left: no worker is left.",
        "Workers: no worker is left; waiting for one.",
    ]


def test_programs_read_it_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    shown = report(as_json=True)
    for change in (BEGIN, NONE_LEFT):
        shown.announce_workers(change)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"event": "workers", "inFlight": {"tls://a:1": 0}, "joined": ["tls://a:1"], "left": [], "reason": None},
        {
            "event": "workers",
            "inFlight": {},
            "joined": [],
            "left": ["tls://b:2"],
            "reason": "no worker is left; waiting for one",
        },
    ]

"""Faults as values: their text form, their checks, and the decision which one happens."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspi_delivery_async.sandbox import Fault, FaultError, parse_fault
from kaspi_delivery_async.sandbox.faults.selection import ArmedFault, arm, decide

API_TARGETS = st.sampled_from(["*", "create", "get", "cancel", "test-webhook"])
EVENT_TARGETS = st.sampled_from(["webhook", "delivery.accepted", "delivery.cancelled"])
SECONDS = st.floats(0, 1e6)
COMMON = {"probability": st.floats(0, 1, exclude_min=True), "count": st.none() | st.integers(1, 99)}


def faults_of(
    targets: st.SearchStrategy[str], kinds: list[str], **settings: st.SearchStrategy[object]
) -> st.SearchStrategy[Fault]:
    return st.builds(Fault, targets, st.sampled_from(kinds), **COMMON, **settings)


FAULTS = st.one_of(
    faults_of(API_TARGETS, ["drop-before", "commit-then-drop", "truncate"]),
    faults_of(API_TARGETS, ["latency", "stall"], seconds=st.none() | SECONDS),
    faults_of(
        API_TARGETS, ["status"], status=st.integers(400, 599), retry_after=st.none() | st.integers(0, 9999),
        retry_after_as=st.sampled_from([None, "seconds", "date"]), body=st.sampled_from([None, "json", "html"]),
        replay=st.sampled_from([None, True, False]),
    ),
    faults_of(
        API_TARGETS, ["rate-limit"], rate=st.floats(0, 1e6, exclude_min=True), burst=st.none() | st.floats(1, 1e6)
    ),
    faults_of(EVENT_TARGETS, ["duplicate", "drop", "bad-signature"]),
    faults_of(EVENT_TARGETS, ["delay", "reorder"], seconds=st.none() | SECONDS),
    faults_of(EVENT_TARGETS, ["clock-skew"], seconds=st.none() | st.floats(-1e6, 1e6)),
)  # fmt: skip


@given(FAULTS)
def test_a_fault_is_read_back_as_it_was_written(fault: Fault) -> None:
    assert parse_fault(str(fault)) == fault


@given(st.text())
def test_any_text_is_a_fault_or_a_clear_error(text: str) -> None:
    try:
        parse_fault(text)
    except FaultError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("create:commit-then-drop:0.05", Fault("create", "commit-then-drop", probability=0.05)),
        ("*:latency:seconds=0.2", Fault("*", "latency", seconds=0.2)),
        ("*:latency", Fault("*", "latency", seconds=1.0)),
        ("get:503:0.1:body=html:count=3", Fault("get", "status", status=503, probability=0.1, body="html", count=3)),
        (
            "create:429:retry-after=2:retry-after-as=date",
            Fault("create", "status", status=429, retry_after=2, retry_after_as="date"),
        ),
        ("create:500:replay=true", Fault("create", "status", status=500, replay=True)),
        ("*:rate-limit:rate=50", Fault("*", "rate-limit", rate=50, burst=50)),
        ("*:rate-limit:rate=0.5", Fault("*", "rate-limit", rate=0.5, burst=1)),
        ("delivery.accepted:drop", Fault("delivery.accepted", "drop")),
        ("webhook:clock-skew:seconds=-900", Fault("webhook", "clock-skew", seconds=-900)),
    ],
)
def test_the_text_form(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("create", "TARGET:KIND"),
        ("create:explode", "no kind of fault"),
        ("delete:drop-before", "aimed at one of"),
        ("webhook:drop-before", "aimed at one of"),
        ("create:duplicate", "aimed at one of"),
        ("create:drop-before:2", "probability"),
        ("create:drop-before:0", "probability"),
        ("create:drop-before:nan", "probability"),
        ("create:drop-before:often", "probability"),
        ("create:drop-before:count=0", "count"),
        ("create:drop-before:count=x", "count"),
        ("create:drop-before:seconds=1", "has no seconds"),
        ("create:latency:seconds=-1", "seconds"),
        ("create:latency:seconds=inf", "seconds"),
        ("webhook:clock-skew:seconds=-inf", "seconds"),
        ("create:200", "status"),
        ("create:503:status=500", "given once"),
        ("create:503:retry-after=-1", "retry-after"),
        ("create:503:retry-after-as=words", "retry-after-as"),
        ("create:503:body=xml", "body"),
        ("create:503:replay=maybe", "replay"),
        ("create:rate-limit", "rate"),
        ("create:rate-limit:rate=0", "rate"),
        ("create:rate-limit:rate=1:burst=0.5", "burst"),
        ("create:503:nonsense=1", "NAME=VALUE"),
        ("create:503:0.1:0.2", "NAME=VALUE"),
    ],
)
def test_a_text_that_is_no_fault_is_refused_by_part(text: str, complaint: str) -> None:
    with pytest.raises(FaultError, match=complaint):
        parse_fault(text)


@pytest.mark.parametrize("settings", [{"status": "503"}, {"retry_after": "soon"}, {"body": ["html"]}, {"order": 7}])
def test_a_setting_of_another_type_is_refused_by_name(settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(FaultError, match=name.replace("_", "-")):
        Fault("create", "status", **settings)


@given(
    st.lists(FAULTS, max_size=6),
    st.sampled_from(["create", "get", "delivery.accepted", "delivery.created"]),
    st.integers(),
)
def test_no_fault_happens_where_it_is_not_aimed_or_more_often_than_its_count(
    faults: list[Fault], target: str, seed: int
) -> None:
    armed = tuple(arm(fault) for fault in faults)
    draw = random.Random(seed).random
    happened: dict[int, int] = {}
    for turn in range(30):
        happening, armed = decide(armed, target, now=float(turn), draw=draw)
        if happening is not None:
            assert happening.fault.target in {target, "webhook" if target.startswith("delivery.") else "*"}
            happened[id(happening.fault)] = happened.get(id(happening.fault), 0) + 1
    for fault in faults:
        if fault.count is not None:
            assert happened.get(id(fault), 0) <= fault.count
    assert all(left.left is None or left.left > 0 for left in armed)


def test_the_first_fault_whose_turn_it_is_happens() -> None:
    first, second = Fault("get", "drop-before", count=1), Fault("*", "truncate")
    armed: tuple[ArmedFault, ...] = (arm(first), arm(second))
    one, armed = decide(armed, "get", now=0, draw=lambda: 0.0)
    two, armed = decide(armed, "get", now=0, draw=lambda: 0.0)
    assert (one and one.fault, two and two.fault) == (first, second)
    assert armed == (ArmedFault(second, None, 0.0),)


def test_chance_decides_where_the_probability_is_less_than_one() -> None:
    fault = Fault("get", "drop-before", probability=0.25)
    assert decide((arm(fault),), "get", now=0, draw=lambda: 0.25)[0] is None
    assert decide((arm(fault),), "get", now=0, draw=lambda: 0.24)[0] is not None


@given(
    rate=st.floats(0.1, 100), burst=st.floats(1, 50),
    gaps=st.lists(st.floats(0, 5), min_size=1, max_size=60),
)  # fmt: skip
def test_a_rate_limit_lets_its_number_through_and_names_the_time_to_wait(
    rate: float, burst: float, gaps: list[float]
) -> None:
    fault = Fault("*", "rate-limit", rate=rate, burst=burst)
    armed: tuple[ArmedFault, ...] = (arm(fault),)
    now, passed = 0.0, 0
    for gap in gaps:
        now += gap
        happening, armed = decide(armed, "create", now=now, draw=random.random)
        if happening is None:
            passed += 1
        else:
            assert happening.fault is fault
            assert 0 < happening.wait <= 1 / rate + 1e-9
            again, _ = decide(armed, "create", now=now + happening.wait + 1e-6, draw=random.random)
            assert again is None
    assert passed <= burst + now * rate + 1e-6

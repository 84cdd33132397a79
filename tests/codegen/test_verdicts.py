"""Each change of a description has the level that was written down for it before the rules ran."""

from typing import Any

import pytest

from codegen.comparison.compare import compare
from codegen.comparison.report import version_bump
from codegen.description.load import load_whole
from tests.codegen.edits import DESCRIPTIONS, edited, read_cases

CASES = read_cases("verdicts/operations.yaml", "verdicts/schemas.yaml", "verdicts/further.yaml")
BASES = {name: load_whole(str(path)) for name, path in DESCRIPTIONS.items()}


@pytest.mark.parametrize("case", CASES, ids=[f"{case['to']}: {case['change']}" for case in CASES])
def test_a_change_has_the_expected_level(case: dict[str, Any]) -> None:
    old = edited(BASES[case["to"]], set=case.get("given", {}))
    new = edited(old, **{key: case[key] for key in ("move", "set", "drop") if key in case})
    changes = compare(old, new)
    right = case["verdict"] if isinstance(case["verdict"], list) else [case["verdict"]]
    assert version_bump(changes) in right, changes
    assert "rule" not in case or case["rule"] in [change.rule for change in changes]
    assert "place" not in case or any(change.place.startswith(case["place"]) for change in changes)
    assert not any(case.get("never") in change.impacts for change in changes)


def test_both_descriptions_are_equal_to_themselves() -> None:
    assert [compare(base, base) for base in BASES.values()] == [(), ()]


@pytest.mark.parametrize(
    ("single", "span", "wider", "narrower"),
    [
        ("create responses 201", "create responses 2XX", ("success-range", "major"), ("success-single", "minor")),
        ("get responses 404", "get responses 4XX", ("error-range", "minor"), ("error-range", "minor")),
    ],
)
def test_a_range_of_statuses_is_compared_with_one_of_them(
    single: str, span: str, wider: tuple[str, str], narrower: tuple[str, str]
) -> None:
    base = BASES["ours"]
    ranged = edited(base, move={single: span})
    for old, new, expected in ((base, ranged, wider), (ranged, base, narrower)):
        changes = compare(old, new)
        assert ([change.rule for change in changes], version_bump(changes)) == ([expected[0]], expected[1])
    assert compare(ranged, edited(base, move={single: span.replace("XX", "xx")})) == ()


def test_a_range_of_statuses_with_another_body_is_another_response() -> None:
    base = BASES["ours"]
    body = {"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Eta"}}}}
    beside = compare(base, edited(base, set={"create responses 2XX": body}))
    assert [(change.rule, change.place) for change in beside] == [("success-added", "createDelivery, 2XX")]
    ranged = edited(base, move={"create responses 201": "create responses 2XX"})
    assert version_bump(compare(edited(ranged, set={"create responses 2XX": body}), base)) == "major"

"""An overlay changes what it lists, as Overlay 1.0 says, and fails where it no longer fits."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from codegen import settings
from codegen.description.load import load
from codegen.description.overlay import apply
from codegen.description.read import read
from codegen.documents import CodegenError

DOCUMENT = {"a": {"b": [1, 2], "c": {"d": "old", "e": 1}}, "x/y": {"b": []}}


def overlay(**action: Any) -> dict[str, Any]:
    return {"overlay": "1.0.0", "actions": [{"description": "Because.", **action}]}


@pytest.mark.parametrize(
    ("target", "pointers", "update", "changed"),
    [
        (
            "$.a.c",
            ["#/a/c"],
            {"d": "new", "f": 2},
            {"a": {"b": [1, 2], "c": {"d": "new", "e": 1, "f": 2}}, "x/y": {"b": []}},
        ),
        ("$.a", ["#/a"], {"b": [3]}, {"a": {"b": [1, 2, 3], "c": {"d": "old", "e": 1}}, "x/y": {"b": []}}),
        ("$.a.b", ["#/a/b"], {"n": 1}, {"a": {"b": [1, 2, {"n": 1}], "c": {"d": "old", "e": 1}}, "x/y": {"b": []}}),
        ("$.a.c.d", ["#/a/c/d"], {"n": 1}, {"a": {"b": [1, 2], "c": {"d": {"n": 1}, "e": 1}}, "x/y": {"b": []}}),
        ("$..b", ["#/a/b", "#/x~1y/b"], [0], {"a": {"b": [1, 2, 0], "c": {"d": "old", "e": 1}}, "x/y": {"b": [0]}}),
    ],
    ids=["objects merge", "arrays in them grow", "arrays grow", "others are replaced", "several places"],
)
def test_an_update(target: str, pointers: list[str], update: object, changed: object) -> None:
    before = copy.deepcopy(DOCUMENT)
    assert apply(overlay(target=target, update=update, **{"x-pointers": pointers}), DOCUMENT) == changed
    assert before == DOCUMENT


def test_a_removal() -> None:
    action = overlay(target="$.a.c", remove=True, **{"x-pointers": ["#/a/c"]})
    assert apply(action, DOCUMENT) == {"a": {"b": [1, 2]}, "x/y": {"b": []}}


def test_actions_see_what_those_before_them_did() -> None:
    first = overlay(target="$", update={"n": {}}, **{"x-pointers": ["#"]})
    second = overlay(target="$.n", update={"m": 1}, **{"x-pointers": ["#/n"]})
    both = {"overlay": "1.0.0", "actions": first["actions"] + second["actions"]}
    assert apply(both, {}) == {"n": {"m": 1}}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "does not say `overlay: 1.0.0`"),
        ({"overlay": "2.0.0"}, "does not say `overlay: 1.0.0`"),
        ({"overlay": "1.0.0"}, "has no list of `actions`"),
        ({"overlay": "1.0.0", "actions": []}, "has no list of `actions`"),
        ({"overlay": "1.0.0", "actions": ["no"]}, "at #/actions/0 lacks its `target`"),
        (
            overlay(target="$.a"),
            "at #/actions/0 lacks its `target`, its `description` (the reason) or its `x-pointers`",
        ),
        (overlay(target="a[", **{"x-pointers": []}), "at #/actions/0 is no JSONPath: "),
        (
            overlay(target="$.gone", **{"x-pointers": ["#/gone"]}),
            "at #/actions/0 (Because.) does not fit the description: #/gone is no longer there.",
        ),
        (
            overlay(target="$..b", **{"x-pointers": ["#/a/b"]}),
            "at #/actions/0 (Because.) does not fit the description: #/x~1y/b is matched, too, but not listed.",
        ),
    ],
)
def test_an_overlay_that_does_not_fit(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(CodegenError, match=re.escape(message)):
        apply(wrong, DOCUMENT)


def test_the_overlay_of_the_project_fails_when_the_description_moves(vendor: str, overlay: str, tmp_path: Path) -> None:
    (tmp_path / "moved.yaml").write_text(Path(vendor).read_text().replace("/v1/webhooks/test", "/v2/webhooks/test"))
    with pytest.raises(CodegenError, match=r"The body has no name.*webhooks~1test.* is no longer there"):
        load(str(tmp_path / "moved.yaml"), overlay=overlay)


def test_every_action_of_the_project_is_needed(vendor: str, overlay: str) -> None:
    """Without any one of them the result is another."""
    actions = read(overlay)["actions"]
    whole = apply(read(overlay), read(vendor))
    for number in range(len(actions)):
        without = {"overlay": "1.0.0", "actions": actions[:number] + actions[number + 1 :]}
        assert apply(without, read(vendor)) != whole


def test_the_projects_own_description_needs_no_overlay() -> None:
    titles = [
        schema for schema in load(str(settings.DESCRIPTION))["components"]["schemas"].values() if "title" in schema
    ]
    assert titles == []

"""A change names every place in hand-written code that it concerns, found by reading the code."""

from typing import Any

import pytest

from codegen import settings
from codegen.comparison.compare import compare
from codegen.handwritten.asked import Asked, said
from codegen.handwritten.code import PACKAGE, Code, Place
from tests.codegen.edits import edited
from tests.codegen.test_verdicts import BASES

CODE = Code(settings.ROOT)
OLD = BASES["vendor"]
NEW_FIELD = {"S Parcel properties fragile": {"type": "boolean"}, "S Parcel required 3": "fragile"}


def places(rule: str, **edits: Any) -> dict[str, str]:
    """Return, by file, the lines that the changes of a rule concern."""
    new = edited(OLD, **edits)
    asked = Asked(OLD, new, CODE)
    changes = [change for change in compare(OLD, new) if change.rule == rule]
    assert changes
    found = {place for change in changes for place in asked.places(change)}
    for place in found:
        assert 1 <= place.line <= CODE.texts[place.file].count("\n") + 1
    return {place.file: CODE.texts[place.file].splitlines()[place.line - 1] for place in found}


@pytest.mark.parametrize(
    ("rule", "edits", "expected"),
    [
        ("field-removed", {"drop": ["S Delivery properties trackingUrl"]},
         {"cli/deliveries/text.py": "tracking_url", "cli/demo/tables.py": "tracking_url",
          "sandbox/http/delivery_api.py": "trackingUrl"}),
        ("required-field-added", {"set": NEW_FIELD},
         {"sandbox/http/validation.py": "valueKzt"}),
        ("value-added", {"set": {"S DeliveryStatus x-open": True, "S DeliveryStatus enum 6": "returned"}}, {}),
        ("value-removed", {"set": {"S DeliveryStatus enum": ["created", "accepted", "in_transit", "delivered",
         "cancelled"]}}, {"status.py": "OUT_FOR_DELIVERY", "cli/output.py": "OUT_FOR_DELIVERY"}),
        ("operation-removed", {"drop": ["cancel"]},
         {"operations.py": "cancel_delivery", "client.py": "cancel_delivery", "sandbox/routes.py": "cancel"}),
        ("operation-added", {"set": {"paths /v1/quotes post": {"responses": {}}}},
         {"operations.py": "", "sandbox/routes.py": "Route("}),
        ("parameter-removed", {"drop": ["get parameters 1"]}, {"operations.py": "include_history"}),
        ("header-removed", {"drop": ["components responses RateLimited headers"]}, {"_wire/headers.py": "etry-"}),
        ("server-removed", {"set": {"servers": [{"url": "https://sandbox.kaspi.kz/delivery"}]}},
         {"options.py": "https://api.kaspi.kz/delivery"}),
        ("security-changed", {"set": {"components securitySchemes ApiKeyAuth name": "x-key"}},
         {"sandbox/http/delivery_api.py": "x-api-key"}),
        ("success-removed", {"move": {"create responses 201": "create responses 200"}},
         {"operations.py": "create_delivery", "client.py": "create_delivery"}),
        ("path-parameter-renamed", {"move": {"@item get": "paths /v1/deliveries/{id}"},
         "set": {"paths /v1/deliveries/{id} get parameters 0 name": "id"}}, {"_wire/response_parser.py": "deliveryId"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_the_places_of_a_change_are_named(rule: str, edits: dict[str, Any], expected: dict[str, str]) -> None:
    if rule == "value-added":
        edits = {"set": {**edits["set"]}}
        before = edited(OLD, set={"S DeliveryStatus x-open": True})
        (change,) = compare(before, edited(before, set=edits["set"]))
        files = [place.file for place in Asked(before, before, CODE).places(change)]
        assert files == [f"{PACKAGE}/sandbox/deliveries/lifecycle.py", f"{PACKAGE}/status.py"]
        return
    found = places(rule, **edits)
    for file, text in expected.items():
        assert f"{PACKAGE}/{file}" in found
        assert text in found[f"{PACKAGE}/{file}"]


def test_what_is_generated_or_a_text_asks_for_nothing() -> None:
    edits = {"S Eta properties more": {"type": "string"}, "create summary": "x"}
    new = edited(OLD, set=edits)
    asked = Asked(OLD, new, CODE)
    assert [asked.places(change) for change in compare(OLD, new)] == [[], []]


def test_places_are_said_by_file() -> None:
    assert said([Place("a.py", 1), Place("a.py", 7), Place("b.py", 2)]) == ["a.py:1, 7", "b.py:2"]

"""The facts about operations are generated: places and types of parameters, models, statuses, keys and pages."""

from typing import Any

import pytest

from codegen import settings
from codegen.description.load import load
from codegen.documents import CodegenError
from codegen.rendering.operations import described, render_operations
from kaspi_delivery_async import models
from kaspi_delivery_async._generated import operations
from kaspi_delivery_async._operation_spec import Parameter

QUERY = {
    "limit": {"type": "integer"}, "tags": {"type": "array", "items": {"type": "string"}}, "since": {"type": "object"},
    "kind": {"$ref": "#/components/schemas/Kind"}, "ratio": {"$ref": "#/components/schemas/Ratio"}, "class": True,
    "2nd": {"type": "string", "format": "date-time"}, "day": {"type": "string", "format": "date"},
}  # fmt: skip
SCHEMAS = {
    "Kind": {"type": "string", "enum": ["a"]}, "Ratio": {"type": "number"},
    "Thing": {"type": "object", "properties": {"a": {"type": "string"}}},
}  # fmt: skip


def a_document(operation: dict[str, Any], path: str = "/things/{b}/{a}") -> dict[str, Any]:
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in ("a", "b")]
    item = {"parameters": parameters, "get": operation}
    return {"openapi": "3.1.0", "info": {}, "paths": {path: item}, "components": {"schemas": SCHEMAS}}


def test_the_generated_facts_are_those_of_the_description() -> None:
    spec = operations.CANCEL_DELIVERY
    assert (spec.method, spec.path, spec.takes_key, spec.source) == (
        "POST", "/v1/deliveries/{deliveryId}/cancel", True, "CD RF",
    )  # fmt: skip
    assert (spec.request, spec.result, spec.successes) == (models.CancelRequest, models.Delivery, ("200",))
    assert set(spec.errors) == {"400", "401", "403", "404", "409", "429", "5XX"}
    assert spec.parameters[0] == Parameter(name="delivery_id", wire="deliveryId", place="path", kind=str, required=True)
    assert [spec.name for spec in operations.ALL] == [
        "create_delivery", "get_delivery", "cancel_delivery", "send_test_webhook",
    ]  # fmt: skip


def test_the_vendors_description_gives_the_same_operations(vendor: str, overlay: str) -> None:
    ours = described(load(str(settings.DESCRIPTION)))
    theirs = described(load(vendor, overlay=overlay))
    for one, other in zip(ours, theirs, strict=True):
        assert (one.name, one.method, one.path, one.parameters, one.takes_key) == (
            other.name, other.method, other.path, other.parameters, other.takes_key,
        )  # fmt: skip
        assert (one.request, one.result, one.successes) == (other.request, other.result, other.successes)
        assert set(one.errors) >= set(other.errors)


def test_parameters_have_python_names_types_and_the_order_of_the_path() -> None:
    parameters = [{"name": name, "in": "query", "schema": schema} for name, schema in QUERY.items()]
    cookie = {"name": "c", "in": "cookie", "schema": {"type": "string"}}
    (operation,) = described(a_document({"parameters": [*parameters, cookie], "responses": {}}))
    assert operation.name == "get_things_b_a"
    assert [(one.name, one.place, one.kind) for one in operation.parameters] == [
        ("b", "path", "str"), ("a", "path", "str"), ("limit", "query", "int"), ("tags", "query", "tuple[str, ...]"),
        ("since", "query", "object"), ("kind", "query", "models.Kind"), ("ratio", "query", "float"),
        ("class_", "query", "object"), ("n2nd", "query", "datetime"), ("day", "query", "date"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "name"), [("²", "n"), ("area m²", "area_m"), ("½ price", "price"), ("получить", "получить"), ("", "n")]
)
def test_any_text_gives_a_name(text: str, name: str) -> None:
    (operation,) = described(a_document({"operationId": text, "responses": {}}))
    assert (operation.name, operation.name.isidentifier()) == (name, True)


def test_bodies_of_success_and_failure_are_those_in_json() -> None:
    thing = {"application/json; charset=utf-8": {"schema": {"$ref": "#/components/schemas/Thing"}}}
    operation = {
        "operationId": "getThing", "requestBody": {"content": {"text/csv": {"schema": {}}, **thing}},
        "responses": {"200": {"content": thing}, "2XX": {"content": thing}, "404": {}, "default": {"content": thing}},
    }  # fmt: skip
    (found,) = described(a_document(operation))
    assert (found.request, found.result, found.successes) == ("models.Thing", "models.Thing", ("200", "2XX"))
    assert found.errors == {"404": None, "DEFAULT": "models.Thing"}
    (without,) = described(a_document({"responses": {"204": {}}}))
    assert (without.request, without.result) == (None, "None")


def test_two_types_of_success_and_two_operations_of_one_name_are_refused() -> None:
    two = {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}}, "204": {}}
    with pytest.raises(CodegenError, match=r"#/paths/~1things~1\{b\}~1\{a\}/get/responses have bodies of different"):
        described(a_document({"responses": two}))
    document = a_document({"operationId": "getThing", "responses": {}})
    document["paths"]["/other"] = {"get": {"operationId": "get_thing", "responses": {}}}
    with pytest.raises(CodegenError, match="GET /other would both be called get_thing"):
        described(document)


def test_texts_of_a_description_are_no_code() -> None:
    text = '"""\n__import__("os").abort()\n\\'
    operation = {
        "operationId": text, "summary": text, "x-source": text,
        "parameters": [{"name": text, "in": "query", "description": text, "schema": {"type": "string"}}],
        "responses": {f"4{text}": {"description": text}, "200": {"content": {text: {"schema": {}}}}},
    }  # fmt: skip
    source = render_operations(a_document(operation, f'/{{b}}/{{a}}/"{text}'))
    names: dict[str, Any] = {}
    exec(compile(source, "operations", "exec"), names)  # noqa: S102 -- as importing it would
    (spec,) = names["ALL"]
    assert spec.source == text
    assert spec.path.endswith(text)
    assert spec.parameters[-1].wire == text
    assert [*spec.errors] == [f"4{text}".upper()]

"""The description in openapi/ is valid, says where everything comes from, and its examples hold."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from codegen import settings
from codegen.description.read import read
from codegen.documents import operations

DOCUMENT = read(str(settings.DESCRIPTION))
SCHEMAS = DOCUMENT["components"]["schemas"]
PAGES = {"GS", "AU", "CD", "WH", "WE", "CL", "EX", "RF"}
REGISTRY: Registry[Any] = Registry().with_resource("urn:description", DRAFT202012.create_resource(DOCUMENT))


def check(value: object, schema: str) -> None:
    jsonschema.Draft202012Validator(
        {"$ref": f"urn:description#/components/schemas/{schema}"},
        registry=REGISTRY,
        format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
    ).validate(value)


def sourced() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every part that has to say where it comes from."""
    for _, name, operation in operations(DOCUMENT):
        yield name, operation
        yield from ((f"{name} {status}", part) for status, part in operation["responses"].items() if "$ref" not in part)
        yield from ((f"{name} {part['name']}", part) for part in operation.get("parameters", []) if "$ref" not in part)
    for kind, parts in DOCUMENT["components"].items():
        yield from ((f"{kind} {name}", part) for name, part in parts.items())
    for number, server in enumerate(DOCUMENT["servers"]):
        yield f"server {number}", server


def test_it_is_valid_openapi_3_1() -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


@pytest.mark.parametrize(("name", "part"), list(sourced()))
def test_each_part_names_its_pages_or_says_that_it_is_assumed(name: str, part: dict[str, Any]) -> None:
    source = part["x-source"]
    assert source == "assumption" or set(source.split()) <= PAGES, name


@pytest.mark.parametrize("status", ["400", "5XX"])
def test_responses_that_no_page_describes_are_assumptions(status: str) -> None:
    response = DOCUMENT["paths"]["/v1/deliveries"]["post"]["responses"][status]["$ref"].rpartition("/")[2]
    assert DOCUMENT["components"]["responses"][response]["x-source"] == "assumption"


@pytest.mark.parametrize(("name", "example"), list(DOCUMENT["components"]["examples"].items()))
def test_each_example_fits_the_schema_it_is_named_after(name: str, example: dict[str, Any]) -> None:
    check(example["value"], name)


def test_the_founding_documents_example_is_among_the_examples() -> None:
    shell = (Path(__file__).parent / "descriptions" / "getting-started.json").read_text(encoding="utf-8")
    request, response = json.loads(shell)
    assert DOCUMENT["components"]["examples"]["DeliveryRequest"]["value"] == request
    assert DOCUMENT["components"]["examples"]["DeliveryCreated"]["value"] == response


@pytest.mark.parametrize("name", ["Delivery", "DeliveryCreated"])
def test_a_response_requires_only_the_id_and_the_status(name: str) -> None:
    assert SCHEMAS[name]["required"] == ["deliveryId", "status"]


def test_every_body_is_a_named_schema() -> None:
    inline = re.findall(
        r"^ +schema:\n +(?!\$ref|type: (?:string|integer|boolean)\n)\S.*",
        settings.DESCRIPTION.read_text(),
        re.MULTILINE,
    )
    assert inline == []


def test_the_operations_are_the_documented_ones() -> None:
    assert {(name, *way[1:]) for way, name, _ in operations(DOCUMENT)} == {
        ("createDelivery", "/v1/deliveries", "post"),
        ("getDelivery", "/v1/deliveries/{deliveryId}", "get"),
        ("cancelDelivery", "/v1/deliveries/{deliveryId}/cancel", "post"),
        ("sendTestWebhook", "/v1/webhooks/test", "post"),
        ("deliveryStatus", "deliveryStatus", "post"),
    }


@pytest.mark.parametrize("name", ["DeliveryStatus", "WebhookEventType"])
def test_enumerations_are_open_and_explain_each_value(name: str) -> None:
    schema = SCHEMAS[name]
    assert schema["x-open"] is True
    assert len(schema["x-enum-descriptions"]) == len(schema["enum"])

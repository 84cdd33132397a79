"""Gives the schema of every body of a description a name, and moves it among the named schemas.

The body of `sendTestWebhook` becomes `SendTestWebhookRequest`. A `title`, which an overlay can give, is taken as the
name; equal schemas of one title become one.
"""

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

from codegen.documents import Json, Object, operations, pointer


def pascal_case(text: str) -> str:
    """Turn any text into a class name: `post /v1/webhooks/test` into `PostV1WebhooksTest`."""
    return "".join(word[:1].upper() + word[1:] for word in re.findall(r"[^\W_]+", text))


def snake_case(text: str) -> str:
    """Turn a wire name into an attribute name: `weightGrams` into `weight_grams`."""
    words = re.sub(r"([A-Z]+)([A-Z][a-z])|([a-z\d])([A-Z])", r"\1\3_\2\4", text)
    return re.sub(r"\W+", "_", words).lower()


def named(document: Mapping[str, Any]) -> Object:
    """Return the document with the schema of each body under `#/components/schemas`, by its title or its place.

    The argument is not changed. Of different schemas of one title, the later ones get a number.
    """
    moved = copy.deepcopy(dict(document))
    schemas: dict[str, Json] = moved.setdefault("components", {}).setdefault("schemas", {})
    for media, name in list(_bodies(moved)):
        schema = media.get("schema")
        if isinstance(schema, dict) and "$ref" not in schema:
            title = pascal_case(str(schema.get("title", ""))) or name
            free, number = title, 1
            while free in schemas and _meaning(schemas[free]) != _meaning(schema):
                number += 1
                free = f"{title}{number}"
            schemas.setdefault(free, schema)
            media["schema"] = {"$ref": pointer(["components", "schemas", free])}
    return moved


def _bodies(document: Mapping[str, Any]) -> Iterator[tuple[Object, str]]:
    """Yield each media type object, and the name for its schema if that is inline."""
    components = document.get("components", {})
    for kind, suffix in (("requestBodies", "Request"), ("responses", "Response")):
        for name, part in components.get(kind, {}).items():
            yield from _media(part, pascal_case(name) + suffix)
    for way, name, operation in operations(document):
        stem = pascal_case(name)
        suffix = "Webhook" if way[0] == "webhooks" else "Request"
        yield from _media(operation.get("requestBody", {}), stem + suffix)
        responses = operation.get("responses", {})
        good = [status for status in responses if status.startswith("2")]
        for status, response in responses.items():
            suffix = "Response" if [status] == good else f"Response{status}"
            yield from _media(response, stem + suffix)


def _media(part: Mapping[str, Any], name: str) -> Iterator[tuple[Object, str]]:
    for media in part.get("content", {}).values():
        yield media, name


def _meaning(node: Json) -> Json:
    """Return a schema without what has no influence on its data."""
    if isinstance(node, dict):
        return {key: _meaning(value) for key, value in node.items() if key not in ("description", "title", "examples")}
    return [_meaning(value) for value in node] if isinstance(node, list) else node

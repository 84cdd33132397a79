"""Gives every inline object and enumeration of a description a name, and moves it among the named schemas.

What a schema is called inside its parent says more than a number: the body of `sendTestWebhook` becomes
`SendTestWebhookRequest`, its field `target` becomes `SendTestWebhookRequestTarget`. A `title`, which an overlay can
give, is taken as the name; equal schemas of one title become one.
"""

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

from codegen.documents import CodegenError, Json, Object, Way, operations, pointer


def pascal_case(text: str) -> str:
    """Turn any text into a class name: `post /v1/webhooks/test` into `PostV1WebhooksTest`."""
    return "".join(word[:1].upper() + word[1:] for word in re.findall(r"[^\W_]+", text))


def snake_case(text: str) -> str:
    """Turn a wire name into an attribute name: `weightGrams` into `weight_grams`."""
    words = re.sub(r"([A-Z]+)([A-Z][a-z])|([a-z\d])([A-Z])", r"\1\3_\2\4", text)
    return re.sub(r"\W+", "_", words).lower()


def named(document: Mapping[str, Any]) -> Object:
    """Return the document with each inline body, object and enumeration under `#/components/schemas`.

    The argument is not changed. Raises CodegenError if two different schemas claim one name.
    """
    moved = copy.deepcopy(dict(document))
    schemas: dict[str, Object] = moved.setdefault("components", {}).setdefault("schemas", {})
    for name, schema in list(schemas.items()):
        _name_parts(schema, name, schemas, ("components", "schemas", name))
    for way, media, name in list(_bodies(moved)):
        if "schema" in media:
            media["schema"] = _moved(media["schema"], name, schemas, (*way, "schema"), whole=True)
    return moved


def _bodies(document: Mapping[str, Any]) -> Iterator[tuple[Way, Object, str]]:
    """Yield each media type object, and the name for its schema if that is inline."""
    components = document.get("components", {})
    for kind, suffix in (("requestBodies", "Request"), ("responses", "Response")):
        for name, part in components.get(kind, {}).items():
            yield from _media(part, ("components", kind, name), pascal_case(name) + suffix)
    for way, name, operation in operations(document):
        stem = pascal_case(name)
        suffix = "Webhook" if way[0] == "webhooks" else "Request"
        yield from _media(operation.get("requestBody", {}), (*way, "requestBody"), stem + suffix)
        responses = operation.get("responses", {})
        good = [status for status in responses if status.startswith("2")]
        for status, response in responses.items():
            suffix = "Response" if [status] == good else f"Response{status}"
            yield from _media(response, (*way, "responses", status), stem + suffix)


def _media(part: Mapping[str, Any], way: Way, name: str) -> Iterator[tuple[Way, Object, str]]:
    for kind, media in part.get("content", {}).items():
        yield (*way, "content", kind), media, name


def _moved(schema: Json, name: str, schemas: dict[str, Object], way: Way, *, whole: bool = False) -> Json:
    """Return a reference to an inline schema, after it was moved among the named ones; or the schema, if it stays."""
    if not isinstance(schema, dict) or "$ref" in schema:
        return schema
    if not (whole or "properties" in schema or "enum" in schema or len(schema.get("allOf", ())) > 1):
        _name_parts(schema, name, schemas, way)
        return schema
    title = pascal_case(str(schema.get("title", ""))) or name
    _name_parts(schema, title, schemas, way)
    known = schemas.setdefault(title, schema)
    if known is not schema and _meaning(known) != _meaning(schema):
        raise CodegenError(
            f"The schema at {pointer(way)} would be called {title}, as is another that differs from it. Give it a "
            "`title` of its own, for example through the overlay."
        )
    kept = {key: value for key, value in schema.items() if key in ("description", "x-personal")}
    return {"$ref": pointer(["components", "schemas", title]), **kept}


def _name_parts(schema: Json, name: str, schemas: dict[str, Object], way: Way) -> None:
    if not isinstance(schema, dict):
        return
    for field, part in schema.get("properties", {}).items():
        schema["properties"][field] = _moved(part, name + pascal_case(field), schemas, (*way, "properties", field))
    for key in ("items", "additionalProperties"):
        if key in schema:
            schema[key] = _moved(schema[key], f"{name}Item", schemas, (*way, key))
    for key in ("allOf", "anyOf", "oneOf"):
        for number, part in enumerate(schema.get(key, [])):
            # A part of `allOf` is merged into the whole: its fields are named, it is not.
            if key == "allOf":
                _name_parts(part, name, schemas, (*way, key, number))
            else:
                schema[key][number] = _moved(part, f"{name}Option{number + 1}", schemas, (*way, key, number))


def _meaning(node: Json) -> Json:
    """Return a schema without what has no influence on its data."""
    if isinstance(node, dict):
        return {key: _meaning(value) for key, value in node.items() if key not in ("description", "title", "examples")}
    return [_meaning(value) for value in node] if isinstance(node, list) else node

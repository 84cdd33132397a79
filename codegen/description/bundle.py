"""Gathers what a description refers to, there or in other documents, among its components."""

import copy
import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from codegen.documents import Json, Object, Way, pointer, references, refuse

COMPONENT_DEPTH = 3
"""The tokens of a pointer to a component: `/components/schemas/Parcel`."""


def bundle(
    document: Mapping[str, Any], *, base: str, read: Callable[[str], Mapping[str, Any]], allow_remote: bool
) -> Object:
    """Return the document with every reference to one of its components; the argument is not changed.

    `base` is the document's own URI; `read` gets the URI of another one. Raises CodegenError for all references
    that lead nowhere, or out of the document without `allow_remote`.
    """
    bundled = copy.deepcopy(dict(document))
    registry = _with_document(Registry(), base, document)
    gathered: dict[str, str] = {}
    problems: list[str] = []
    waiting = [(base, way, holder) for way, holder in references(bundled)]
    while waiting:
        home, way, holder = waiting.pop(0)
        target = urljoin(home, holder["$ref"])
        uri, fragment = urldefrag(target)
        if uri != base and not allow_remote:
            problems.append(
                f"The $ref at {pointer(way)} leads to another document, {uri}. Pass --allow-remote to follow it, or "
                "make one description first: `npx @redocly/cli bundle OLD.yaml -o NEW.yaml`."
            )
            continue
        if uri not in registry:
            registry = _with_document(registry, uri, read(uri))
        try:
            contents = registry.resolver(uri).lookup(f"#{fragment}").contents
        except Unresolvable:
            problems.append(
                f"The $ref at {pointer(way)} leads to {holder['$ref']}, where there is nothing. Correct it, or add "
                "what it names."
            )
            continue
        if uri == base and fragment.startswith("/components/") and fragment.count("/") == COMPONENT_DEPTH:
            holder["$ref"] = f"#{fragment}"
            continue
        if target not in gathered:
            kind, name = _component(uri, fragment, way)
            components = bundled.setdefault("components", {}).setdefault(kind, {})
            name = _free(name, components)
            gathered[target] = pointer(["components", kind, name])
            components[name] = copy.deepcopy(contents)
            waiting += [(uri, way, inner) for _, inner in references(components[name])]
        holder["$ref"] = gathered[target]
    refuse(problems)
    return bundled


def _with_document(registry: Registry[Json], uri: str, contents: Mapping[str, Any]) -> Registry[Json]:
    resource: Resource[Json] = Resource.from_contents(contents, default_specification=DRAFT202012)
    extended: Registry[Json] = registry.with_resource(uri, resource)
    return extended


def _free(name: str, taken: Mapping[str, Json]) -> str:
    """Return a name that OpenAPI allows for a component, with a number if it is taken."""
    allowed = free = re.sub(r"[^A-Za-z0-9._-]", "_", name) or "_"
    number = 1
    while free in taken:
        number += 1
        free = f"{allowed}{number}"
    return free


KINDS = {
    "callbacks": "callbacks", "examples": "examples", "headers": "headers", "links": "links",
    "parameters": "parameters", "paths": "pathItems", "responses": "responses", "webhooks": "pathItems",
}  # fmt: skip
"""What is referred to among the parts of these keys."""


def _component(uri: str, fragment: str, way: Way) -> tuple[str, str]:
    """Return the kind and name under which a part is gathered that is referred to at a place."""
    tokens = [token.replace("~1", "/").replace("~0", "~") for token in unquote(fragment).split("/") if token]
    within = str(way[-2]) if len(way) > 1 else ""
    kind = "requestBodies" if way[-1:] == ("requestBody",) else KINDS.get(within, "schemas")
    match tokens:
        case ["components", kind, name]:
            return kind, name
        case [*_, name]:
            return kind, name
        case _:
            return kind, PurePosixPath(uri).stem

"""The servers and the ways to authenticate of an operation, in forms that can be compared."""

import json
from collections.abc import Mapping
from itertools import islice, product
from typing import Any

from codegen.documents import Json, Object

MOST_SERVERS = 100
"""A server whose variables give more URLs than this is compared by its template."""

Requirement = frozenset[tuple[str, frozenset[str]]]
"""What one way to authenticate asks for: each key or token, and the scopes that it has to have."""


def servers_of(*holders: Mapping[str, Any]) -> frozenset[str]:
    """Return the URLs of the first of several objects that states any servers."""
    for holder in holders:
        if holder.get("servers"):
            return frozenset(url for server in holder["servers"] for url in _urls(server))
    return frozenset()


def _urls(server: Mapping[str, Any]) -> list[str]:
    """Return the URLs that the values of a server's variables give."""
    template = str(server.get("url", "")).rstrip("/")
    variables: Mapping[str, Object] = server.get("variables", {})
    if not variables:
        return [template]
    values = [variable.get("enum") or [variable.get("default", "")] for variable in variables.values()]
    combined = list(islice(product(*values), MOST_SERVERS + 1))
    free = sorted(name for name, variable in variables.items() if not variable.get("enum"))
    if len(combined) > MOST_SERVERS:
        return [f"{template} {json.dumps(values)}"]
    urls: list[str] = []
    for choice in combined:
        url = template
        for name, value in zip(variables, choice, strict=True):
            url = url.replace(f"{{{name}}}", str(value))
        urls.append(url.rstrip("/") + (f" (any {', '.join(free)})" if free else ""))
    return urls


def security_of(description: Mapping[str, Any], stated: Json) -> frozenset[Requirement]:
    """Return the ways to authenticate, by what is sent rather than by what the schemes are called."""
    schemes = description.get("components", {}).get("securitySchemes", {})
    ways = [
        frozenset(
            (_sent(description, schemes.get(name, {"unknown": name})), frozenset(scopes))
            for name, scopes in way.items()
        )
        for way in stated or [{}]
    ]
    return frozenset(ways)


def _sent(description: Mapping[str, Any], scheme: Mapping[str, Any]) -> str:
    """Return what a security scheme has a client send, as a text."""
    while "$ref" in scheme:
        scheme = description["components"]["securitySchemes"][scheme["$ref"].rpartition("/")[2]]
    match scheme.get("type"):
        case "apiKey":
            name = str(scheme.get("name"))
            return f"{scheme.get('in')} {name.lower() if scheme.get('in') == 'header' else name}"
        case "http":
            return f"http {str(scheme.get('scheme')).lower()}"
        case "oauth2":
            flows = {
                flow: {key: value for key, value in sorted(about.items()) if key.endswith("Url")}
                for flow, about in sorted(scheme.get("flows", {}).items())
                if not flow.startswith("x-")
            }
            return f"oauth2 {json.dumps(flows)}"
        case _:
            return json.dumps({key: scheme[key] for key in sorted(scheme) if key != "description"})


def covers(way: Requirement, other: Requirement) -> bool:
    """Whether who fulfils one way to authenticate fulfils the other, too."""
    held = dict(way)
    return all(sent in held and scopes <= held[sent] for sent, scopes in other)


def said(way: Requirement) -> str:
    """Say a way to authenticate in words."""
    parts = [sent + (f" with {', '.join(sorted(scopes))}" if scopes else "") for sent, scopes in sorted(way)]
    return " and ".join(parts) or "none"

"""Edits of descriptions, as the data files of the tests write them: the keys on the way to a place, in one string."""

import copy
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
DESCRIPTIONS = {
    "vendor": HERE / "descriptions" / "vendor.yaml",
    "ours": HERE.parents[1] / "openapi" / "kaspi-delivery.yaml",
}
ITEMS = {
    "create": "/v1/deliveries",
    "get": "/v1/deliveries/{deliveryId}",
    "cancel": "/v1/deliveries/{deliveryId}/cancel",
    "test": "/v1/webhooks/test",
}
METHODS = {"create": "post", "get": "get", "cancel": "post", "test": "post"}


def read_cases(*names: str) -> list[dict[str, Any]]:
    """Return the cases of data files beside this one."""
    return [case for name in names for case in yaml.safe_load((HERE / name).read_text(encoding="utf-8"))]


def way(text: str) -> list[str]:
    """Return the keys that lead to a place: `S Parcel` to a schema, `get parameters 0` to a part of an operation."""
    tokens = [token.replace(";", "; ") for token in text.replace("; ", ";").split(" ")]
    match tokens:
        case ["S", *rest]:
            return ["components", "schemas", *rest]
        case ["event", *rest]:
            return ["webhooks", "deliveryStatus", "post", *rest]
        case ["@item", name, *rest]:
            return ["paths", ITEMS[name], *rest]
        case [name, *rest] if name in ITEMS:
            return ["paths", ITEMS[name], METHODS[name], *rest]
        case _:
            return tokens


def edited(document: dict[str, Any], *, move: Any = (), set: Any = (), drop: Any = ()) -> dict[str, Any]:  # noqa: A002
    """Return a copy of a document with places moved, set and dropped, in this order."""
    changed = copy.deepcopy(document)
    for source, target in dict(move).items():
        put(changed, way(target), take(changed, way(source)))
    for place, value in dict(set).items():
        put(changed, way(place), copy.deepcopy(value))
    for place in drop:
        take(changed, way(place))
    return changed


def put(document: Any, path: list[str], value: Any) -> None:
    *parents, last = path
    holder = document
    for key in parents:
        holder = holder[int(key)] if isinstance(holder, list) else holder.setdefault(key, [] if last == "0" else {})
    if isinstance(holder, list) and int(last) == len(holder):
        holder.append(value)
    else:
        holder[int(last) if isinstance(holder, list) else last] = value


def take(document: Any, path: list[str]) -> Any:
    *parents, last = path
    holder = document
    for key in parents:
        holder = holder[int(key) if isinstance(holder, list) else key]
    return holder.pop(int(last) if isinstance(holder, list) else last)

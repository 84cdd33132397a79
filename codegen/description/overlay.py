"""Applies an OpenAPI Overlay 1.0, and holds it to the places that it says it changes.

The specification lets an action that matches nothing pass in silence. Here each action lists, as `x-pointers`, the
JSON pointers that its target has to match: when the description moves on, the overlay fails and says where.
"""

import copy
from collections.abc import Mapping
from typing import Any

import jsonpath_rfc9535 as jsonpath

from codegen.documents import CodegenError, Json, Object, pointer


def apply(overlay: Mapping[str, Any], document: Mapping[str, Any]) -> Object:
    """Return the document with the overlay's actions applied in order; neither argument is changed.

    Raises CodegenError for an overlay that is malformed, or an action whose target does not match exactly the places
    that it lists.
    """
    if not str(overlay.get("overlay", "")).startswith("1.0."):
        raise CodegenError("The overlay does not say `overlay: 1.0.0`. Write it as an OpenAPI Overlay 1.0.")
    actions = overlay.get("actions")
    if not isinstance(actions, list) or not actions:
        raise CodegenError("The overlay has no list of `actions`. Add one, or leave the overlay out.")
    holder = [copy.deepcopy(dict(document))]
    for number, action in enumerate(actions):
        _act(action, holder, place=pointer(["actions", number]))
    return holder[0]


def _act(action: Json, root: list[Object], *, place: str) -> None:
    if not isinstance(action, dict) or not {"target", "description", "x-pointers"} <= action.keys():
        raise CodegenError(
            f"The overlay's action at {place} lacks its `target`, its `description` (the reason) or its `x-pointers` "
            "(the places that it changes). Give all three."
        )
    try:
        matches = jsonpath.find(action["target"], root[0])
    except jsonpath.JSONPathError as error:
        raise CodegenError(f"The target of the overlay's action at {place} is no JSONPath: {error}.") from error
    listed, found = set(action["x-pointers"]), {pointer(match.location) for match in matches}
    if gone := sorted(listed - found):
        raise CodegenError(_outdated(action, place, f"{', '.join(gone)} is no longer there"))
    if new := sorted(found - listed):
        raise CodegenError(_outdated(action, place, f"{', '.join(new)} is matched, too, but not listed"))
    for match in matches:
        *way, last = (0, *match.location)
        holder: Json = root
        for token in way:
            holder = holder[token]
        if action.get("remove"):
            del holder[last]
        else:
            holder[last] = _merged(holder[last], action.get("update"))


def _outdated(action: Mapping[str, Any], place: str, what: str) -> str:
    return (
        f"The overlay's action at {place} ({str(action['description']).strip()}) does not fit the description: {what}. "
        "See what the description says there now, and change the action's target and x-pointers, or take it out."
    )


def _merged(target: Json, update: Json) -> Json:
    """Merge as Overlay 1.0 does: objects by key, arrays by appending, anything else is replaced."""
    if isinstance(target, dict) and isinstance(update, dict):
        return target | {key: _merged(target[key], value) if key in target else value for key, value in update.items()}
    if isinstance(target, list):
        return [*target, *update] if isinstance(update, list) else [*target, update]
    return update

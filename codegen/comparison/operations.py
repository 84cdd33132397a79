"""Compares two operations by what is sent and what is received, webhooks and callbacks the other way round."""

import re
from collections.abc import Iterator

from codegen.comparison.changes import Findings, pairs
from codegen.comparison.listing import Operation, resolved
from codegen.comparison.rules import Direction
from codegen.comparison.schemas import SchemaComparison
from codegen.comparison.servers import covers, said
from codegen.description.naming import pascal_case
from codegen.documents import Json, Object

STYLES = {"query": "form", "cookie": "form", "path": "simple", "header": "simple"}
"""How a parameter is written where its `style` does not say."""

IGNORED_HEADERS = frozenset({"accept", "content-type", "authorization"})
"""OpenAPI gives no meaning to header parameters of these names."""


class OperationComparison:
    """Compares operations, and keeps which components they use."""

    def __init__(self, old: Object, new: Object, schemas: SchemaComparison) -> None:
        self.old, self.new = old, new
        self.schemas = schemas
        self.findings: Findings = schemas.findings
        self.used = {*_used(old), *_used(new)}

    def compare(self, old: Operation, new: Operation) -> None:
        """Note the differences between two operations that are one."""
        name, findings = old.name, self.findings
        ours, theirs = Direction.SENT, Direction.RECEIVED
        if old.section != "paths":
            ours, theirs = theirs, ours
        with findings.going(ours):
            self._compare_names(old, new)
            self._compare_security(name, old, new)
            findings.rest(name, old.item, new.item, known=())
            known = {"operationId", "parameters", "requestBody", "responses", "callbacks", "servers", "security"}
            findings.rest(name, old.parts, new.parts, known=known)
            for key, before, after in pairs(old.parameters, new.parameters):
                if key.removeprefix("header ") not in IGNORED_HEADERS:
                    self._compare_parameters(name, before, after)
            self._compare_bodies(old, new)
        with findings.going(theirs):
            self._compare_responses(old, new)

    def _compare_names(self, old: Operation, new: Operation) -> None:
        name = old.name
        webhook = old.section == "webhooks"
        if old.name != new.name or (webhook and old.place.partition(" ")[2] != new.place.partition(" ")[2]):
            self.findings.add("webhook-renamed" if webhook else "operation-renamed", name, f"now {new.name}")
        if _address(old) != _address(new):
            self.findings.add("operation-moved", name, f"{old.place} is now {new.place}")

    def _compare_security(self, name: str, old: Operation, new: Operation) -> None:
        # The sender chooses the way, so what is received is judged the other way round.
        first, second = (old, new) if old.section == "paths" else (new, old)
        lost = [way for way in first.security if not any(covers(way, other) for other in second.security)]
        gained = [way for way in second.security if not any(covers(other, way) for other in first.security)]
        before, after = (" or ".join(sorted(map(said, one.security))) for one in (old, new))
        if lost:
            self.findings.add("security-changed", name, f"{before} is now {after}")
        elif gained or len(old.security) != len(new.security):
            self.findings.add("security-added", name, f"{before} is now {after}")
        elif old.security != new.security:
            self.findings.add("security-added", name, f"{before} is now {after}, which asks for less")

    def _compare_parameters(self, name: str, old: Object | None, new: Object | None) -> None:
        shown: Object = old or new or {}
        place = f"{name}, {shown.get('in')} {shown.get('name')}"
        if new is None or old is None:
            required = "required-" if shown.get("required") else ""
            self.findings.add("parameter-removed" if new is None else f"{required}parameter-added", place)
            return
        if old.get("in") == "path" and old.get("name") != new.get("name"):
            self.findings.add("path-parameter-renamed", place, f"now {new.get('name')}")
        self._compare_values(place, old, new, what="parameter")

    def _compare_values(self, place: str, old: Object, new: Object, *, what: str) -> None:
        """Compare two parameters or headers that are one."""
        before, after = bool(old.get("required")), bool(new.get("required"))
        if before != after:
            self.findings.add(f"{what}-required" if after else f"{what}-optional", place)
        elif not before and what == "parameter":
            self.schemas.compare_default(place, old.get("schema", True), new.get("schema", True))
        if before or what == "header":
            self.findings.text(place, *(_default(part) for part in (old, new)))
        for key in ("style", "explode", "allowReserved", "allowEmptyValue"):
            one, other = (_writing(part, key) for part in (old, new))
            if one != other:
                relaxed = key.startswith("allow") and other
                rule = "parameter-relaxed" if relaxed else "parameter-encoded"
                self.findings.add(rule, place, f"{key} {one} is now {other}")
        known = {"name", "in", "required", "style", "explode", "allowReserved", "allowEmptyValue", "schema", "content"}
        self.findings.rest(place, old, new, known=known)
        if ("content" in old) != ("content" in new):
            self.findings.add("parameter-encoded", place)
        elif "content" in old:
            self._compare_content(place, old["content"], new["content"], pascal_case(place))
        else:
            self.schemas.compare(place, old.get("schema", True), new.get("schema", True), kind="parameter")

    def _compare_bodies(self, old: Operation, new: Operation) -> None:
        name = old.name
        before, after = (resolved(*side) for side in self._sides(old, new, "requestBody"))
        if not before and not after:
            return
        if not before or not after:
            if before:
                self.findings.add("body-removed", name)
            else:
                self.findings.add("required-body-added" if after.get("required") else "body-added", name)
            return
        required = bool(after.get("required"))
        if bool(before.get("required")) != required:
            self.findings.add("body-required" if required else "body-optional", name)
        self.findings.rest(name, before, after, known={"required", "content"})
        suffix = "Request" if old.section == "paths" else "Webhook"
        called = pascal_case(name) + suffix
        unasked = old.section != "paths"
        self._compare_content(name, before.get("content", {}), after.get("content", {}), called, unasked=unasked)

    def _sides(self, old: Operation, new: Operation, key: str) -> tuple[tuple[Object, Json], tuple[Object, Json]]:
        return (self.old, old.parts.get(key, {})), (self.new, new.parts.get(key, {}))

    def _compare_content(self, place: str, old: Object, new: Object, called: str, *, unasked: bool = False) -> None:
        """Compare bodies by their media types.

        `called` is what a schema without a name is called; `unasked` bodies come in a type that the sender chooses.
        """
        prefix = "unasked-" if unasked else ""
        before, after = ({_media_type(kind): media for kind, media in content.items()} for content in (old, new))
        for kind, one, other in pairs(before, after):
            if one is None or other is None:
                self.findings.add(f"{prefix}media-type-{'removed' if other is None else 'added'}", place, kind)
                continue
            self.findings.rest(place, one, other, known={"schema", "encoding"})
            for part, ours, theirs in pairs(one.get("encoding", {}), other.get("encoding", {})):
                if ours != theirs:
                    self.findings.add("encoding-changed", f"{place}, {part}")
            self.schemas.compare(called, one.get("schema", True), other.get("schema", True))

    def _compare_responses(self, old: Operation, new: Operation) -> None:
        before, after = _by_status(old.parts.get("responses", {})), _by_status(new.parts.get("responses", {}))
        good = [status for status in before if status.startswith("2")]
        for status, same, same_other in pairs(before, after):
            one, other = same or _of_range(status, before), same_other or _of_range(status, after)
            place = f"{old.name}, {status}"
            if status.startswith("x-"):
                self.findings.text(place, one, other)
            elif one is not None and other is not None:
                if same is None or same_other is None:
                    success = "success-single" if same is None else "success-range"
                    self.findings.add(success if status.startswith("2") else "error-range", place)
                suffix = "Response" if [status] == good else f"Response{status}"
                called = pascal_case(old.name) + suffix
                self._compare_response(place, resolved(self.old, one), resolved(self.new, other), called)
            elif not _becomes_single(status, *((before, after) if other is None else (after, before))):
                kind = "success" if status.startswith("2") else "error"
                self.findings.add(f"{kind}-{'removed' if other is None else 'added'}", place)

    def _compare_response(self, place: str, old: Object, new: Object, called: str) -> None:
        if bool(old.get("content")) != bool(new.get("content")):
            self.findings.add("body-added" if new.get("content") else "body-removed", place)
        else:
            self._compare_content(place, old.get("content", {}), new.get("content", {}), called)
        self.findings.rest(place, old, new, known={"content", "headers", "links"})
        self.findings.text(place, old.get("links", {}), new.get("links", {}))
        before, after = (
            {name.lower(): (name, resolved(document, header)) for name, header in part.get("headers", {}).items()}
            for document, part in ((self.old, old), (self.new, new))
        )
        for key, one, other in pairs(before, after):
            if key == "content-type":
                continue
            if one is None or other is None:
                name = one[0] if one else other[0] if other else key
                self.findings.add("header-removed" if other is None else "header-added", f"{place} {name}")
            else:
                self._compare_values(f"{place} {one[0]}", one[1], other[1], what="header")


def _by_status(responses: Object) -> Object:
    """Return responses by status, with ranges in capital letters."""
    return {key if key.startswith("x-") else key.upper(): response for key, response in responses.items()}


def _of_range(status: str, responses: Object) -> Object | None:
    """Return the response that is described for the range of a status, such as 2XX, if it has none of its own."""
    return responses.get(f"{status[0]}XX") if status.isdecimal() else None


def _becomes_single(status: str, own: Object, others: Object) -> bool:
    """Whether others describe single statuses of a range instead; those are compared with it one by one."""
    return status.endswith("XX") and any(key[0] == status[0] and key.isdecimal() for key in others.keys() - own.keys())


def _address(operation: Operation) -> str:
    """Return where an operation is called: a webhook at a URL that the description lacks, a callback by expression."""
    if operation.section == "webhooks":
        return operation.place.partition(" ")[0]
    return operation.place if operation.section == "callbacks" else operation.template


def _writing(parameter: Object, key: str) -> Json:
    """Return how a parameter is written, where it is not said as what it is by default."""
    style = parameter.get("style", STYLES.get(parameter.get("in", "header")))
    return parameter.get(key, {"style": style, "explode": style in ("form", "cookie")}.get(key, False))


def _default(parameter: Object) -> Json:
    schema = parameter.get("schema")
    return schema.get("default") if isinstance(schema, dict) else None


def _media_type(kind: str) -> str:
    """Return a media type without what makes no difference: case, spaces, and the encoding that JSON always has."""
    return re.sub(r"\s*;\s*charset=utf-?8", "", kind.lower())


def _used(document: Object) -> Iterator[tuple[str, str]]:
    """Yield the kind and name of each component, schemas aside, that something refers to or requires."""
    waiting: list[Json] = [document.get("paths", {}), document.get("webhooks", {}), document.get("security", [])]
    found: set[tuple[str, str]] = set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            for way in node.get("security") or ():
                found |= {("securitySchemes", name) for name in way}
            reference = node.get("$ref")
            if isinstance(reference, str) and reference.startswith("#/components/"):
                kind, _, name = reference.removeprefix("#/components/").partition("/")
                component = (kind, name.replace("~1", "/").replace("~0", "~"))
                if component not in found and kind != "schemas":
                    found.add(component)
                    waiting.append(document["components"].get(kind, {}).get(component[1], {}))
            waiting += node.values()
    yield from found
    for way in document.get("security") or ():
        yield from (("securitySchemes", name) for name in way)

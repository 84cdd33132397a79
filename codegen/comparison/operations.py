"""Compares two operations by what is sent and what is received, webhooks and callbacks the other way round."""

import re
from collections.abc import Iterator, Mapping

import attrs

from codegen.comparison.changes import Findings, pairs
from codegen.comparison.rules import Direction
from codegen.comparison.schemas import SchemaComparison
from codegen.comparison.servers import Requirement, covers, said, security_of, servers_of
from codegen.description.naming import pascal_case
from codegen.documents import METHODS, Json, Object, resolve

STYLES = {"query": "form", "cookie": "form", "path": "simple", "header": "simple"}
"""How a parameter is written where its `style` does not say."""

IGNORED_HEADERS = frozenset({"accept", "content-type", "authorization"})
"""OpenAPI gives no meaning to header parameters of these names."""


@attrs.frozen(kw_only=True)
class Operation:
    """An operation, a webhook or a callback, with what its path item and the document say for it."""

    name: str
    has_name: bool
    section: str
    place: str
    template: str
    """Method and path, whatever the parameters in it are called."""
    parts: Object = attrs.field(eq=False)
    item: Object = attrs.field(eq=False)
    """The rest of its path item."""
    parameters: Mapping[str, Object] = attrs.field(eq=False)
    servers: frozenset[str]
    security: frozenset[Requirement]


def operations_of(document: Object) -> list[Operation]:
    """Return the operations of a description, the callbacks behind the operation that they belong to."""
    return [
        operation
        for section in ("paths", "webhooks")
        for path, item in document.get(section, {}).items()
        if not path.startswith("x-")
        for operation in _in_item(document, section, path, item)
    ]


def _in_item(document: Object, section: str, path: str, item: Object, prefix: str = "") -> Iterator[Operation]:
    item = _whole_item(document, item)
    rest = {key: value for key, value in item.items() if key not in (*METHODS, "servers", "parameters")}
    for method in METHODS:
        if method not in item:
            continue
        parts = item[method]
        default = f"{method} {path}" if section == "paths" else f"{prefix}{path}"
        name = parts.get("operationId", default)
        shared = {_key(path, one): one for one in _resolved_all(document, item.get("parameters", []))}
        own = {_key(path, one): one for one in _resolved_all(document, parts.get("parameters", []))}
        # Requests that we receive are authenticated by what they say themselves, not as those that we send.
        inherited = document.get("security") if section == "paths" else None
        yield Operation(
            name=name,
            has_name="operationId" in parts or section != "paths",
            section=section,
            place=f"{method.upper()} {prefix}{path}",
            template=f"{method} {prefix}{re.sub(r'{[^}]*}', '{}', path)}",
            parts=parts,
            item=rest,
            parameters=shared | own,
            servers=servers_of(parts, item, document),
            security=security_of(document, parts.get("security", inherited)),
        )
        for called, callback in parts.get("callbacks", {}).items():
            for expression, inner in _resolved(document, callback).items():
                if not expression.startswith("x-"):
                    yield from _in_item(document, "callbacks", expression, inner, f"{name} {called} ")


def _whole_item(document: Object, item: Object) -> Object:
    """Return a path item with what it refers to."""
    if "$ref" not in item:
        return item
    rest = {key: value for key, value in item.items() if key != "$ref"}
    return {**_whole_item(document, resolve(document, item["$ref"])), **rest}


def _resolved(document: Object, part: Json) -> Json:
    """Return what a reference leads to, or the part itself; texts beside the reference win."""
    if "$ref" not in part:
        return part
    own = {key: value for key, value in part.items() if key in ("summary", "description")}
    return {**_resolved(document, resolve(document, part["$ref"])), **own}


def _resolved_all(document: Object, parts: list[Object]) -> list[Object]:
    return [_resolved(document, part) for part in parts]


def _key(path: str, parameter: Object) -> str:
    """Return what a parameter is found by: its place in the path, or its name."""
    name, place = parameter.get("name"), parameter.get("in")
    if place == "path":
        names = re.findall(r"{([^}]*)}", path)
        return f"path {names.index(name)}" if name in names else f"path {name}"
    return f"{place} {str(name).lower() if place == 'header' else name}"


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
            if old.name != new.name:
                findings.add("operation-renamed", name, f"now {new.name}")
            if old.template != new.template:
                findings.add("operation-moved", name, f"{old.place} is now {new.place}")
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

    def _compare_security(self, name: str, old: Operation, new: Operation) -> None:
        lost = [way for way in old.security if not any(covers(way, other) for other in new.security)]
        gained = [way for way in new.security if not any(covers(other, way) for other in old.security)]
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
                self.findings.add("parameter-encoded", place, f"{key} {one} is now {other}")
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
        before, after = (_resolved(*side) for side in self._sides(old, new, "requestBody"))
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
        self._compare_content(name, before.get("content", {}), after.get("content", {}), pascal_case(name) + suffix)

    def _sides(self, old: Operation, new: Operation, key: str) -> tuple[tuple[Object, Json], tuple[Object, Json]]:
        return (self.old, old.parts.get(key, {})), (self.new, new.parts.get(key, {}))

    def _compare_content(self, place: str, old: Object, new: Object, called: str) -> None:
        """Compare bodies by their media types; `called` is what a schema without a name is called."""
        before, after = ({_media_type(kind): media for kind, media in content.items()} for content in (old, new))
        for kind, one, other in pairs(before, after):
            if one is None or other is None:
                self.findings.add("media-type-removed" if other is None else "media-type-added", place, kind)
                continue
            self.findings.rest(place, one, other, known={"schema", "encoding"})
            for part, ours, theirs in pairs(one.get("encoding", {}), other.get("encoding", {})):
                if ours != theirs:
                    self.findings.add("encoding-changed", f"{place}, {part}")
            self.schemas.compare(called, one.get("schema", True), other.get("schema", True))

    def _compare_responses(self, old: Operation, new: Operation) -> None:
        before, after = old.parts.get("responses", {}), new.parts.get("responses", {})
        good = [status for status in before if status.startswith("2")]
        for key, one, other in pairs(before, after):
            status = key.upper()
            place = f"{old.name}, {status}"
            if key.startswith("x-"):
                self.findings.text(place, one, other)
            elif one is None or other is None:
                if status.startswith("2"):
                    self.findings.add("success-removed" if other is None else "success-added", place)
                else:
                    self.findings.add("error-removed" if other is None else "error-added", place)
            else:
                suffix = "Response" if [key] == good else f"Response{status}"
                called = pascal_case(old.name) + suffix
                self._compare_response(place, _resolved(self.old, one), _resolved(self.new, other), called)

    def _compare_response(self, place: str, old: Object, new: Object, called: str) -> None:
        if bool(old.get("content")) != bool(new.get("content")):
            self.findings.add("body-added" if new.get("content") else "body-removed", place)
        else:
            self._compare_content(place, old.get("content", {}), new.get("content", {}), called)
        self.findings.rest(place, old, new, known={"content", "headers", "links"})
        self.findings.text(place, old.get("links", {}), new.get("links", {}))
        before, after = (
            {name.lower(): (name, _resolved(document, header)) for name, header in part.get("headers", {}).items()}
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

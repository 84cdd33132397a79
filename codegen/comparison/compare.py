"""Compares two descriptions: what each operation sends and receives, then whatever else they hold."""

from codegen.comparison.changes import Change, Findings, pairs
from codegen.comparison.listing import Operation, operations_of
from codegen.comparison.operations import OperationComparison
from codegen.comparison.rules import Direction
from codegen.comparison.schemas import SchemaComparison
from codegen.comparison.servers import servers_of
from codegen.description.shapes import canonical
from codegen.documents import SCHEMAS, Json, Object

OWN_DIALECT = "https://spec.openapis.org/oas/3.1/dialect/base"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
"""What OpenAPI 3.1 takes schemas for is close enough to it: its own dialect only adds annotations."""

Couple = tuple[Operation, Operation]


SCHEME = {"$ref", "type", "description", "name", "in", "scheme", "bearerFormat", "flows", "openIdConnectUrl"}
"""The fields of a security scheme."""


def compare(old: Object, new: Object) -> tuple[Change, ...]:
    """Return every change from the old description to the new one, in the order of the description."""
    findings = Findings()
    schemas = SchemaComparison(old, new, findings)
    before, after = operations_of(old), operations_of(new)
    couples = _couples(old, new, before, after)
    _compare_servers(findings, old, new, couples)
    for operation in before:
        if operation not in [one for one, _ in couples]:
            findings.add("operation-removed", operation.name, operation.place)
    comparison = OperationComparison(old, new, schemas)
    for couple in couples:
        comparison.compare(*couple)
    for operation in after:
        if operation not in [one for _, one in couples]:
            findings.add("operation-added", operation.name, operation.place)
    _compare_rest(findings, old, new)
    _compare_unused(findings, schemas, old, new, comparison.used)
    return findings.changes()


def _couples(old: Object, new: Object, before: list[Operation], after: list[Operation]) -> list[Couple]:
    """Pair the operations at the same method and path, then those of the same name, then events of the same form."""
    couples: list[Couple] = []
    left, right = list(before), list(after)
    meanings = {id(one): _meaning(document, one) for document, side in ((old, before), (new, after)) for one in side}

    def same_event(one: Operation, other: Operation) -> bool:
        return one.section == other.section == "webhooks" and meanings[id(one)] == meanings[id(other)]

    for belong in (_same_place, _same_template, _same_name, same_event):
        for one in list(left):
            candidates = [other for other in right if belong(one, other)]
            if candidates:
                couples.append((one, candidates[0]))
                left.remove(one)
                right.remove(candidates[0])
    return sorted(couples, key=lambda couple: before.index(couple[0]))


def _meaning(document: Object, operation: Operation) -> str:
    """Return what an operation is, its names aside."""
    parts = {key: part for key, part in operation.parts.items() if key != "operationId"}
    return canonical(document, {**parts, "parameters": [*operation.parameters.values()]})


def _same_place(one: Operation, other: Operation) -> bool:
    return one.place == other.place


def _same_template(one: Operation, other: Operation) -> bool:
    return one.template == other.template


def _same_name(one: Operation, other: Operation) -> bool:
    return one.has_name and one.name == other.name and one.section == other.section


def _compare_servers(findings: Findings, old: Object, new: Object, couples: list[Couple]) -> None:
    """Note the servers that operations have lost or gained; by operation, unless it is the same for all."""
    moves = [
        (one.name, one.servers - other.servers, other.servers - one.servers)
        for one, other in couples
        if one.section == "paths"
    ]
    if not moves:
        before, after = servers_of(old), servers_of(new)
        moves = [("", before - after, after - before)]
    shared = len({(lost, gained) for _, lost, gained in moves}) == 1
    for name, lost, gained in moves[:1] if shared else moves:
        for rule, urls in (("server-removed", lost), ("server-added", gained)):
            for url in sorted(urls):
                findings.add(rule, url if shared else f"{name}, {url}")
    findings.text("servers", old.get("servers"), new.get("servers"))


def _compare_rest(findings: Findings, old: Object, new: Object) -> None:
    """Note what differs outside of the operations."""
    for key in ("tags", "externalDocs"):
        findings.text(key, old.get(key), new.get(key))
    # Its title is a name of the description, not a text of the API.
    findings.text("info", *({**one.get("info", {}), "title": ""} for one in (old, new)))
    findings.text("openapi", old.get("openapi"), new.get("openapi"))
    # What it asks for has been compared, operation by operation.
    findings.text("security", old.get("security"), new.get("security"))
    dialects = (str(one.get("jsonSchemaDialect", DIALECT)).replace(OWN_DIALECT, DIALECT) for one in (old, new))
    if len(set(dialects)) > 1:
        findings.add("unclassified", "description", "`jsonSchemaDialect`")
    known = {
        "jsonSchemaDialect",
        "openapi",
        "info",
        "tags",
        "externalDocs",
        "paths",
        "webhooks",
        "components",
        "servers",
        "security",
    }
    findings.rest("description", old, new, known=known)


def _compare_unused(
    findings: Findings, schemas: SchemaComparison, old: Object, new: Object, used: set[tuple[str, str]]
) -> None:
    """Note what differs among the components that no operation led to."""
    before, after = old.get("components", {}), new.get("components", {})
    for kind, ours, theirs in pairs(before, after):
        if kind.startswith("x-"):
            findings.text(f"components {kind}", ours, theirs)
        elif kind != "schemas":
            for name, one, other in pairs(ours or {}, theirs or {}):
                if (kind, name) in used:
                    _compare_texts(findings, f"{kind} {name}", kind, one, other)
                elif not _mean_the_same(old, one, new, other):
                    findings.add("unused-changed", f"{kind} {name}")
    _compare_unused_schemas(findings, schemas, before.get("schemas", {}), after.get("schemas", {}))


def _compare_unused_schemas(findings: Findings, schemas: SchemaComparison, old: Object, new: Object) -> None:
    paired_before, paired_after = schemas.paired
    with findings.going(Direction.RECEIVED):
        # A schema that no operation uses is still a class that callers may use.
        for name, one, other in pairs(old, new):
            if one is not None and other is not None:
                if name not in paired_before and name not in paired_after:
                    reference = {"$ref": f"{SCHEMAS}{name}"}
                    schemas.compare(name, reference, reference)
            elif other is None and name not in paired_before:
                findings.add("schema-removed", name)
            elif one is None and name not in paired_after:
                findings.add("schema-added", name)


def _compare_texts(findings: Findings, place: str, kind: str, one: Json, other: Json) -> None:
    """Note what the comparison of operations does not look at in a component that they use."""
    if kind == "securitySchemes" and one is not None and other is not None:
        findings.rest(place, one, other, known=SCHEME)
        findings.text(place, one, other)
    elif kind in ("examples", "links"):
        findings.text(place, one, other)


def _mean_the_same(old: Object, one: Json, new: Object, other: Json) -> bool:
    return one is not None and other is not None and canonical(old, one) == canonical(new, other)

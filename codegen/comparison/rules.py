"""The rules by which a change of the description is judged, as a table.

Sent data may only widen and received data may only narrow: then every released version of the package still works.
Names inside the description have no meaning, and two ways to say the same thing are no change.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum

import attrs


class Impact(StrEnum):
    """Whom a change affects, worst first."""

    CALLERS = "breaking for callers"
    """Code that uses the package no longer works, or no longer type-checks, once the models are regenerated."""
    WIRE = "breaking for wire"
    """Released versions of this package no longer work with the API."""
    ADDITIVE = "additive"
    COSMETIC = "cosmetic"


class Direction(StrEnum):
    """Which way data goes, as this package sees it."""

    SENT = "sent"
    RECEIVED = "received"


BREAKING = frozenset({Impact.CALLERS, Impact.WIRE})
NEW = frozenset({Impact.ADDITIVE})
TEXT = frozenset({Impact.COSMETIC})
CALLERS = frozenset({Impact.CALLERS})
WIRE = frozenset({Impact.WIRE})


@attrs.frozen
class Rule:
    """What a kind of change means where data is sent to the API, and where it is received from it."""

    meaning: str
    sent: frozenset[Impact]
    received: frozenset[Impact]

    def impacts(self, direction: Direction) -> frozenset[Impact]:
        """Return whom the change affects in data that goes this way."""
        return self.sent if direction is Direction.SENT else self.received


def _both(meaning: str, impacts: frozenset[Impact]) -> Rule:
    return Rule(meaning, impacts, impacts)


TABLE: Mapping[str, Mapping[str, Rule]] = {
    "Operations, webhooks and callbacks": {
        "operation-added": _both("there is a new operation or webhook", NEW),
        "operation-removed": _both("an operation or webhook is gone", BREAKING),
        "operation-renamed": _both("the operation at the same method and path has another operationId", CALLERS),
        "operation-moved": _both("the operation has another method or path", WIRE),
        "webhook-renamed": _both("a webhook has another name in the description", TEXT),
        "path-parameter-renamed": _both("a path parameter has another name at the same place of the path", TEXT),
    },
    "Servers and security": {
        "server-added": _both("there is a new server", NEW),
        "server-removed": _both("a server is gone", WIRE),
        "security-added": _both("requests may be authenticated in one more way", NEW),
        "security-changed": _both("requests are authenticated in another way", WIRE),
    },
    "Parameters and headers": {
        "parameter-added": _both("there is a new optional parameter", NEW),
        "required-parameter-added": Rule("there is a new required parameter", BREAKING, NEW),
        "parameter-removed": _both("a parameter is gone", BREAKING),
        "parameter-changed": _both("a parameter has another type", BREAKING),
        "parameter-required": Rule("an optional parameter is now required", BREAKING, NEW),
        "parameter-optional": Rule("a required parameter is now optional", NEW, BREAKING),
        "parameter-encoded": _both("a parameter is written in another way", WIRE),
        "parameter-relaxed": _both("a parameter may be written in one more way", NEW),
        "header-added": _both("a response has a new header", NEW),
        "header-removed": _both("a header of a response is gone", WIRE),
        "header-required": Rule("an optional header of a response is now required", WIRE, NEW),
        "header-optional": Rule("a required header of a response is now optional", NEW, WIRE),
    },
    "Bodies and responses": {
        "body-added": _both("there is a new optional body", NEW),
        "required-body-added": Rule("there is a new required body", BREAKING, NEW),
        "body-removed": _both("the body is gone", BREAKING),
        "body-required": Rule("the request body is now required", BREAKING, NEW),
        "body-optional": Rule("the request body is now optional", NEW, BREAKING),
        "media-type-added": _both("a body may be of one more media type", NEW),
        "media-type-removed": _both("a body can no longer be of a media type", BREAKING),
        "unasked-media-type-added": _both("an event may come as one more media type", BREAKING),
        "unasked-media-type-removed": _both("an event no longer comes as a media type", NEW),
        "success-added": Rule("there is a new 2xx response", NEW, BREAKING),
        "success-removed": _both("a 2xx response is gone", BREAKING),
        "success-range": Rule("a success may have any status of a range, not one alone", NEW, BREAKING),
        "success-single": Rule("a success has one status of a range alone", BREAKING, NEW),
        "error-range": _both("an error response is described for a range of statuses, or for one of them", NEW),
        "error-added": _both("there is a new error response", NEW),
        "error-removed": _both("an error response is gone", NEW),
    },
    "Schemas": {
        "schema-added": _both("there is a new schema", NEW),
        "schema-removed": _both("a schema is gone", CALLERS),
        "schema-renamed": _both("a schema has another name; a `title` in the overlay keeps the class's name", TEXT),
        "schema-changed": _both("a schema is of another kind", BREAKING),
        "type-widened": Rule("values of more types are allowed", NEW, BREAKING),
        "type-narrowed": Rule("values of fewer types are allowed", BREAKING, NEW),
        "choice-added": Rule("there is one more choice of a union", NEW, BREAKING),
        "choice-removed": Rule("a choice of a union is gone", BREAKING, NEW),
        "choices-exclusive": Rule("a value that fits several choices of a union is no longer allowed", WIRE, TEXT),
        "choices-inclusive": Rule("a value may fit several choices of a union", NEW, WIRE),
        "choices-renotated": _both(
            "`anyOf` and `oneOf` took each other's place, over choices that never overlap", TEXT
        ),
        "discriminator-added": _both("the choices of a union are now identified by a field", NEW),
        "discriminator-removed": Rule("no field identifies the choices of a union any more", NEW, BREAKING),
        "discriminator-changed": _both("the choices of a union are identified by another field", BREAKING),
        "discriminator-value-added": Rule("there is one more value that names a choice of a union", NEW, BREAKING),
        "discriminator-value-removed": Rule("a value no longer names a choice of a union", BREAKING, NEW),
        "discriminator-value-changed": _both("a value names another choice of a union", BREAKING),
    },
    "Fields": {
        "field-added": _both("there is a new optional field", NEW),
        "required-field-added": Rule("there is a new required field", BREAKING, NEW),
        "field-removed": Rule("an optional field is gone", BREAKING, CALLERS),
        "required-field-removed": _both("a required field is gone", BREAKING),
        "field-renamed": _both("a field has another name", BREAKING),
        "field-changed": _both("a field has another type", BREAKING),
        "field-required": Rule("an optional field is now required", BREAKING, NEW),
        "field-optional": Rule("a required field is now optional", NEW, BREAKING),
        "field-nullable": Rule("a field may now be null", NEW, BREAKING),
        "field-not-nullable": Rule("a field may no longer be null", BREAKING, NEW),
        "field-read-only": Rule("a field is now read-only: what is sent in it is ignored", BREAKING, TEXT),
        "field-write-only": Rule("a field is now write-only: it is no longer received", TEXT, BREAKING),
        "field-writable": Rule("a read-only field may now be sent", NEW, TEXT),
        "required-field-writable": Rule("a read-only field now has to be sent", BREAKING, TEXT),
        "field-readable": Rule("a write-only field is now received", TEXT, NEW),
        "default-added": Rule("there is a default for a value that is not sent", NEW, TEXT),
        "default-changed": Rule("a value that is not sent means something else", WIRE, TEXT),
        "default-removed": Rule("it is no longer stated what a value that is not sent means", WIRE, TEXT),
        "personal-marked": _both("a field is now kept out of every repr", NEW),
        "personal-unmarked": _both("a field that was kept out of every repr is now shown", CALLERS),
    },
    "Values": {
        "bounds-tightened": Rule("values that were allowed no longer are", WIRE, TEXT),
        "bounds-loosened": Rule("values are allowed that were not", NEW, TEXT),
        "format-added": Rule("a text now has a format that has a type of its own", BREAKING, CALLERS),
        "format-removed": Rule("a text no longer has a format that has a type of its own", CALLERS, BREAKING),
        "encoding-changed": _both("a text is encoded in another way", WIRE),
        "additional-refused": Rule("fields that are not described are no longer allowed", WIRE, TEXT),
        "additional-allowed": Rule("fields that are not described are allowed", NEW, TEXT),
        "condition-added": Rule("there is a new condition on values", WIRE, TEXT),
        "condition-changed": Rule("a condition on values has changed", WIRE, TEXT),
        "condition-removed": Rule("a condition on values is gone", NEW, TEXT),
        "value-added": _both("an open enumeration has a new value", NEW),
        "closed-value-added": Rule("a closed enumeration has a new value", NEW, BREAKING),
        "value-removed": Rule("an enumeration has lost a value", BREAKING, CALLERS),
        "values-listed": _both("known values are now listed; others are still allowed", NEW),
        "values-unlisted": _both("known values are no longer listed", CALLERS),
        "values-restricted": Rule("only listed values are allowed now", BREAKING, NEW),
        "values-unrestricted": Rule("any value is allowed, not only listed ones", NEW, BREAKING),
        "enum-opened": _both("an enumeration now keeps unknown values", NEW),
        "enum-closed": _both("an enumeration no longer keeps unknown values", CALLERS),
    },
    "Anything else": {
        "text-changed": _both("a description, an example or the like has changed", TEXT),
        "unused-changed": _both("a component that nothing uses has changed", TEXT),
        "unclassified": _both("something has changed that no rule knows; look at it", BREAKING),
    },
}

RULES: Mapping[str, Rule] = {name: rule for group in TABLE.values() for name, rule in group.items()}


def table() -> Iterator[str]:
    """Yield the lines of the rules as a Markdown table, as codegen/README.md shows it."""
    yield "| rule | what has changed | in what is sent | in what is received |"
    yield "| --- | --- | --- | --- |"
    for group, rules in TABLE.items():
        yield f"| **{group}** | | | |"
        for name, rule in rules.items():
            sent, received = (", ".join(one for one in Impact if one in part) for part in (rule.sent, rule.received))
            yield f"| `{name}` | {rule.meaning} | {sent} | {received} |"

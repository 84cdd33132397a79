"""The rules by which a change of the description is judged, as a table."""

from enum import StrEnum

import attrs


class Impact(StrEnum):
    """Whom a change touches, worst first."""

    CALLERS = "breaking for callers"
    """Code that uses the package no longer works, or no longer type-checks, once the models are made anew."""
    WIRE = "breaking for wire"
    """Versions of the package that are out already no longer work against the API."""
    ADDITIVE = "additive"
    COSMETIC = "cosmetic"


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


def _both(meaning: str, impact: frozenset[Impact]) -> Rule:
    return Rule(meaning, impact, impact)


RULES = {
    "operation-added": _both("there is a new operation or webhook", NEW),
    "operation-removed": _both("an operation or webhook is gone", BREAKING),
    "operation-renamed": _both("the operation at the same method and path has another operationId", CALLERS),
    "operation-moved": _both("the operation has another method or path", WIRE),
    "server-added": _both("there is a new server", NEW),
    "server-removed": _both("a server is gone", WIRE),
    "security-changed": _both("requests are authenticated in another way", WIRE),
    "parameter-added": _both("there is a new optional parameter", NEW),
    "required-parameter-added": _both("there is a new required parameter", BREAKING),
    "parameter-removed": _both("a parameter is gone", BREAKING),
    "parameter-changed": _both("a parameter has another type", BREAKING),
    "parameter-required": _both("an optional parameter is now required", BREAKING),
    "parameter-optional": _both("a required parameter is now optional", NEW),
    "body-changed": _both("the request body is of another kind, new or gone", BREAKING),
    "body-required": _both("the request body is now required", BREAKING),
    "body-optional": _both("the request body is now optional", NEW),
    "success-changed": _both("a 2xx answer has another status, is new or gone", BREAKING),
    "error-added": _both("there is a new error answer", NEW),
    "error-removed": _both("an error answer is gone", NEW),
    "answer-changed": _both("the body of an answer is of another kind", BREAKING),
    "header-added": _both("an answer has a new header", NEW),
    "header-removed": _both("a header of an answer is gone", WIRE),
    "schema-added": _both("there is a new schema", NEW),
    "schema-removed": _both("a schema is gone", CALLERS),
    "schema-changed": _both("a schema is of another kind", BREAKING),
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
    "bounds-tightened": Rule("values that were allowed no longer are", WIRE, TEXT),
    "bounds-loosened": Rule("values are allowed that were not", NEW, TEXT),
    "personal-marked": _both("a field is now kept out of every repr", NEW),
    "personal-unmarked": _both("a field that was kept out of every repr is now shown", CALLERS),
    "value-added": _both("an open enumeration has a new value", NEW),
    "closed-value-added": Rule("a closed enumeration has a new value", NEW, BREAKING),
    "value-removed": Rule("an enumeration has lost a value", BREAKING, CALLERS),
    "enum-opened": _both("an enumeration now keeps unknown values", NEW),
    "enum-closed": _both("an enumeration no longer keeps unknown values", CALLERS),
    "text-changed": _both("a description, an example or the like has changed", TEXT),
}

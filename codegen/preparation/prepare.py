"""Makes of each schema a class, an enumeration or an alias that datamodel-code-generator cannot get wrong.

What it is given has no `allOf`, no unions of fields, no names that fall together and no formats without a type: classes
of fields, each with its annotation in `x-hint`, its name in JSON in `x-wire`, and enumerations with named members.
"""

import copy
from collections.abc import Mapping
from typing import Any

import attrs

from codegen.description.flatten import flatten
from codegen.description.naming import pascal_case
from codegen.description.shapes import Shape, reference_name
from codegen.description.validate import keyword_problems
from codegen.documents import SCHEMAS, CodegenError, Json, Object, Way, pointer, references, refuse
from codegen.preparation.choices import REFERENCE, TooManyChoicesError, choices
from codegen.preparation.enumerations import enumeration
from codegen.preparation.expressions import (
    ANYTHING,
    NULL,
    Expression,
    constant,
    either,
    list_of,
    map_of,
    model,
    scalar,
    tuples_of,
)
from codegen.preparation.keywords import (
    SHAPING,
    described,
    fields_of,
    is_class,
    is_constant,
    is_enumeration,
    meaning,
    tagged,
)
from codegen.preparation.names import attribute_name, class_name
from codegen.preparation.tags import kinds_of, tags_of

MOST_CLASSES = 2000
"""Classes of one module; a description that needs more would take minutes."""


def prepared(document: Mapping[str, Any]) -> Object:
    """Return the document with schemas of which faithful models can be made; the argument is not changed.

    Raises CodegenError with all the places of which none can be made.
    """
    preparation = Preparation(document)
    schemas = preparation.schemas()
    if len(schemas) > MOST_CLASSES:
        raise CodegenError(
            f"The schemas at {pointer(('components', 'schemas'))} make {len(schemas)} classes; at most {MOST_CLASSES} "
            "are generated. Leave out through the overlay what is not used."
        )
    refuse([*keyword_problems(document), *preparation.problems])
    ready = copy.deepcopy({key: value for key, value in document.items() if key != "components"})
    ready["components"] = {**copy.deepcopy(document["components"]), "schemas": {}}
    for _, holder in references(ready):
        name = holder["$ref"].removeprefix(SCHEMAS)
        if name in preparation.names:
            holder["$ref"] = f"{SCHEMAS}{preparation.names[name]}"
    ready["components"]["schemas"] = schemas
    return ready


class Preparation:
    """Turns schemas into types, and collects the classes and the refusals on the way."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.problems: list[str] = []
        self.names: dict[str, str] = {}
        """The Python names of the named schemas."""
        for name in document["components"]["schemas"]:
            self.names[name] = class_name(name, self.names.values())
        self._classes: dict[str, Object] = {}
        self._meanings: dict[str, Json] = {}
        self._waiting: list[tuple[str, Shape, Way]] = []
        """The classes whose fields are still to be looked at."""
        self._references: dict[str, Expression] = {}
        self._in_progress: list[str] = []
        self._tags = tags_of(document)

    def schemas(self) -> dict[str, Object]:
        """Return the classes, enumerations and aliases, those of the named schemas first."""
        self._classes = {name: {} for name in self.names.values()}
        for name, python_name in self.names.items():
            expression = self._reference(name)
            if python_name not in self._meanings:
                about = described(flatten(self.document, {"$ref": f"{SCHEMAS}{name}"}))
                self._classes[python_name] = {**expression.schema, **about, "x-hint": expression.hint}
        while self._waiting:
            name, shape, way = self._waiting.pop(0)
            self._classes[name] = self._fields_of(name, shape.keywords, way)
        return self._classes

    def _reference(self, name: str) -> Expression:
        """Return the type of a named schema's values."""
        if name in self._references:
            return self._references[name]
        way: Way = ("components", "schemas", name)
        if name in self._in_progress:
            self._refuse(way, "it is made of nothing but itself", "Give it a property that holds the next one")
            return ANYTHING
        self._in_progress.append(name)
        schema = self.document["components"]["schemas"][name]
        target = reference_name(schema)
        if target is not None and not schema.keys() & SHAPING - {"allOf"}:
            expression = self._reference(target)
        else:
            expression = self._named(name, way)
        self._in_progress.pop()
        self._references[name] = expression
        return expression

    def _named(self, name: str, way: Way) -> Expression:
        """Return the type of a named schema, which is its own class if its values are all of one."""
        found = self._choices({"$ref": f"{SCHEMAS}{name}"}, way, frozenset({name}))
        values = [shape for shape in found if shape.kind != "null"]
        if len(values) > 1 or not values or not (is_class(values[0]) or is_enumeration(values[0])):
            return self._either(found, self.names[name], way)
        if is_class(values[0]):
            keywords = tagged(values[0].keywords, self._tags.get(name, {}))
            self._class(attrs.evolve(values[0], keywords=keywords), self.names[name], way, own=True)
            own = model(self.names[name])
        else:
            own = self._enumeration(values[0], self.names[name], way, own=True)
        kinds = [model(self.names[kind]) for kind in kinds_of(self.document, name)]
        return either([*kinds, own, *([NULL] if len(values) < len(found) else [])])

    def _refuse(self, way: Way, what: str, remedy: str) -> None:
        self.problems.append(
            f"No model can be made of the schema at {pointer(way)}: {what}. {remedy}, or leave it out through the "
            "overlay."
        )

    def _expression(self, schema: Json, way: Way, hint: str) -> Expression | None:
        """Return the type of an inline schema or a reference; None if there can be no value."""
        name = reference_name(schema)
        if name is not None and not schema.keys() & SHAPING:
            return self._reference(name)
        found = self._choices(schema, way)
        return self._either(found, hint, way) if found else None

    def _choices(self, schema: Json, way: Way, within: frozenset[str] = frozenset()) -> list[Shape]:
        try:
            return choices(self.document, flatten(self.document, schema), within)
        except TooManyChoicesError:
            self._refuse(way, "it leaves too many choices", "Say it with fewer unions within each other")
            return [Shape(kind="anything", keywords={})]

    def _either(self, found: list[Shape], hint: str, way: Way) -> Expression:
        many = len([shape for shape in found if shape.kind not in ("null", REFERENCE)]) > 1
        parts = [
            self._choice(shape, f"{hint}Option{number}" if many else hint, way, alone=len(found) == 1)
            for number, shape in enumerate(found, 1)
        ]
        if not parts:
            self._refuse(way, "there is no value that it allows", "Correct its types and values")
            return ANYTHING
        return either(parts)

    def _choice(self, shape: Shape, hint: str, way: Way, *, alone: bool) -> Expression:
        """Return the type of one choice; `hint` is what a class made of it is called where it has no title."""
        if shape.kind == REFERENCE:
            return self._reference(str(shape.name))
        if shape.kind in ("null", "anything"):
            return NULL if shape.kind == "null" else ANYTHING
        if shape.values is not None:
            if shape.kind == "boolean" or (alone and is_constant(shape)):
                return constant(shape.values[0])
            return self._enumeration(shape, self._title(shape, hint), way)
        if shape.kind == "array":
            return self._list(shape.keywords, way, hint)
        if shape.kind != "object":
            return scalar(shape.kind, shape.keywords.get("format"))
        if is_class(shape):
            return model(self._class(shape, self._title(shape, hint), way))
        return map_of(self._additional(shape.keywords, way, hint) or ANYTHING)

    def _title(self, shape: Shape, hint: str) -> str:
        title = shape.keywords.get("title")
        return class_name(title) if isinstance(title, str) and pascal_case(title) else hint

    def _list(self, keywords: Object, way: Way, hint: str) -> Expression:
        first: list[Json] = keywords.get("prefixItems", [])
        items = self._expression(keywords.get("items", True), (*way, "items"), f"{hint}Item")
        if not first and items is not None:
            return list_of(items)
        most = keywords.get("maxItems")
        parts = [
            self._expression(part, (*way, "prefixItems", number), f"{hint}Item{number + 1}") or ANYTHING
            for number, part in enumerate(first)
        ][:most]
        closed = items is None or (most is not None and most <= len(first)) or keywords.get("unevaluatedItems") is False
        shortest = min(keywords.get("minItems", 0), len(parts))
        return tuples_of(parts, None if closed else items, shortest=shortest)

    def _additional(self, keywords: Object, way: Way, hint: str) -> Expression | None:
        """Return the type of the values under names that are not described, None if there are none."""
        patterns: Object = keywords.get("patternProperties", {})
        parts = [
            self._expression(part, (*way, "patternProperties", pattern), f"{hint}Item")
            for pattern, part in patterns.items()
        ]
        if "additionalProperties" in keywords or not patterns:
            schema = keywords.get("additionalProperties", True)
            parts.append(self._expression(schema, (*way, "additionalProperties"), f"{hint}Item"))
        given = [part for part in parts if part is not None]
        return either(given) if given else None

    def _class(self, shape: Shape, name: str, way: Way, *, own: bool = False) -> str:
        """Take note of a class and return its name; its fields may lead to the class itself, so they come later."""
        said = meaning({key: value for key, value in shape.keywords.items() if key != "title"})
        name, is_new = self._name(name, said, own=own)
        if is_new:
            self._waiting.append((name, shape, way))
        return name

    def _name(self, name: str, said: Json, *, own: bool) -> tuple[str, bool]:
        """Return the name of a class and whether there is none of it yet; a number distinguishes it from others."""
        free, number = name, 1
        while not own and free in self._classes and self._meanings.get(free) != said:
            number += 1
            free = f"{name}{number}"
        is_new = free not in self._meanings
        self._classes.setdefault(free, {})
        self._meanings[free] = said
        return free, is_new

    def _enumeration(self, shape: Shape, name: str, way: Way, *, own: bool = False) -> Expression:
        if shape.kind in ("array", "object"):
            self._refuse(way, "an enumeration holds objects or lists", "Leave its values out")
            return ANYTHING
        listed = enumeration(shape)
        name, _ = self._name(name, meaning(listed), own=own)
        self._classes[name] = self._classes[name] or listed
        return either([model(name), scalar(shape.kind, None)]) if shape.open and shape.kind != "string" else model(name)

    def _fields_of(self, name: str, keywords: Object, way: Way) -> Object:
        """Return a class with its fields."""
        required: list[str] = keywords.get("required", [])
        properties: Object = {}
        for wire, schema in fields_of(keywords).items():
            place = (*way, "properties", wire)
            kind = self._expression(schema, place, f"{name}{pascal_case(wire)}")
            if kind is None:
                if wire in required:
                    self._refuse(place, "there is no value that it allows", "Correct its types and values")
                continue
            attribute = attribute_name(wire, properties)
            attribute = f"{attribute}_" if attribute in self._classes else attribute
            about = self._about(schema)
            properties[attribute] = {**kind.schema, **about, "x-hint": kind.hint, "x-wire": wire}
        rest = None
        if keywords.get("x-rest") or keywords.get("additionalProperties") or "patternProperties" in keywords:
            rest = self._additional(keywords, way, name)
        given = [name for name, one in properties.items() if one["x-wire"] in required and not one.get("x-optional")]
        if rest is not None:
            held = map_of(rest)
            about = {"x-hint": held.hint, "x-additional": True}
            properties[attribute_name("additional", properties)] = {**held.schema, **about}
        return {"type": "object", "properties": properties, "required": given, **described(keywords)}

    def _about(self, schema: Json) -> Object:
        """Return what is said of a field beside its type."""
        flat = flatten(self.document, schema)
        about = described(schema if reference_name(schema) else flat)
        about |= {"x-personal": True} if flat.get("x-personal") else {}
        about |= {"x-read-only": True} if flat.get("readOnly") else {}
        # One class serves both ways: what goes one way only is missing in the other.
        return about | ({"x-optional": True} if flat.get("readOnly") or flat.get("writeOnly") else {})

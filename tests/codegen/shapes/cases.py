"""The small schemas of `shapes.yaml`, one by one and all in one description."""

from pathlib import Path
from typing import Any

import attrs

from codegen.description.naming import pascal_case
from codegen.description.yaml_core import load_yaml
from codegen.documents import SCHEMAS, references

HERE = Path(__file__).parent


@attrs.frozen(kw_only=True)
class Case:
    """A small description, and what is expected of the models that are made of it."""

    shape: str
    schemas: dict[str, Any]
    good: list[Any] = attrs.field(factory=list)
    becomes: list[list[Any]] = attrs.field(factory=list)
    bad: list[tuple[str, Any]] = attrs.field(factory=list)
    refused: dict[str, str] = attrs.field(factory=dict)
    keep: list[str] = attrs.field(factory=list)
    """Names that the values name."""

    @property
    def prefix(self) -> str:
        """What its schemas are called in the description of all."""
        return pascal_case(self.shape)


def document(schemas: dict[str, Any]) -> dict[str, Any]:
    """Return a description of some schemas."""
    info = {"title": "Shapes", "version": "1"}
    return {"openapi": "3.1.0", "info": info, "paths": {}, "components": {"schemas": schemas}}


def all_in_one(cases: list[Case]) -> dict[str, Any]:
    """Return one description of the schemas of all cases."""
    schemas: dict[str, Any] = {}
    for case in cases:
        names = {name: name if name in case.keep else case.prefix + name for name in case.schemas}
        for name, schema in load_yaml_copy(case.schemas).items():
            for _, holder in references(schema):
                target, *rest = holder["$ref"].removeprefix(SCHEMAS).split("/")
                holder["$ref"] = "/".join([SCHEMAS + names[target], *rest])
            _rename(schema, names)
            schemas[names[name]] = schema
    return document(schemas)


def load_yaml_copy(node: Any) -> Any:
    """Return a copy of plain data."""
    if isinstance(node, dict):
        return {key: load_yaml_copy(value) for key, value in node.items()}
    return [load_yaml_copy(value) for value in node] if isinstance(node, list) else node


def _rename(node: Any, names: dict[str, str]) -> None:
    if isinstance(node, dict):
        mapping = node.get("mapping")
        if isinstance(mapping, dict):
            for value, target in mapping.items():
                mapping[value] = SCHEMAS + names[target.removeprefix(SCHEMAS)]
        for value in node.values():
            _rename(value, names)
    elif isinstance(node, list):
        for value in node:
            _rename(value, names)


def _case(record: dict[str, Any]) -> Case:
    if "field" not in record:
        bad = list(record.get("bad", {}).items())
        return Case(**{**record, "bad": bad})
    field, required = record["field"], record.get("required", False)
    thing = {"type": "object", "properties": {"a": field}, **({"required": ["a"]} if required else {})}
    return Case(
        shape=record["shape"],
        schemas={"Thing": thing},
        good=[{"a": value} for value in record.get("good", [])],
        bad=[(record.get("path", "$.a"), {"a": value}) for value in record.get("bad", [])],
        refused=record.get("refused", {}),
    )


CASES = [_case(record) for record in load_yaml((HERE / "shapes.yaml").read_text(encoding="utf-8"))]

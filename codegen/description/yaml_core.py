"""YAML by the core schema of YAML 1.2, as OpenAPI asks: `no` and `on` are texts, `0o17` is a number, and so on.

Duplicate keys are refused, and so are aliases that would multiply a short text into millions of nodes.
"""

import re
from collections.abc import Hashable
from typing import Any

import yaml
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from codegen.documents import Json

MOST_NODES = 1_000_000
"""Nodes of a document with its aliases written out; a description of ten megabytes has fewer."""

MOST_LEVELS = 200
"""Levels of a document."""


class CoreLoader(yaml.SafeLoader):
    """Reads YAML 1.2 into plain JSON values."""


CoreLoader.yaml_implicit_resolvers = {}


def load_yaml(text: str) -> Json:
    """Return the document that a text holds; raise yaml.YAMLError for what is none, or explodes."""
    loader = CoreLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        _weigh(root, {}, 0)
        return loader.construct_document(root)
    finally:
        loader.dispose()


def _weigh(node: Node, weights: dict[int, int], level: int) -> int:
    """Return how many nodes a node is once its aliases are written out."""
    if level > MOST_LEVELS:
        raise ConstructorError(None, None, f"it is nested more than {MOST_LEVELS} levels deep", node.start_mark)
    known = weights.get(id(node))
    if known is not None:
        if known < 0:
            raise ConstructorError(None, None, "an alias refers to what contains it", node.start_mark)
        return known
    weights[id(node)] = -1
    parts: list[Node] = []
    if isinstance(node, MappingNode):
        parts = [part for pair in node.value for part in pair]
    elif isinstance(node, SequenceNode):
        parts = node.value
    weight = 1 + sum(_weigh(part, weights, level + 1) for part in parts)
    if weight > MOST_NODES:
        raise ConstructorError(None, None, f"its aliases stand for more than {MOST_NODES} nodes", node.start_mark)
    weights[id(node)] = weight
    return weight


def _mapping(loader: CoreLoader, node: MappingNode) -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable) or isinstance(key, tuple):
            raise ConstructorError(None, None, "a key is no text", key_node.start_mark)
        # JSON has no other keys: `200` and `null` are texts here, as they are written.
        name = key_node.value if isinstance(key_node, ScalarNode) else str(key)
        if name in pairs:
            raise ConstructorError(None, None, f"the key {name!r} is there twice", key_node.start_mark)
        pairs[name] = loader.construct_object(value_node, deep=True)
    return pairs


def _integer(_loader: CoreLoader, node: ScalarNode) -> int:
    return int(node.value, 0) if node.value[:2] in ("0o", "0x") else int(node.value)


def _number(_loader: CoreLoader, node: ScalarNode) -> float:
    if "inf" in node.value.lower() or "nan" in node.value.lower():
        raise ConstructorError(None, None, f"{node.value} is no number of JSON", node.start_mark)
    return float(node.value)


def _boolean(_loader: CoreLoader, node: ScalarNode) -> bool:
    return bool(node.value.lower() == "true")


_SCALARS = (
    ("null", r"|~|null|Null|NULL", "~nN"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
)
for _name, _pattern, _first in _SCALARS:
    _letters = [*_first, ""] if _name == "null" else list(_first)
    CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(f"^(?:{_pattern})$"), _letters)
CoreLoader.add_constructor("tag:yaml.org,2002:map", _mapping)
CoreLoader.add_constructor("tag:yaml.org,2002:int", _integer)
CoreLoader.add_constructor("tag:yaml.org,2002:float", _number)
CoreLoader.add_constructor("tag:yaml.org,2002:bool", _boolean)

"""Nothing of a description is ever code: a marked text at any place neither runs nor breaks the generated file."""

import ast
import builtins
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codegen.description.load import load
from codegen.documents import CodegenError
from codegen.rendering.models import render

MARK = "__import__('builtins').codegen_ran.append(1)"
TEXTS = [
    f'"""\n{MARK}\n"""',
    f'";{MARK};"',
    f"';{MARK};'",
    f'\\"""\n{MARK}\n#',
    f"\\'\n{MARK}\n#",
    f"\n{MARK}\n",
    f"\r{MARK}\r",
    f"\u2028{MARK}\u2028",
    f"{{{{ {MARK} }}}}",
    f"{{% set x = {MARK} %}}",
    f"}}; {MARK} #",
    "ends with a backslash \\",
    'ends with a quote"',
]
PLACES: dict[str, Callable[[dict[str, Any], str], None]] = {
    "x-source": lambda thing, text: thing.update({"x-source": text}),
    "description": lambda thing, text: thing.update(description=text),
    "title": lambda thing, text: thing.update(title=text),
    "description of a field": lambda thing, text: thing["properties"]["a"].update(description=text),
    "title of a field": lambda thing, text: thing["properties"]["a"].update(title=text),
    "default": lambda thing, text: thing["properties"]["a"].update(default=text),
    "pattern": lambda thing, text: thing["properties"]["a"].update(pattern=text),
    "format": lambda thing, text: thing["properties"]["a"].update(format=text),
    "example": lambda thing, text: thing["properties"]["a"].update(examples=[text]),
    "x-personal": lambda thing, text: thing["properties"]["a"].update({"x-personal": text}),
    "extension": lambda thing, text: thing["properties"]["a"].update({f"x-{text}": text}),
    "name of a field": lambda thing, text: thing["properties"].update({text: {"type": "string"}}),
    "required": lambda thing, text: thing.update(required=[text]),
    "value": lambda thing, text: thing["properties"].update(b={"type": "string", "enum": ["x", text]}),
    "const": lambda thing, text: thing["properties"].update(b={"const": text}),
    "x-open": lambda thing, text: thing["properties"].update(b={"type": "string", "enum": ["x"], "x-open": text}),
    "x-enum-descriptions": lambda thing, text: thing["properties"].update(
        b={"type": "string", "enum": ["x"], "x-enum-descriptions": [text]}
    ),
}


def checked(tmp_path: Path, place: str, texts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []
    monkeypatch.setattr(builtins, "codegen_ran", ran, raising=False)
    things: dict[str, Any] = {}
    for number, text in enumerate(texts):
        things[f"Thing{number}"] = {"type": "object", "properties": {"a": {"type": "string"}}}
        PLACES[place](things[f"Thing{number}"], text if place != "title" else f"{text} {number}")
    document = {
        "openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": {},
        "components": {"schemas": things},
    }  # fmt: skip
    path = tmp_path / "description.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    try:
        source = render(load(str(path)))
    except CodegenError:
        assert ran == []
        return
    assert ran == []
    calls = {ast.unparse(node.func) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)}
    assert calls <= {"attrs.field", "attrs.frozen"}
    exec(compile(source, "models", "exec"), {"__name__": "models"})  # noqa: S102 -- as importing it would
    assert ran == []


@pytest.mark.parametrize("place", PLACES)
def test_a_text_is_never_code(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checked(tmp_path, place, TEXTS, monkeypatch)


@pytest.mark.long
@given(st.sampled_from(sorted(PLACES)), st.text(st.sampled_from("\"'\\\n\r{}%#; ()ax\u2028\x0c"), max_size=12))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_mixture_of_marks_is_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, text: str) -> None:
    checked(tmp_path, place, [text], monkeypatch)

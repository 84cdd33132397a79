"""A description that cannot be used gives one clear error, which names the place, or works."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from codegen.description.load import load
from codegen.documents import CodegenError, references
from codegen.preparation import prepare
from codegen.rendering.models import render

STRING = {"type": "string"}

Write = Callable[[object], str]
Schemas = Callable[..., dict[str, Any]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a document to a file; gives its path."""

    def write(document: object) -> str:
        path = tmp_path / "description.yaml"
        path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
        return str(path)

    return write


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Serves the files of a folder over loopback; gives its URL."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("", "holds NoneType, not a mapping. Give an OpenAPI description."),
        ("- a list", "holds list, not a mapping"),
        ("{half", "is neither YAML nor JSON"),
        ("a: [1", "is neither YAML nor JSON"),
        ({"asyncapi": "2.6.0"}, "This is no OpenAPI description: it has no `openapi` at its root."),
        (
            {"swagger": "2.0"},
            r"is OpenAPI 2\.0; only 3\.1 is read\. Convert it first .* `components` for `definitions`",
        ),
        ({"openapi": "3.0.3"}, r"is OpenAPI 3\.0\.3; only 3\.1 is read\. Convert it first .* for `nullable`"),
        ({"openapi": "3.2.0"}, r"is OpenAPI 3\.2\.0; only 3\.1 is read"),
        (
            {"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": []},
            "not valid OpenAPI 3.1 at #/paths: ",
        ),
        ({"openapi": "3.1.0"}, "not valid OpenAPI 3.1 at #: "),
    ],
)
def test_what_is_no_openapi_3_1(document: object, message: str, write: Write) -> None:
    with pytest.raises(CodegenError, match=message):
        load(write(document))


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (
            {"$ref": "#/components/schemas/Gone"},
            "The $ref at #/components/schemas/Thing leads to #/components/schemas/Gone, where",
        ),
        (
            {"$ref": "https://example.test/x.yaml#/A"},
            "The $ref at #/components/schemas/Thing leads to another document, https://",
        ),
        ({"$ref": "other.yaml#/A"}, "The $ref at #/components/schemas/Thing leads to another document, file:///"),
        ({"type": "string", "enum": []}, "The enumeration at #/components/schemas/Thing/enum is empty."),
        (
            {"type": "string", "nullable": True},
            "`nullable` at #/components/schemas/Thing is OpenAPI 3.0 and means nothing",
        ),
        ({"items": {"nullable": True}}, "`nullable` at #/components/schemas/Thing/items is OpenAPI 3.0"),
        ({"anyOf": [STRING, {"nullable": True}]}, "`nullable` at #/components/schemas/Thing/anyOf/1 is OpenAPI 3.0"),
        (
            {"properties": {"a/b~c": {"nullable": True}}},
            "`nullable` at #/components/schemas/Thing/properties/a~1b~0c is",
        ),
        ({"$ref": "#/components/schemas/Thing"}, "at #/components/schemas/Thing: it is made of nothing but itself"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/Thing"}}, "it is made of nothing but itself"),
        ({"type": "wrong"}, "not valid OpenAPI 3.1 at #/components/schemas/Thing"),
    ],
)
def test_a_schema_without_a_faithful_model_is_named(
    schema: object, message: str, write: Write, schemas: Schemas
) -> None:
    with pytest.raises(CodegenError, match=re.escape(message)):
        load(write(schemas(Thing=schema)))


def test_all_places_are_named_at_once(write: Write, schemas: Schemas) -> None:
    bad = {name: {"type": "string", "enum": []} for name in ("One", "Two")}
    with pytest.raises(CodegenError, match=r"#/components/schemas/One/enum.*\n.*#/components/schemas/Two/enum"):
        load(write(schemas(**bad)))


def test_an_operation_that_forgets_its_path_parameter(write: Write, schemas: Schemas) -> None:
    paths = {"/things/{id}": {"get": {"responses": {"200": {"description": "OK"}}}}}
    with pytest.raises(CodegenError, match=r"not valid OpenAPI 3\.1 at .*'id'"):
        load(write({**schemas(Thing=STRING), "paths": paths}))


def test_a_long_message_of_the_validator_is_cut(write: Write, schemas: Schemas) -> None:
    with pytest.raises(CodegenError) as refused:
        load(write(schemas(Thing={"type": "x" * 10_000})))
    assert "…. Correct it there." in str(refused.value)
    assert len(str(refused.value)) < 500


def test_a_ref_into_the_middle_of_a_schema_is_followed(write: Write, schemas: Schemas) -> None:
    inner = {"type": "object", "properties": {"size": {"type": "integer"}}}
    again = {"$ref": "#/components/schemas/A/properties/inner"}
    source = render(load(write(schemas(A={"type": "object", "properties": {"inner": inner, "again": again}}))))
    assert "    inner: AInner | None = None\n" in source
    assert "    again: Inner | None = None\n" in source


def test_bodies_and_responses_without_a_schema_or_with_any_need_no_name(write: Write, schemas: Schemas) -> None:
    media: list[dict[str, Any]] = [{"text/plain": {}}, {"application/json": {"schema": True}}]
    responses = {str(200 + number): {"description": "OK", "content": content} for number, content in enumerate(media)}
    either = {"properties": {"parts": {"type": "array", "items": True}, "all": {"allOf": [True]}}}
    document = {**schemas(Thing=either), "paths": {"/things": {"get": {"responses": responses}}}}
    assert set(load(write(document))["components"]["schemas"]) == {"Thing"}


def test_inline_responses_are_named_by_their_status_where_there_are_several(write: Write, schemas: Schemas) -> None:
    content = {"application/json": {"schema": {"type": "object", "properties": {"a": STRING}}}}
    responses: dict[str, object] = {status: {"description": "x", "content": content} for status in ("200", "409")}
    responses["429"] = {"$ref": "#/components/responses/busy"}
    document = schemas() | {"paths": {"/things": {"get": {"responses": responses}}}}
    document["components"]["responses"] = {"busy": {"description": "x", "content": content}}
    names = load(write(document))["components"]["schemas"]
    assert set(names) == {"BusyResponse", "GetThingsResponse", "GetThingsResponse409"}


def test_a_property_may_have_the_name_of_a_keyword_for_data(write: Write, schemas: Schemas) -> None:
    with pytest.raises(CodegenError, match="#/components/schemas/Thing/properties/value leads to"):
        load(write(schemas(Thing={"properties": {"value": {"$ref": "#/components/schemas/Gone"}}})))


@pytest.mark.parametrize("source", ["/nowhere/description.yaml", "http://127.0.0.1:9/description.yaml", "http://[/x"])
def test_what_cannot_be_read(source: str) -> None:
    with pytest.raises(CodegenError, match=re.escape(f"{source} cannot be read: ")):
        load(source)


def test_what_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CodegenError, match="cannot be read"):
        load(str(tmp_path / "x.yaml"))


def test_a_url_is_read(served: str, tmp_path: Path, schemas: Schemas, write: Write) -> None:
    write(schemas(Thing=STRING))
    assert load(f"{served}/description.yaml") == load(str(tmp_path / "description.yaml"))
    with pytest.raises(CodegenError, match="404"):
        load(f"{served}/another.yaml")


@pytest.mark.parametrize("remote", [True, False], ids=["url", "file"])
def test_other_documents_are_gathered_when_allowed(
    *, remote: bool, served: str, tmp_path: Path, schemas: Schemas, write: Write
) -> None:
    """References in them, to themselves and to the first document, are followed, too."""
    other = {
        "components": {"schemas": {"Part": {"type": "object", "properties": {"size": {"$ref": "#/more/Size"}}}}},
        "more": {"Size": {"type": "integer"}},
    }
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(other))
    (tmp_path / "whole.yaml").write_text(yaml.safe_dump({"$ref": "other.yaml#/more/Size"}))
    parts = {name: {"$ref": "other.yaml#/components/schemas/Part"} for name in ("a", "b")} | {
        "c": {"$ref": "whole.yaml"}
    }
    path = write(schemas(Thing={"type": "object", "properties": parts}))
    ready = load(f"{served}/description.yaml" if remote else path, allow_remote=True)
    assert set(ready["components"]["schemas"]) == {"Thing", "Part", "Whole", "Size"}
    assert {holder["$ref"].rpartition("/")[2] for _, holder in references(ready)} == {"Part"}
    assert "Size: TypeAlias = int\n" in render(ready)


def test_a_gathered_schema_of_a_name_that_is_taken_gets_a_number(
    tmp_path: Path, schemas: Schemas, write: Write
) -> None:
    (tmp_path / "other.yaml").write_text(yaml.safe_dump({"Thing": STRING}))
    part = {"type": "object", "properties": {"part": {"$ref": "other.yaml#/Thing"}}}
    assert set(load(write(schemas(Thing=part)), allow_remote=True)["components"]["schemas"]) == {"Thing", "Thing2"}


def test_a_very_large_description_works(write: Write, schemas: Schemas) -> None:
    """Examples make a description large. It is JSON, because PyYAML takes seconds to write and read so much."""
    thing = {"type": "object", "properties": {"a": STRING}, "examples": [{"a": "x" * 1000} for _ in range(5500)]}
    path = write(json.dumps(schemas(Thing=thing)))
    assert Path(path).stat().st_size > 5 * 2**20
    assert "class Thing:" in render(load(path))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda parts: (
        st.lists(parts, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), parts, max_size=3)
    ),
)


@given(
    st.dictionaries(st.sampled_from(["type", "properties", "items", "enum", "allOf", "$ref", "title", "x-open"]), JSON)
)
def test_any_schema_works_or_gives_the_one_error(tmp_path_factory: pytest.TempPathFactory, schema: object) -> None:
    document = {
        "openapi": "3.1.0",
        "info": {"title": "x", "version": "1"},
        "components": {"schemas": {"Thing": schema}},
    }
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    try:
        load(str(path))
    except CodegenError as error:
        assert all(line.strip() for line in str(error).splitlines())


@pytest.mark.parametrize("kind", ["parameters", "responses", "requestBodies", "pathItems"])
def test_components_that_are_nothing_but_each_other(kind: str, write: Write, schemas: Schemas) -> None:
    document = schemas(Thing=STRING)
    parts = {one: {"$ref": f"#/components/{kind}/{other}"} for one, other in (("a", "b"), ("b", "a"))}
    document["components"][kind] = parts
    with pytest.raises(CodegenError, match=f"#/components/{kind}/a: it is made of nothing but itself") as refused:
        load(write(document))
    assert f"#/components/{kind}/b" in str(refused.value)


def test_paths_that_are_nothing_but_each_other(write: Write, schemas: Schemas) -> None:
    document = schemas() | {"paths": {"/a": {"$ref": "#/paths/~1b"}, "/b": {"$ref": "#/paths/~1a"}}}
    with pytest.raises(CodegenError, match="it is made of nothing but itself"):
        load(write(document))


def test_a_description_that_is_nested_too_deeply(write: Write) -> None:
    with pytest.raises(CodegenError, match="it is nested too deeply"):
        load(write('{"openapi": "3.1.0", "x-deep": ' + "[" * 5000 + "]" * 5000 + "}"))


def test_a_description_without_schemas_gives_an_empty_module(write: Write) -> None:
    ready = load(write({"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": {}}))
    assert render(ready).splitlines()[1:] == ['"""Models of the Kaspi Delivery API."""']


def test_a_description_of_too_many_classes(write: Write, schemas: Schemas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "MOST_CLASSES", 1)
    with pytest.raises(CodegenError, match="#/components/schemas make 2 classes; at most 1 are generated"):
        load(write(schemas(One=STRING, Other=STRING)))


def test_more_choices_than_can_be_compared_are_refused_by_their_place(write: Write, schemas: Schemas) -> None:
    unions = [{"oneOf": [{"maxLength": 10 * place + value} for value in range(7)]} for place in range(3)]
    thing = {"type": "object", "properties": {"a": {"allOf": unions}}}
    with pytest.raises(CodegenError, match="#/components/schemas/Thing/properties/a: it leaves too many choices"):
        load(write(schemas(Thing=thing)))

"""The models are attrs classes that read as if written by hand, and come out the same every time."""

import enum
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

import attrs
import pytest

from codegen import settings
from codegen.description.load import load
from codegen.preparation.prepare import prepared
from codegen.rendering.models import render
from kaspi_delivery_async._generated import models
from kaspi_delivery_async._open_enum import OpenEnum
from tests.codegen.shapes.cases import document

CLASSES = [one for one in vars(models).values() if isinstance(one, type) and one.__module__ == models.__name__]
MODELS = [one for one in CLASSES if not issubclass(one, enum.Enum)]

Import = Callable[[dict[str, Any]], ModuleType]


def shape(module: ModuleType) -> dict[str, object]:
    """Return all that code can rest on: names, types, defaults, wire names, what a repr shows."""
    shapes: dict[str, object] = {}
    classes: list[Any] = [one for one in vars(module).values() if isinstance(one, type)]
    for one in classes:
        if one.__module__ == module.__name__ and issubclass(one, enum.Enum):
            shapes[one.__name__] = (issubclass(one, OpenEnum), [(member.name, member.value) for member in one])
        elif one.__module__ == module.__name__:
            hints = get_type_hints(one)
            shapes[one.__name__] = [
                (
                    field.name,
                    str(hints[field.name]).replace(module.__name__, ""),
                    field.default,
                    field.repr,
                    field.metadata,
                )
                for field in attrs.fields(one)
            ]
    return shapes


def test_the_models_have_the_agreed_names() -> None:
    assert {one.__name__ for one in CLASSES} == {
        "CancelRequest", "Contact", "Delivery", "DeliveryCreated", "DeliveryRequest", "DeliveryStatus",
        "DeliveryWebhook", "DeliveryWebhookData", "ErrorResponse", "Eta", "Location", "Parcel", "StatusHistory",
        "TestWebhook", "TestWebhookRequest", "WebhookEventType",
    }  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
def test_a_model_is_a_frozen_keyword_only_attrs_class(model: type[Any]) -> None:
    assert attrs.has(model)
    assert all(field.kw_only for field in attrs.fields(model))
    values = {field.name: "value" for field in attrs.fields(model)}
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(model(**values), next(iter(values)), "another")


@pytest.mark.parametrize("model", MODELS)
def test_a_field_carries_its_wire_name_only_where_that_differs(model: type[Any]) -> None:
    for field in attrs.fields(model):
        assert field.metadata.get("wire") != field.name


def test_no_repr_shows_personal_data() -> None:
    contact = models.Contact(name="Aigerim K.", phone="+7 701 000 0000")
    place = models.Location(address="89 Satpayev St", contact=contact, notes="Call when outside")
    parcel = models.Parcel(description="Shoes, box", weight_grams=800, value_kzt=18000)
    request = models.DeliveryRequest(external_order_id="order-742", pickup=place, dropoff=place, parcel=parcel)
    cancel = models.CancelRequest(reason="Aigerim moved")
    test = models.TestWebhookRequest(url="https://x.example/token", type=models.WebhookEventType.DELIVERY_CREATED)
    history = models.StatusHistory(status=models.DeliveryStatus.CREATED, notes="Aigerim called")
    shown = repr([request, cancel, test, history])
    assert "order-742" in shown
    for secret in ("Aigerim", "701", "Satpayev", "outside", "Shoes", "token"):
        assert secret not in shown


def test_models_are_hashable_through_and_through() -> None:
    step = models.StatusHistory(
        status=models.DeliveryStatus.CREATED, timestamp=datetime.fromisoformat("2024-06-11T10:00Z")
    )
    delivery = models.Delivery(delivery_id="dlv_1", status=models.DeliveryStatus.CREATED, history=(step,))
    assert hash(delivery) == hash(attrs.evolve(delivery))


def test_the_file_is_what_the_description_gives(description: dict[str, Any]) -> None:
    assert render(description) == settings.MODELS.read_text(encoding="utf-8")


def test_the_text_does_not_depend_on_process_or_place(tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere.yaml"
    copy.write_bytes(settings.DESCRIPTION.read_bytes())
    command = [sys.executable, "-m", "codegen", "--spec", str(copy), "--output", str(tmp_path / "models.py")]
    subprocess.run(command, check=True, cwd=settings.ROOT, env={"PYTHONHASHSEED": "7"})
    assert (tmp_path / "models.py").read_bytes() == settings.MODELS.read_bytes()


def test_the_vendors_description_gives_a_model_for_every_body(vendor: str, imported: Import) -> None:
    """Without an overlay the names are long, but every request and response has its class, events included."""
    names = vars(imported(load(vendor)))
    for name in ("CancelDeliveryRequest", "SendTestWebhookRequest", "SendTestWebhookResponse", "DeliveryWebhook"):
        assert attrs.has(names[name]), name
    assert get_type_hints(names["DeliveryWebhook"])["data"] == names["DeliveryWebhookData"] | None


def test_the_vendors_description_with_the_overlay_gives_the_same_models(
    vendor: str, overlay: str, imported: Import
) -> None:
    """What is written against our models, tests included, therefore works with theirs."""
    assert shape(imported(load(vendor, overlay=overlay))) == shape(models)


def test_the_overlay_does_not_fit_what_it_was_not_written_for(overlay: str) -> None:
    with pytest.raises(Exception, match="no longer there"):
        load(str(settings.DESCRIPTION), overlay=overlay)


STRING = {"type": "string"}


def ready(**schemas: object) -> dict[str, Any]:
    """Return a bare description of some schemas, ready for the generator."""
    return prepared(document(schemas))


def test_any_text_is_a_docstring(imported: Import) -> None:
    texts = ['ends with a "quote"', 'has """three""" of them', "a \\ backslash", "two\n\nparagraphs"]
    fields = {f"f{number}": {"type": "string", "description": text} for number, text in enumerate(texts)}
    models = {
        f"M{number}": {"type": "object", "description": text, "properties": fields} for number, text in enumerate(texts)
    }
    module = imported(ready(**models))
    for name, text in zip(models, texts, strict=True):
        assert " ".join(str(getattr(module, name).__doc__).split()) == " ".join(text.split())


def test_long_texts_are_wrapped() -> None:
    long = {"type": "string", "description": "word " * 100}
    source = render(ready(Model={"type": "object", "description": "word " * 100, "properties": {"field": long}}))
    assert max(map(len, source.splitlines())) <= 120


def test_an_inline_enumeration_is_named_after_its_field(imported: Import) -> None:
    colour = {"type": "string", "enum": ["red"], "description": "Its colour.", "x-personal": True}
    description = ready(Paint={"type": "object", "properties": {"colour": colour}})
    module = imported(description)
    assert module.PaintColour.RED == "red"
    assert "red" not in repr(module.Paint(colour=module.PaintColour.RED))
    assert render(description).count('"""Its colour."""') == 2

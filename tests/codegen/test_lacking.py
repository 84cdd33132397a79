"""What is still to be done by hand is named, with file and line, as the code is read."""

import copy
from pathlib import Path
from typing import Any

import pytest

from codegen import settings
from codegen.handwritten.code import PACKAGE, Code
from codegen.handwritten.lacking import FUNCTIONS, HANDLERS, LIFECYCLE, ROUTES, STATUSES, lacking
from codegen.rendering.operations import described

FILES = (
    FUNCTIONS, HANDLERS, LIFECYCLE, ROUTES, STATUSES, f"{PACKAGE}/cli/output.py", "docs/client.md",
    "tests/test_operations.py", "tests/typing/public_api.py",
)  # fmt: skip


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return {file: (settings.ROOT / file).read_text(encoding="utf-8") for file in FILES}


class Tree(Code):
    """Some files, without a folder."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts
        self._trees = {}


def left(document: dict[str, Any], texts: dict[str, str]) -> list[str]:
    return lacking(described(document), document["components"]["schemas"], Tree(texts))


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_nothing_is_left_of_the_present_description(description: dict[str, Any]) -> None:
    assert lacking(described(description), description["components"]["schemas"], Code(settings.ROOT)) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "at", "what"),
    [
        (FUNCTIONS, "def get_delivery(", "def _get(", "operation\n", "no function get_delivery for GET "),
        (FUNCTIONS, "idempotency_key: str | None = None\n) -> Operation[Delivery]",
         "key: str = '') -> Operation[Delivery]", "def cancel_delivery", "cancel_delivery takes no idempotency_key"),
        (FUNCTIONS, "include_history: bool", "history: bool", "def get_delivery",
         "get_delivery has no argument for include_history (query includeHistory)"),
        (FUNCTIONS, "described.GET_DELIVERY", "described.FIND", "described.FIND", "no operation FIND any more"),
        (ROUTES, '"/v1/webhooks/test"', '"/v1/webhooks"', 'Route("test', "there is no operation POST /v1/webhooks any"),
        (ROUTES, '/cancel", keyed=True', '/cancel"', 'Route("cancel', "POST /v1/deliveries/{deliveryId}/cancel takes"),
        (HANDLERS, "def cancel(self, request", "def _cancel(self, request", "", "no handler cancel for POST"),
        ("docs/client.md", "cancel_delivery", "cancel", "", "do not mention cancel_delivery"),
        (STATUSES, "    DeliveryStatus.ACCEPTED,\n", "", "SEQUENCE = (", ""),
        (LIFECYCLE, "accepted", "taken", "SEQUENCE = (", "the sandbox knows no status accepted"),
    ],
)  # fmt: skip
def test_each_lack_is_named(
    description: dict[str, Any], texts: dict[str, str], file: str, old: str, new: str, at: str, what: str
) -> None:
    assert old in texts[file]
    changed = {**texts, file: texts[file].replace(old, new)}
    lines = left(description, changed)
    if not what:  # its other mention is enough
        assert lines == []
        return
    (line,) = [line for line in lines if what in line]
    assert line.startswith(f"{file}:")
    if at.startswith(("def ", "Route", "described", "SEQ")):
        assert line.startswith(f"{file}:{line_of(changed[file], at)}:")


def test_a_new_value_is_named_where_its_rank_and_its_place_in_the_sandbox_belong(
    description: dict[str, Any], texts: dict[str, str]
) -> None:
    more = copy.deepcopy(description)
    more["components"]["schemas"]["DeliveryStatus"]["enum"].append("returned")
    more["components"]["schemas"]["WebhookEventType"]["enum"].append("delivery.returned")
    rank, place = line_of(texts[STATUSES], "SEQUENCE = ("), line_of(texts[LIFECYCLE], "SEQUENCE = (")
    assert left(more, texts) == [
        f"{LIFECYCLE}:{place}: the sandbox knows no status returned",
        f"{STATUSES}:{rank}: DeliveryStatus returned has no rank",
        f"{STATUSES}:{rank}: WebhookEventType delivery.returned reports a status without a rank",
    ]


def test_uses_of_what_is_gone_are_named(description: dict[str, Any], texts: dict[str, str]) -> None:
    less = copy.deepcopy(description)
    less["components"]["schemas"]["DeliveryStatus"]["enum"].remove("in_transit")
    output = f"{PACKAGE}/cli/output.py"
    line = line_of(texts[output], "DeliveryStatus.IN_TRANSIT")
    assert f"{output}:{line}: there is no DeliveryStatus.IN_TRANSIT any more" in left(less, texts)


def test_calls_that_no_longer_fit_a_model_are_named(description: dict[str, Any], texts: dict[str, str]) -> None:
    new = copy.deepcopy(description)
    schemas = new["components"]["schemas"]
    schemas["CancelRequest"]["properties"] = {"why": {"type": "string"}}
    schemas["CancelRequest"]["required"] = ["why"]
    at = f"{FUNCTIONS}:{line_of(texts[FUNCTIONS], 'CancelRequest(reason')}: CancelRequest"
    lines = left(new, texts)
    assert [line for line in lines if line.startswith(at)] == [
        f"{at} has no field reason any more",
        f"{at} requires why",
    ]
    assert left(new, {**texts, "tests/test_operations.py": "from kaspi_delivery_async._generated.models import Gone\n"})


def test_names_are_found_as_names_and_as_words_of_texts(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("one\n`parcel.weightGrams` and weight_grams\n")
    (tmp_path / PACKAGE).mkdir()
    (tmp_path / PACKAGE / "a.py").write_text(
        'x.weight_grams\nf(weight_grams=1)\n"$.parcel.weightGrams"\nb"weightGrams"\n'
    )
    found = Code(tmp_path).uses("weight_grams", "weightGrams")
    assert [str(place) for place in found] == [*(f"{PACKAGE}/a.py:{line}" for line in (1, 2, 3, 4)), "docs/a.md:2"]
    assert Code(tmp_path).uses("weightGrams", near={"one"}) == found[-1:]

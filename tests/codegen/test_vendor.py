"""The vendor's description, with the overlay, gives our package, and differs from ours as openapi/README.md says."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from codegen import settings
from codegen.comparison.compare import compare
from codegen.description.load import load, load_whole
from kaspi_delivery_async._wire.conversion.converter import structure, unstructure
from tests.support.documented_order import DOCUMENTED_ORDER

README = settings.ROOT / "openapi" / "README.md"
TOKEN = re.compile(r"\b[1-5](?:\d\d|XX)\b|X-[\w-]+\w|Idempotency-Key")


def test_the_differences_are_the_explained_ones(vendor: str, overlay: str) -> None:
    section = README.read_text(encoding="utf-8").partition("## What differs")[2].partition("## Open")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \| (.*?) \| ", section, re.MULTILINE)
    explained = {rule: set(TOKEN.findall(where)) for rule, where in rows}
    found: dict[str, set[str]] = {}
    for change in compare(load_whole(vendor, overlay=overlay), load_whole(str(settings.DESCRIPTION))):
        if change.rule != "text-changed":
            found.setdefault(change.rule, set()).update(TOKEN.findall(change.place))
    assert found == explained


def test_its_texts_examples_and_order_of_keys_make_no_difference(vendor: str, overlay: str, tmp_path: Path) -> None:
    whole = yaml.safe_load((settings.ROOT / vendor).read_text(encoding="utf-8"))
    plain = load(vendor, overlay=overlay)
    for item in whole["paths"].values():
        for operation in item.values():
            operation.update(
                description="Prose, with `code`.", summary="A title", **{"x-codeSamples": [{"lang": "sh"}]}
            )
    whole["components"]["schemas"] = dict(reversed(whole["components"]["schemas"].items()))
    whole["components"]["schemas"]["Contact"]["example"] = {"$ref": "is data here"}
    (tmp_path / "theirs.json").write_text(json.dumps(dict(reversed(whole.items()))))
    wordy = load(str(tmp_path / "theirs.json"), overlay=overlay)
    assert plain["components"]["schemas"].keys() == wordy["components"]["schemas"].keys()
    assert {change.rule for change in compare(plain, wordy)} == {"text-changed"}


def test_its_models_read_every_documented_example(
    vendor: str, overlay: str, imported: Callable[[dict[str, Any]], ModuleType]
) -> None:
    models = imported(load(vendor, overlay=overlay))
    examples = load_whole(str(settings.DESCRIPTION))["components"]["examples"]
    values = [(name, example["value"]) for name, example in examples.items()] + [("DeliveryRequest", DOCUMENTED_ORDER)]
    for name, value in values:
        assert unstructure(structure(value, getattr(models, name))) == value

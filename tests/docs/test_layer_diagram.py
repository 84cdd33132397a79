"""docs/architecture.md shows the contracts that import-linter checks, so the page cannot be wrong."""

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PACKAGE = "kaspi_delivery_async"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
CONTRACTS: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
    "importlinter"
]["contracts"]


def diagram() -> str:
    """Draw the layers, highest first, without `__main__`; a module that may import no other is drawn beside them."""
    [layers] = [contract["layers"] for contract in CONTRACTS if contract.get("containers") == [PACKAGE]]
    rows = [
        [module for module in layer.split(" | ") if module not in _alone()] for layer in layers if layer != "__main__"
    ]
    nodes = [f'    layer{number}["{" · ".join(map(_label, row))}"]' for number, row in enumerate(rows, 1)]
    chain = "    " + " --> ".join(f"layer{number}" for number in range(1, len(rows) + 1))
    beside = [f'    layer1 -.-> {module}["{_label(module)}"]' for module in _alone()]
    return "\n".join(["flowchart TB", *nodes, chain, *beside])


def _alone() -> list[str]:
    forbidding = [contract for contract in CONTRACTS if contract["type"] == "forbidden"]
    everything = {
        path.stem for path in (ROOT / PACKAGE).iterdir() if path.stem.strip("_") not in {"init", "main", "pycache"}
    }
    return [
        source.removeprefix(f"{PACKAGE}.")
        for contract in forbidding
        for source in contract["source_modules"]
        if {source, *contract["forbidden_modules"]} >= {f"{PACKAGE}.{name}" for name in everything - {"py"}}
    ]


def _label(module: str) -> str:
    return f"{module}/" if (ROOT / PACKAGE / module).is_dir() else f"{module}.py"


def test_the_diagram_is_drawn_from_the_contracts() -> None:
    drawn = re.findall(r"```mermaid\n(.*?)\n```", PAGE, re.DOTALL)

    assert drawn == [diagram()]


def test_every_other_contract_is_listed_by_its_name() -> None:
    listed = re.findall(r"^- (.+)\.$", PAGE.partition("## Contracts")[2].partition("\n## ")[0], re.MULTILINE)

    assert listed == [contract["name"] for contract in CONTRACTS if contract.get("containers") != [PACKAGE]]

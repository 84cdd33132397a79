"""For each usual change of the API: what is generated, whether it type-checks, and what the comparison says."""

import subprocess
import sys
from pathlib import Path

import pytest

from codegen.__main__ import main
from codegen.comparison.compare import compare
from codegen.comparison.report import version_bump
from codegen.description.load import load, load_whole
from codegen.rendering.models import render

RECIPES = Path(__file__).parent / "recipes"
BASE = RECIPES / "base.yaml"

EXPECTED = {
    "new_optional_response_field": ({"field-added"}, "minor", 0),
    "new_required_request_field": ({"required-field-added"}, "major", 1),
    "new_status": ({"value-added"}, "minor", 0),
    "new_event": ({"value-added"}, "minor", 0),
    "renamed_field": ({"field-renamed"}, "major", 1),
    "new_endpoint": ({"operation-added", "schema-added"}, "minor", 0),
    "removed_endpoint": ({"operation-removed"}, "major", 1),
}


def test_every_recipe_has_an_expected_result() -> None:
    assert {path.stem for path in RECIPES.glob("*.yaml")} == {"base", *EXPECTED}


@pytest.mark.parametrize("name", ["base", *EXPECTED])
def test_the_models_are_the_kept_ones(name: str) -> None:
    assert render(load(str(RECIPES / f"{name}.yaml"))) == (RECIPES / f"{name}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", EXPECTED)
def test_the_change_is_judged_by_its_rules(name: str) -> None:
    changes = compare(load_whole(str(BASE)), load_whole(str(RECIPES / f"{name}.yaml")))
    rules, bump, _ = EXPECTED[name]
    assert ({change.rule for change in changes}, version_bump(changes)) == (rules, bump)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_report_is_the_kept_one(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--diff", str(BASE), str(RECIPES / f"{name}.yaml")])
    assert code == EXPECTED[name][2]
    # Where hand-written code is concerned changes with that code.
    report, _, rest = capsys.readouterr().out.partition("Places in hand-written code:\n")
    kept = (RECIPES / f"{name}.txt").read_text(encoding="utf-8")
    assert report + rest.rpartition("\n\n")[2] == kept


@pytest.mark.parametrize("checker", [["mypy", "--strict"], ["pyright"]], ids=["mypy", "pyright"])
def test_the_kept_models_type_check(checker: list[str]) -> None:
    pytest.importorskip(checker[0], reason="type checkers are installed where typing is checked")
    command = [sys.executable, "-m", *checker, *map(str, sorted(RECIPES.glob("*.py")))]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr

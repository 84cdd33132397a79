"""The command line writes, checks and compares, and its exit codes say how that went."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from codegen import settings
from codegen.__main__ import EXIT_CODES, main
from codegen.rendering import output
from tests.codegen.edits import edited

RECIPES = Path(__file__).parent / "recipes"
BASE = str(RECIPES / "base.yaml")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command; gives its exit code, output and error output."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A copy of the description with one property's name changed."""
    path = tmp_path / "changed.yaml"
    path.write_text(settings.DESCRIPTION.read_text().replace("weightGrams", "massGrams"))
    return path


def test_it_writes_the_models(run: Run, tmp_path: Path) -> None:
    assert run("--output", tmp_path / "models.py") == (0, "", "")
    assert (tmp_path / "models.py").read_bytes() == settings.MODELS.read_bytes()


def test_writing_twice_changes_nothing(run: Run, tmp_path: Path) -> None:
    run("--output", tmp_path / "models.py")
    first = (tmp_path / "models.py").read_bytes()
    run("--output", tmp_path / "models.py")
    assert (tmp_path / "models.py").read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == ["models.py"]


def test_check_is_content_with_what_the_description_gives(run: Run) -> None:
    assert run("--check") == (0, "", "")


def test_check_shows_the_drift(run: Run, changed: Path) -> None:
    code, out, _ = run("--check", "--spec", changed)
    assert code == 1
    assert '-    weight_grams: int = attrs.field(metadata={"wire": "weightGrams"})\n' in out
    assert '+    mass_grams: int = attrs.field(metadata={"wire": "massGrams"})\n' in out


def test_check_shows_a_missing_file_and_does_not_write_it(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("--check", "--output", tmp_path / "models.py")
    assert (code, "+class Parcel:" in out, list(tmp_path.iterdir())) == (1, True, [])


def test_check_says_where_a_new_operation_belongs(run: Run) -> None:
    code, out, _ = run("--check", "--spec", RECIPES / "new_endpoint.yaml", "--output", RECIPES / "new_endpoint.py")
    assert code == 1
    assert re.search(
        r"^kaspi_delivery_async/operations.py:\d+: no function create_quote for POST /v1/quotes$", out, re.MULTILINE
    )
    assert re.search(r"^kaspi_delivery_async/sandbox/routes.py:\d+: no route for POST /v1/quotes$", out, re.MULTILINE)


def test_check_says_where_a_new_status_belongs(run: Run) -> None:
    code, out, _ = run("--check", "--spec", RECIPES / "new_status.yaml", "--output", RECIPES / "new_status.py")
    assert code == 1
    assert re.search(r"^kaspi_delivery_async/status.py:\d+: DeliveryStatus returned has no rank$", out, re.MULTILINE)


def test_diff_of_the_same_finds_nothing(run: Run) -> None:
    assert run("--diff", settings.DESCRIPTION) == (0, "Suggested version bump: none\n", "")


@pytest.mark.parametrize(
    ("place", "value", "bump", "code"),
    [
        ("info description", "In other words.", "patch", 0),
        ("S Parcel properties seal", {"type": "string"}, "minor", 0),
        ("S Parcel required", ["description"], "major", 1),
        ("S Parcel nonsense", 1, "major", 1),
    ],
)
def test_the_exit_code_of_diff_follows_from_the_level_of_the_changes(
    run: Run, tmp_path: Path, place: str, value: object, bump: str, code: int
) -> None:
    old = yaml.safe_load(settings.DESCRIPTION.read_text(encoding="utf-8"))
    new = tmp_path / "new.yaml"
    new.write_text(yaml.safe_dump(edited(old, set={place: value})), encoding="utf-8")
    ended, out, err = run("--diff", settings.DESCRIPTION, new)
    assert (ended, err) == (code, "")
    assert out.endswith(f"Suggested version bump: {bump}\n")


def test_diff_compares_with_the_present_description_by_default(run: Run, changed: Path) -> None:
    code, out, _ = run("--diff", changed)
    assert code == 1
    assert "Parcel.massGrams: a field has another name (now weightGrams) [field-renamed]" in out


def test_diff_speaks_json(run: Run) -> None:
    code, out, _ = run("--diff", BASE, RECIPES / "new_status.yaml", "--json")
    assert code == 0
    report = json.loads(out)
    assert all(place.rpartition(":")[0].endswith((".py", ".md")) for place in report["changes"][0].pop("code"))
    assert report == {
        "bump": "minor",
        "changes": [
            {
                "rule": "value-added",
                "meaning": "an open enumeration has a new value",
                "place": "DeliveryStatus.returned",
                "detail": "",
                "impacts": ["additive"],
            }
        ],
    }


def test_diff_takes_two_descriptions_at_most(run: Run) -> None:
    code, out, err = run("--diff", BASE, BASE, BASE)
    assert (code, out) == (2, "")
    assert "at most one new one" in err


def test_a_description_that_cannot_be_used_leaves_the_models_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text("as it was")
    (tmp_path / "bad.yaml").write_text("openapi: 3.0.3")
    code, _, err = run("--spec", tmp_path / "bad.yaml", "--output", tmp_path / "models.py")
    assert code == 2
    assert err.startswith(f"codegen: {tmp_path / 'bad.yaml'} cannot be used.\nThis description is OpenAPI 3.0.3;")
    assert (tmp_path / "models.py").read_text() == "as it was"


def test_a_write_that_fails_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "models.py"
    path.write_text("as it was")
    with pytest.raises(UnicodeEncodeError):
        output.write(path, "half of it \ud800")
    assert path.read_text() == "as it was"
    assert [path.name for path in tmp_path.iterdir()] == ["models.py"]


def test_an_unknown_option_is_a_usage_error(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        run("--wrong")
    assert exited.value.code == 2
    capsys.readouterr()


def test_help_and_docs_list_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert EXIT_CODES in capsys.readouterr().out

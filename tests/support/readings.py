"""Runs tests under other readings of what the vendor leaves open: the client must be right under every one.

``pytest --assume NAME=VALUE`` lets every sandbox assume that, and leaves out tests that use none. A test whose sandbox
meets an open question names it, ``@pytest.mark.meets("error-bodies")``, and runs under each reading of it in every run.
A test that is about one reading says so: ``@pytest.mark.assumes("repeated-order=accepted")``.

``python -m tests.support.readings`` runs the client's suite so often that any two readings meet in one of the runs.
"""

import itertools
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import attrs
import pytest

from kaspi_delivery_async.sandbox import Assumptions, Sandbox

QUESTIONS = {field.name.replace("_", "-"): field.metadata["values"] for field in attrs.fields(Assumptions)}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--assume``."""
    parser.addoption("--assume", action="append", default=[], metavar="NAME=VALUE", help="as `sandbox serve --assume`")


def pytest_configure(config: pytest.Config) -> None:
    """Add the markers, and let every sandbox of this run assume what was asked for."""
    config.addinivalue_line("markers", "meets(*names): open questions that the test's sandbox meets")
    config.addinivalue_line("markers", "assumes(*texts): readings that the test is about")
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    if config.option.assume:
        _assume(config.option.assume, patch)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that meets open questions under each reading of them, one at a time."""
    names = [name for marker in metafunc.definition.iter_markers("meets") for name in marker.args]
    if names:
        others = [f"{name}={value}" for name in names for value in QUESTIONS[name][1:]]
        metafunc.parametrize("reading", ["", *others], indirect=True, ids=["default", *others])


@pytest.fixture(autouse=True)
def reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the sandboxes of a test assume its reading."""
    if getattr(request, "param", ""):
        _assume([request.param], monkeypatch)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With ``--assume``, leave out what uses no sandbox, is about another reading, or has readings of its own."""
    if config.option.assume:
        kept = [item for item in items if _is_concerned(item, config.option.assume)]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


def _is_concerned(item: pytest.Item, assumed: list[str]) -> bool:
    used = (*getattr(item, "fixturenames", ()), *vars(getattr(item, "module", object)))
    about = {text.partition("=")[0]: text for marker in item.iter_markers("assumes") for text in marker.args}
    return (
        any("sandbox" in name.lower() for name in used)
        and "=" not in item.name.rpartition("[")[2]
        and all(about.get(text.partition("=")[0], text) == text for text in assumed)
    )


def _assume(texts: Iterable[str], patch: pytest.MonkeyPatch) -> None:
    assumptions = Assumptions.parse(texts)
    initialise = Sandbox.__init__

    def initialise_assuming(sandbox: Sandbox, **settings: Any) -> None:
        initialise(sandbox, **{"assumptions": assumptions, **settings})

    patch.setattr(Sandbox, "__init__", initialise_assuming)


def pairwise() -> Iterator[list[str]]:
    """Yield what to assume in five runs, in which, with an ordinary one, every two questions have all their readings.

    Each question has its other reading in three of the five, no two of them in the same three. So two questions share
    a run, each has one without the other, and the ordinary run has neither.
    """
    others = [f"{name}={value}" for name, values in QUESTIONS.items() for value in values[1:]]
    chosen = dict(zip(others, itertools.combinations(range(5), 3), strict=False))
    for number in range(5):
        yield [text for text in others if number in chosen[text]]


def main(arguments: list[str]) -> int:
    """Run the client's suite under each, and return an exit status."""
    for texts in pairwise():
        print(f"Assuming {', '.join(texts)}", flush=True)
        command = [sys.executable, "-m", "pytest", "--ignore=tests/sandbox", "--ignore=tests/codegen", *arguments]
        ended = subprocess.run([*command, *(f"--assume={text}" for text in texts)], check=False)
        if ended.returncode:
            return ended.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

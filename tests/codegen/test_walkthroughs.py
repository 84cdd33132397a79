"""The walk-throughs of codegen/README.md are replayed in a copy of the tree: a description, and a few lines by hand."""

import ast
import copy
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest
import yaml

from codegen import settings
from codegen.description.load import load
from codegen.handwritten.code import PACKAGE, Code
from codegen.handwritten.lacking import lacking
from codegen.rendering.operations import described

README = (settings.ROOT / "codegen" / "README.md").read_text(encoding="utf-8")
FILES = ("docs/client.md", "tests/test_operations.py", "tests/typing/public_api.py")

USES = {
    "list_deliveries": """
        ids = [(await client.create_delivery(order(f"order-{n}"))).delivery_id for n in range(5)]
        await client.cancel_delivery(ids[1])
        page = await client.list_deliveries(status=models.DeliveryStatus.CREATED, limit=3)
        assert [delivery.delivery_id for delivery in page.deliveries] == ids[2:]
        page = await client.list_deliveries(status=models.DeliveryStatus.CREATED, cursor=page.next_cursor)
        assert ([delivery.delivery_id for delivery in page.deliveries], page.next_cursor) == (ids[:1], None)
    """,
    "request_redelivery": """
        one = (await client.create_delivery(order())).delivery_id
        request = models.RedeliveryRequest(deliver_by=datetime(2024, 6, 12, tzinfo=UTC))
        for replayed in (False, True):
            response = await client.send(operations.request_redelivery(one, request, "again"))
            assert (response.status, response.replayed, response.value.delivery_id) == (202, replayed, one)
        await client.request_redelivery(one, request)
    """,
}
PROGRAM = """
import asyncio
from datetime import UTC, datetime

from kaspi_delivery_async import DeliveryClient, models, operations
from kaspi_delivery_async.sandbox import Sandbox
from tests.support.orders import order

async def main():
    async with Sandbox(api_key="key") as sandbox, DeliveryClient("key", base_url=sandbox.base_url) as client:
        {use}

asyncio.run(main())
"""


@attrs.frozen
class WalkThrough:
    """What a section adds to the description, and its difference in hand-written files."""

    name: str
    added: dict[str, Any]
    diff: str
    most: int

    def description(self) -> dict[str, Any]:
        whole: dict[str, Any] = yaml.safe_load(settings.DESCRIPTION.read_text(encoding="utf-8"))
        return merged(whole, self.added)


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    result = copy.copy(one)
    for key, value in other.items():
        result[key] = merged(result[key], value) if isinstance(value, dict) and key in result else value
    return result


MOST = {"list_deliveries": 10, "request_redelivery": 8}
"""Lines of the package that may be written by hand."""

BLOCKS = re.findall(r"^```yaml\n(.*?)\n```\n+```diff\n(.*?\n)```\n", README, re.MULTILINE | re.DOTALL)
WALKS = [
    WalkThrough(name, yaml.safe_load(added), diff, most)
    for (name, most), (added, diff) in zip(
        {"list_deliveries": 10, "request_redelivery": 8}.items(), BLOCKS, strict=True
    )
]


@pytest.fixture(params=WALKS, ids=lambda walk: walk.name)
def walk(request: pytest.FixtureRequest) -> WalkThrough:
    found: WalkThrough = request.param
    return found


def patched(tree: Path, diff: str) -> None:
    subprocess.run(
        ["git", "apply", "-p1", "-C1", "-"], cwd=tree, input=diff, text=True, check=True, capture_output=True
    )


def docstrings(source: str) -> set[str]:
    """Return the lines of the docstrings of a module."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    texts = [ast.get_source_segment(source, node.body[0]) or "" for node in nodes if ast.get_docstring(node)]
    return {line.strip() for text in texts for line in text.splitlines()}


def written(walk: WalkThrough, tree: Path) -> list[str]:
    """Return the lines that were added to the package by hand."""
    lines: list[str] = []
    for part in re.split(r"^--- ", walk.diff, flags=re.MULTILINE)[1:]:
        file = part.split("\n")[1].removeprefix("+++ b/")
        if file.startswith(PACKAGE):
            assert not re.search(r"^-", part, re.MULTILINE)
            texts = docstrings((tree / file).read_text(encoding="utf-8"))
            added = [line[1:] for line in part.split("\n")[3:] if line.startswith("+")]
            lines += [line for line in added if line.strip() and line.strip() not in texts]
    return lines


def test_every_place_is_named_until_none_is_left(walk: WalkThrough, tmp_path: Path) -> None:
    shutil.copytree(settings.PACKAGE, tmp_path / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    for file in FILES:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(settings.ROOT / file, tmp_path / file)
    (tmp_path / "new.json").write_text(json.dumps(walk.description()))
    ready = load(str(tmp_path / "new.json"))

    def left() -> list[str]:
        return lacking(described(ready), ready["components"]["schemas"], Code(tmp_path))

    named = [re.sub(r":\d+: ", ": ", line) for line in left()]
    assert len(named) == 5
    if walk is WALKS[0]:
        assert all(f"{line}\n" in README for line in named)
    patched(tmp_path, walk.diff)
    assert left() == []
    assert len(written(walk, tmp_path)) <= walk.most


@pytest.mark.long
def test_the_commands_give_an_endpoint_that_works(walk: WalkThrough, tmp_path: Path) -> None:
    parts = (PACKAGE, "codegen", "openapi", "docs", "tests")
    for part in parts:
        shutil.copytree(settings.ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("README.md", "pyproject.toml"):
        shutil.copy(settings.ROOT / file, tmp_path / file)
    (tmp_path / "openapi" / "kaspi-delivery.yaml").write_text(json.dumps(walk.description()))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert run("-m", "codegen", "--check").returncode == 1
    patched(tmp_path, walk.diff)
    made = run("-m", "codegen")
    assert (made.returncode, made.stderr) == (0, "")
    checked = run("-m", "codegen", "--check")
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    (tmp_path / "use.py").write_text(PROGRAM.format(use=USES[walk.name]))
    for command in (["use.py"], ["-m", "mypy", PACKAGE, "tests/typing", "tests/test_operations.py"]):
        done = run(*command)
        assert done.returncode == 0, done.stdout + done.stderr
    tested = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_operations.py")
    assert tested.returncode == 0, tested.stdout

"""Every Python block in README and docs is a program that runs, against a live sandbox where it wants an API."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from kaspi_delivery_async.sandbox import Clock, Journey, Sandbox

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("[!rk]*/*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "openapi").glob("*.md")),
]

PROGRAMS = [
    pytest.param(block, id=f"{page.relative_to(ROOT)}:{page.read_text()[: match.start()].count(chr(10)) + 1}")
    for page in PAGES
    for match in BLOCK.finditer(page.read_text())
    for block in [match[1]]
]


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_documented_program_runs(program: str, tmp_path: Path) -> None:
    async with Sandbox(clock=Clock.sped_up(36_000), journey=Journey()) as sandbox:
        environment = {
            **os.environ,
            "KASPI_API_KEY": sandbox.api_key,
            "KASPI_BASE_URL": sandbox.base_url,
            "KASPI_WEBHOOK_SECRET": sandbox.webhook_secret,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-W",
            "error",
            "-c",
            program,
            cwd=tmp_path,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()

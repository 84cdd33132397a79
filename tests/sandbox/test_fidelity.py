"""Schemathesis and random bytes against the sandbox over HTTP: every response is one of the description's, none a 5xx.

`FIDELITY_CASES=500 pytest tests/sandbox/test_fidelity.py` tries 500 good and 500 bad cases for each operation.
"""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from kaspi_delivery_async.sandbox import Sandbox, ThreadedSandbox
from tests.support.described_api import OPENAPI, Caller, control_description, delivery_description, order

CASES = int(os.environ.get("FIDELITY_CASES", "25"))


DELIVERY = schemathesis.openapi.from_dict(delivery_description().document)
CONTROL = schemathesis.openapi.from_dict(control_description().document)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ThreadedSandbox]:
    """Run a sandbox in a thread of its own: schemathesis calls it with blocking I/O."""
    with ThreadedSandbox(answer_limit=0.5) as running:
        yield running


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: str(mode.value))
@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/v1/deliveries", "POST"),
        ("/v1/deliveries/{deliveryId}", "GET"),
        ("/v1/deliveries/{deliveryId}/cancel", "POST"),
        ("/v1/webhooks/test", "POST"),
    ],
)
def test_every_response_is_as_described(path: str, method: str, mode: GenerationMode, sandbox: ThreadedSandbox) -> None:
    operation = DELIVERY[path][method]

    @settings(max_examples=CASES, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy(generation_mode=mode))
    def run(case: Any) -> None:
        case.call_and_validate(base_url=sandbox.base_url, headers={"x-api-key": sandbox.api_key})

    run()


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: str(mode.value))
@pytest.mark.parametrize(
    ("path", "method"),
    [
        (path, method.upper())
        for path, item in control_description().document["paths"].items()
        for method in item
        if path != "/changes"
    ],  # its response has no end
)
def test_every_response_of_the_control_api_is_as_described(
    path: str, method: str, mode: GenerationMode, sandbox: ThreadedSandbox
) -> None:
    operation = CONTROL[path][method]

    @settings(max_examples=max(3, CASES // 8), suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy(generation_mode=mode))
    def run(case: Any) -> None:
        case.call_and_validate(base_url=f"{sandbox.root_url}/_sandbox")

    try:
        run()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE  # it takes nothing that could be wrong


@contextmanager
def steady_orders(sandbox: ThreadedSandbox) -> Generator[None]:
    """Create deliveries all the while: the control API would have nothing to find after its own reset."""
    over = threading.Event()

    async def create_until_over() -> None:
        async with Caller(sandbox) as call:
            while not over.is_set():
                with suppress(aiohttp.ClientError, TimeoutError):  # for a fault that was added
                    await call("POST", "/v1/deliveries", json=order(), check=False, timeout=aiohttp.ClientTimeout(1))
                await asyncio.sleep(0.05)

    with ThreadPoolExecutor(1) as thread:
        creating = thread.submit(asyncio.run, create_until_over())
        try:
            yield
        finally:
            over.set()
            creating.result()


@pytest.mark.long
@pytest.mark.parametrize("description", ["kaspi-delivery.yaml", "sandbox-control.yaml"])
def test_schemathesis_finds_nothing_in_any_phase_with_any_check(description: str, tmp_path: Path) -> None:
    with ThreadedSandbox(answer_limit=0.5) as sandbox:
        control = description.startswith("sandbox")
        url = f"{sandbox.root_url}/_sandbox" if control else sandbox.base_url
        command: list[str | Path] = [
            *(Path(sys.executable).with_name("schemathesis"), "run", OPENAPI / description, "--url", url),
            *("--checks", "all", "--max-examples", "100", "--continue-on-failure", "--no-color"),
            *("--header", f"x-api-key:{sandbox.api_key}"),
            *("--exclude-path", "/changes"),  # its response has no end
        ]
        with steady_orders(sandbox) if control else nullcontext():
            ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, "No issues found" in ended.stdout) == (0, True), ended.stdout
    assert "Stateful (in" in ended.stdout


BODIES = st.binary() | st.text().map(str.encode) | st.binary().map(lambda tail: b'{"externalOrderId":' + tail)
PATHS = st.text(st.characters(codec="utf-8", exclude_characters="?#"), max_size=20)
HEADERS = st.dictionaries(
    st.sampled_from(["Content-Type", "Idempotency-Key", "X-Test", "Accept"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40),
)


@given(st.sampled_from(["GET", "POST", "PUT", "OPTIONS"]), PATHS, HEADERS, BODIES)
def test_no_bytes_make_the_sandbox_fail(method: str, tail: str, headers: dict[str, str], body: bytes) -> None:
    async def run() -> None:
        async with Sandbox() as sandbox, Caller(sandbox) as call:
            for path in ("/v1/deliveries", f"/v1/deliveries/{tail}", f"/{tail}"):
                reply = await call(method, path, headers=headers, data=body, check=False)
                assert reply.status < 500
                assert reply.status < 400 or set(reply.json) == {"code", "message"}

    asyncio.run(run())

"""Schemathesis and random bytes against the sandbox over HTTP: every response is one of the description's, none a 5xx.

`FIDELITY_CASES=500 pytest tests/sandbox/test_fidelity.py` tries 500 good and 500 bad cases for each operation.
"""

import asyncio
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from kaspi_delivery_async.sandbox import Sandbox
from tests.support.described_api import Caller, control_description, delivery_description

CASES = int(os.environ.get("FIDELITY_CASES", "25"))


def described() -> schemathesis.BaseSchema:
    """Read the description, with the sandbox's own bounds on what the vendor leaves open."""
    document = delivery_description().document
    key = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
    parameters = {**document["components"]["parameters"]}
    parameters["IdempotencyKey"] = {**parameters["IdempotencyKey"], "schema": key}
    return schemathesis.openapi.from_dict(
        {**document, "components": {**document["components"], "parameters": parameters}}
    )


SCHEMA = described()


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """Run a sandbox in a thread of its own: schemathesis calls it with blocking I/O."""
    ready: list[tuple[asyncio.AbstractEventLoop, asyncio.Event, str]] = []
    up = threading.Event()

    async def serve() -> None:
        async with Sandbox() as sandbox:
            done = asyncio.Event()
            ready.append((asyncio.get_running_loop(), done, sandbox.base_url))
            up.set()
            await done.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert up.wait(10)
    ((loop, done, url),) = ready
    yield url
    loop.call_soon_threadsafe(done.set)
    thread.join()


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
def test_every_response_is_as_described(path: str, method: str, mode: GenerationMode, base_url: str) -> None:
    operation = SCHEMA[path][method]

    @settings(max_examples=CASES, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy(generation_mode=mode))
    def run(case: Any) -> None:
        case.call_and_validate(base_url=base_url, headers={"x-api-key": "sandbox-key"})

    run()


CONTROL = schemathesis.openapi.from_dict(control_description().document)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: str(mode.value))
@pytest.mark.parametrize(
    ("path", "method"),
    [(path, method.upper()) for path, item in control_description().document["paths"].items() for method in item],
)
def test_every_response_of_the_control_api_is_as_described(
    path: str, method: str, mode: GenerationMode, base_url: str
) -> None:
    operation = CONTROL[path][method]

    @settings(max_examples=max(3, CASES // 8), suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy(generation_mode=mode))
    def run(case: Any) -> None:
        # A fault and a receiver's URL are texts with rules of their own, which a schema cannot state.
        case.call_and_validate(
            base_url=base_url.replace("/delivery", "/_sandbox"), excluded_checks=[positive_data_acceptance]
        )

    try:
        run()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE  # it takes nothing that could be wrong


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

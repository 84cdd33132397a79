"""The plugin in pytest runs of their own: what it costs unused, its settings, and the report of a failing test."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs" / "sandbox.md"

TESTS = """
import asyncio
import gc
import unittest
import urllib.request

import pytest

from kaspi_delivery_async import Contact, DeliveryRequest, Location, Parcel

PLACE = Location(address="42 Dostyk Ave", contact=Contact(name="A", phone="+7 701 000 0000"))


def order(number):
    parcel = Parcel(description="Shoes", weight_grams=800, value_kzt=18000)
    return DeliveryRequest(external_order_id=f"order-{number}", pickup=PLACE, dropoff=PLACE, parcel=parcel)


@pytest.mark.kaspi_sandbox(seed=7)
def test_marked(kaspi_sandbox):
    assert kaspi_sandbox.seed == 7


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def check(client, sandbox, turn):
    await client.create_delivery(order(turn))
    await sandbox.drain_webhooks()
    assert sandbox.requests.total == 1


@pytest.mark.parametrize("turn", range(2))
@pytest.mark.asyncio(loop_scope="function")
async def test_on_a_loop_of_its_own(kaspi_client, kaspi_sandbox, turn):
    await check(kaspi_client, kaspi_sandbox, turn)


@pytest.mark.parametrize("turn", range(2))
@pytest.mark.asyncio(loop_scope="module")
async def test_on_a_loop_of_the_file(kaspi_client, kaspi_sandbox, turn):
    await check(kaspi_client, kaspi_sandbox, turn)


@pytest.mark.parametrize("turn", range(2))
@pytest.mark.asyncio(loop_scope="session")
async def test_on_a_loop_of_the_session(kaspi_client, kaspi_sandbox, turn):
    await check(kaspi_client, kaspi_sandbox, turn)


@pytest.mark.parametrize("turn", range(2))
@pytest.mark.anyio
async def test_with_anyio(kaspi_client, kaspi_sandbox, turn):
    await check(kaspi_client, kaspi_sandbox, turn)


def test_nothing_is_left_for_the_garbage_collector():
    gc.collect()


def test_synchronous(kaspi_client, kaspi_sandbox, kaspi_webhooks):
    made = asyncio.run(kaspi_client.create_delivery(order(1)))
    kaspi_sandbox.run(kaspi_sandbox.advance(made.delivery_id, "accepted"))
    assert [event.type for event in kaspi_webhooks.events] == ["delivery.created", "delivery.accepted"]


class TestOld(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _sandbox(self, kaspi_sandbox):
        self.sandbox = kaspi_sandbox

    def test_with_unittest(self):
        assert self.sandbox.requests.total == 0


@pytest.mark.asyncio
async def test_fails(kaspi_client, kaspi_sandbox):
    kaspi_sandbox.faults.add("create:commit-then-drop:count=1")
    await kaspi_client.create_delivery(order(5))
    assert len(kaspi_sandbox.requests) == 1
"""


SLOW_TO_IMPORT = (
    "faker",
    "hypothesispytest",
    "looptime_chronometers",
    "looptime_plugin",
    "looptime_timeproxies",
    "schemathesis",
)

INI = """[pytest]
asyncio_mode = strict
asyncio_default_fixture_loop_scope = function
filterwarnings =
    error
    ignore::DeprecationWarning
    default::pytest.PytestUnraisableExceptionWarning
"""


def run(folder: Path, *arguments: str, ini: str = "", tests: str = TESTS) -> str:
    (folder / "test_shop.py").write_text(tests)
    (folder / "pytest.ini").write_text(INI + ini)
    left_out = [f"-pno:{name}" for name in SLOW_TO_IMPORT]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *left_out, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


def test_every_kind_of_test_uses_the_fixtures_and_a_failing_one_shows_what_came(tmp_path: Path) -> None:
    out = run(tmp_path, "-q")
    assert "1 failed, 12 passed" in out
    assert "2 requests:" in out
    assert "Unclosed" not in out  # connections on an event loop that outlives the fixture
    assert "POST /delivery/v1/deliveries no response key=order-5 fault=create:commit-then-drop:count=1" in out
    assert "POST /delivery/v1/deliveries 201 key=order-5 replayed" in out


SHARED = """
import os
from pathlib import Path

import pytest

from kaspi_delivery_async import DeliveryClient
from test_shop import order

OWN = set()


@pytest.mark.parametrize("turn", range(4))
def test_each_worker_has_its_own(kaspi_sandbox, turn):
    OWN.add(kaspi_sandbox.root_url)
    assert len(OWN) == 1


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.asyncio
async def test_all_workers_have_one(kaspi_sandbox, turn):
    async with DeliveryClient.from_env() as client:
        made = await client.create_delivery(order(turn))
    Path(made.delivery_id).write_text(f"{os.environ['KASPI_BASE_URL']} {os.environ['PYTEST_XDIST_WORKER']}")
    assert not kaspi_sandbox.requests
"""


def test_workers_of_xdist_have_a_sandbox_each_or_share_the_one_of_the_documented_conftest(tmp_path: Path) -> None:
    blocks = re.findall("```python\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    (tmp_path / "conftest.py").write_text(next(block for block in blocks if "workerinput" in block))
    (tmp_path / "test_shared.py").write_text(SHARED)
    out = run(tmp_path, "-q", "-n", "2", "--dist", "each", "test_shared.py", ini="kaspi_sandbox_scope = session\n")
    assert "16 passed" in out
    made = [file.read_text().split() for file in tmp_path.glob("dlv_*")]
    assert len(made) == 4  # the second worker's creates were replayed
    assert len({url for url, _ in made}) == 1


def test_a_scope_that_does_not_exist_is_refused_by_name(tmp_path: Path) -> None:
    out = run(tmp_path, "-q", ini="kaspi_sandbox_scope = forever\n")
    assert "kaspi_sandbox_scope: one of function, class, module, package, session" in out


def test_the_plugin_imports_nothing_heavy_before_a_fixture_is_used() -> None:
    script = (
        "import importlib.metadata, sys\n"
        "[entry] = importlib.metadata.entry_points(group='pytest11', name='kaspi_delivery')\n"
        "entry.load()\n"
        "print(*(name for name in ('aiohttp', 'attrs', 'kaspi_delivery_async', 'orjson') if name in sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert out.split() in ([], ["attrs"])


@pytest.mark.parametrize("name", ["kaspi_sandbox", "kaspi_client", "kaspi_webhooks", "kaspi_sandbox_settings"])
def test_the_fixtures_are_there(pytestconfig: pytest.Config, name: str) -> None:
    plugin = pytestconfig.pluginmanager.get_plugin("kaspi_delivery")
    assert hasattr(plugin, name)

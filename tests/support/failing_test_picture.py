"""Draws what pytest prints for a test that fails over the sandbox: ``python -m tests.support.failing_test_picture``."""

import io
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).parents[2] / "docs" / "failing-test.svg"

TEST = """\
import asyncio

from kaspi_delivery_async import Contact, DeliveryRequest, Location, Parcel

PLACE = Location(address="42 Dostyk Ave", contact=Contact(name="A", phone="+7 701 000 0000"))
PARCEL = Parcel(description="Shoes", weight_grams=800, value_kzt=18000)
ORDER = DeliveryRequest(external_order_id="order-742", pickup=PLACE, dropoff=PLACE, parcel=PARCEL)


def test_one_request_is_enough(kaspi_sandbox, kaspi_client, kaspi_webhooks):
    kaspi_sandbox.faults.add("create:commit-then-drop:count=1")
    asyncio.run(kaspi_client.create_delivery(ORDER))
    kaspi_sandbox.run(kaspi_sandbox.drain_webhooks())
    assert len(kaspi_sandbox.requests) == 1
"""


def main() -> None:
    """Run the test and write the picture."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_shop.py").write_text(TEST)
        command = [sys.executable, "-m", "pytest", "-q", "--color=yes", "-p", "no:cacheprovider", "-W", "ignore"]
        ended = subprocess.run(
            command, cwd=folder, env={"COLUMNS": "120", "PATH": ""}, capture_output=True, text=True, check=False
        )
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(Text.from_ansi(ended.stdout.strip()))
    console.save_svg(str(PICTURE), title="pytest")


if __name__ == "__main__":
    main()

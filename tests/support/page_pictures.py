"""Draws the pictures of docs/sandbox.md: `python -m tests.support.page_pictures`, with Chromium."""

import time
from pathlib import Path

from kaspi_delivery_async.sandbox import Clock, Sandbox, ThreadedSandbox
from tests.support.browser import chromium

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"

PICTURES = {
    "deliveries": ("", 1180, 620, False),
    "delivery-dark": ("page/deliveries/{delivery}", 1180, 820, True),
    "phone": ("page/deliveries/{delivery}", 390, 760, False),
    "phone-dark": ("page/faults", 390, 760, True),
}


async def fill(sandbox: Sandbox) -> str:
    """Have some deliveries on their way, one of them with a webhook that fails; return its id."""
    examples = [sandbox._service.create_example() for _ in range(6)]
    for number, status in enumerate(("delivered", "out_for_delivery", "in_transit", "accepted", "cancelled")):
        await sandbox.clock.advance(400)
        await sandbox.advance(examples[number].delivery_id, status)
    return examples[1].delivery_id


def main() -> None:
    """Write every picture."""
    FOLDER.mkdir(exist_ok=True)
    with ThreadedSandbox(clock=Clock.driven(), seed=7, webhook_url="http://127.0.0.1:9/webhooks") as sandbox:
        delivery = sandbox.run(fill(sandbox))
        sandbox.faults.add("*:503:0.1")
        with chromium() as browser:
            for name, (path, width, height, dark) in PICTURES.items():
                browser.size(width, height, dark=dark)
                browser.open(f"{sandbox.root_url}/_sandbox/{path.format(delivery=delivery)}")
                time.sleep(1)
                browser.driver.save_screenshot(str(FOLDER / f"{name}.png"))


if __name__ == "__main__":
    main()

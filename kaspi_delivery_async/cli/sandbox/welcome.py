"""What a sandbox prints when it has started."""

import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import attrs

from kaspi_delivery_async.sandbox.page.entry import page_problem

if TYPE_CHECKING:
    from kaspi_delivery_async.sandbox import Sandbox

EXAMPLE_ORDER = """{
    "externalOrderId": "order-742",
    "pickup": {
      "address": "42 Dostyk Ave, Almaty",
      "contact": { "name": "Kaspi Pickup Hub", "phone": "+7 727 000 0000" }
    },
    "dropoff": {
      "address": "89 Satpayev St, Almaty",
      "contact": { "name": "Aigerim K.", "phone": "+7 701 000 0000" },
      "notes": "Call when outside"
    },
    "parcel": { "description": "Shoes, box", "weightGrams": 800, "valueKzt": 18000 }
  }"""
"""The order of the vendor's Getting started page (Source: GS)."""

_KEY_LIFE = 24 * 3600.0  # seconds on the sandbox clock. Source: AU


@attrs.frozen(kw_only=True)
class Shown:
    """Which secrets are printed: those that came from the environment stay there."""

    api_key: bool
    webhook_secret: bool


def facts(sandbox: "Sandbox") -> dict[str, object]:
    """Describe a running sandbox for programs."""
    speed = sandbox.clock.speed
    return {
        "baseUrl": sandbox.base_url,
        "controlUrl": control_url(sandbox),
        "pageUrl": None if page_problem() else control_url(sandbox),
        "apiKey": sandbox.api_key,
        "webhookSecret": sandbox.webhook_secret,
        "webhookUrl": sandbox.webhook_url,
        "speed": speed,
        "seed": sandbox.seed,
        "now": sandbox.clock.now(),
        "keyLifeSeconds": _KEY_LIFE / speed if speed else None,
    }


def control_url(sandbox: "Sandbox") -> str:
    """Return the URL of the control API."""
    return f"{sandbox.root_url}/_sandbox/"


def welcome(sandbox: "Sandbox", shown: Shown) -> str:
    """Describe a running sandbox for people."""
    key = shlex.quote(sandbox.api_key)
    settings = f"KASPI_BASE_URL={sandbox.base_url}" + (f" KASPI_API_KEY={key}" if shown.api_key else "")
    header = shlex.quote(f"x-api-key: {sandbox.api_key}") if shown.api_key else '"x-api-key: $KASPI_API_KEY"'
    return f"""\
A local Delivery API, made for tests; Ctrl-C ends it.

  base URL        {sandbox.base_url}
  page            {page_problem() or control_url(sandbox)}
  control API     {control_url(sandbox)}
  API key         {sandbox.api_key if shown.api_key else "that of KASPI_API_KEY"}
  webhook secret  {sandbox.webhook_secret if shown.webhook_secret else "that of KASPI_WEBHOOK_SECRET"}
  webhooks go to  {sandbox.webhook_url or "nowhere; --webhook-url names a receiver"}
  time            {_time(sandbox)}
  keys            {_key_life(sandbox.clock.speed)}
  seed            {sandbox.seed}; --seed {sandbox.seed} gives the same ids again

Point the other commands at it:

export {settings}

Create a delivery by hand:

curl -X POST {sandbox.base_url}/v1/deliveries \\
  -H {header} \\
  -H "Idempotency-Key: order-742" \\
  -H "Content-Type: application/json" \\
  -d '{EXAMPLE_ORDER}'

Move it, or time:

kaspi-delivery sandbox advance ID delivered --url {sandbox.root_url}
kaspi-delivery sandbox clock advance 3600 --url {sandbox.root_url}
"""


def _time(sandbox: "Sandbox") -> str:
    speed = sandbox.clock.speed
    pace = f"{speed:g} s pass per second" if speed else "it stands still; `sandbox clock advance SECONDS` moves it"
    moment = datetime.fromtimestamp(sandbox.clock.now(), UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return f"{moment}; {pace}"


def _key_life(speed: float) -> str:
    life = "idempotency keys are remembered for 24 hours of its time"
    if speed in {0, 1}:
        return life
    return f"{life}: {_KEY_LIFE / speed:,.0f} s here, after which a repeated create makes a second delivery"

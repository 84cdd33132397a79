"""Settings of a running sandbox: the receiver, the signing secret and the keys."""

from collections.abc import Mapping
from typing import Any

import attrs

from kaspi_delivery_async.sandbox.http import validation
from kaspi_delivery_async.sandbox.http.control import values
from kaspi_delivery_async.sandbox.http.control.controls import Controls
from kaspi_delivery_async.sandbox.http.messages import bad_request


def read_settings(sandbox: Controls) -> dict[str, object]:
    """Show the settings; secrets that are hidden are None."""
    secrets = {"apiKey": sandbox.api_key, "webhookSecret": sandbox.webhook_secret}
    return {
        "baseUrl": sandbox.base_url,
        "webhookUrl": sandbox.webhook_url,
        "seed": sandbox.seed,
        "assumptions": {name.replace("_", "-"): each for name, each in attrs.asdict(sandbox.assumptions).items()},
        **{name: None if name in sandbox.hidden_settings else secret for name, secret in secrets.items()},
    }


def change_settings(sandbox: Controls, fields: Mapping[str, Any]) -> None:
    """Change what is given, or nothing.

    Raises:
        HttpError: 400 that names what is wrong.

    """
    given_keys = {"apiKey": [fields.get("apiKey", "-")], "apiKeys": fields.get("apiKeys", [])}
    for name, keys in given_keys.items():
        if not all(validation.is_key(key) for key in keys):
            raise bad_request(f"$.{name}: visible ASCII characters without blanks, as a header carries them")
    before = sandbox.webhook_url, sandbox.webhook_secret
    try:
        sandbox.webhook_url = fields.get("webhookUrl", sandbox.webhook_url)
        sandbox.webhook_secret = fields.get("webhookSecret", sandbox.webhook_secret)
    except ValueError as error:
        sandbox.webhook_url, sandbox.webhook_secret = before
        name, _, problem = str(error).partition(": ")
        raise bad_request(f"$.{values.camel(name)}: {problem}") from None
    sandbox.api_key = fields.get("apiKey", sandbox.api_key)
    sandbox.api_keys = set(fields.get("apiKeys", sandbox.api_keys))

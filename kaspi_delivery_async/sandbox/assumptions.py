"""What the sandbox assumes where no page of the vendor says what happens; see ``openapi/README.md``."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal, Self

import attrs


def _one_of(*values: str) -> Any:
    """Make a field that has one of these values, by default the first."""

    def check(_instance: object, field: "attrs.Attribute[str]", value: str) -> None:
        if value not in values:
            name = field.name.replace("_", "-")
            raise ValueError(f"assumptions: {name} is one of {', '.join(values)}, not {value!r}")

    return attrs.field(default=values[0], validator=check, metadata={"values": values})


@attrs.frozen(kw_only=True)
class Assumptions:
    """One reading of each question that the vendor's pages leave open. A client must be right under every one.

    Raises:
        ValueError: A value is not one of those listed.

    """

    keys_of: Literal["api-key", "merchant"] = _one_of("api-key", "merchant")
    """Whether an idempotency key belongs to the API key that it came with, or to the merchant, whichever API key."""
    key_in_flight: Literal["wait", "conflict"] = _one_of("wait", "conflict")
    """Whether a request that meets the first of its key in flight gets the same response, or 409."""
    server_errors: Literal["forgotten", "stored"] = _one_of("forgotten", "stored")
    """Whether a 5xx is stored under its idempotency key and replayed."""
    refusals: Literal["forgotten", "stored"] = _one_of("forgotten", "stored")
    """Whether a 4xx of a request that was understood is stored under its idempotency key and replayed."""
    repeated_order: Literal["accepted", "refused"] = _one_of("accepted", "refused")
    """Whether another create of the same ``externalOrderId`` makes a second delivery, or gets 409."""
    unknown_fields: Literal["ignored", "refused"] = _one_of("ignored", "refused")
    """Whether a field of a request that no page describes is ignored, or gets 400."""
    error_bodies: Literal["json", "empty"] = _one_of("json", "empty")
    """Whether 403, 404 and 5xx have an ``ErrorResponse`` in their body, or nothing."""

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Read ``NAME=VALUE`` texts, such as ``repeated-order=refused``.

        Raises:
            ValueError: A name or a value is unknown.

        """
        names = {field.name.replace("_", "-"): field.name for field in attrs.fields(cls)}
        values: dict[str, Any] = {}
        for text in texts:
            name, _, value = text.partition("=")
            if name not in names:
                raise ValueError(f"assumptions: {text!r} is not NAME=VALUE with a name of {', '.join(names)}")
            values[names[name]] = value
        return cls(**values)

    @classmethod
    def alternatives(cls) -> Iterator[Self]:
        """Yield the default, and every reading that differs from it in one question."""
        yield cls()
        for field in attrs.fields(cls):
            for value in field.metadata["values"][1:]:
                yield cls(**{field.name: value})

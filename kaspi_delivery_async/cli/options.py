"""Options that several commands share, and the client they lead to."""

from typing import Annotated

import typer

FASTEST = 1e6
"""Seconds of a sandbox per second: at more, an afternoon would end beyond the calendar."""

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON for programs instead of text.")]
BaseUrl = Annotated[
    str | None, typer.Option(metavar="URL", help="The API to call, before KASPI_BASE_URL; http only to this machine.")
]
EnvironmentName = Annotated[
    str | None, typer.Option(metavar="NAME", help="`sandbox` or `production`, before KASPI_ENVIRONMENT.")
]
IdempotencyKey = Annotated[
    str | None,
    typer.Option(metavar="KEY", help="Makes repeats harmless for 23 hours; by default it follows from the order."),
]
DeliveryId = Annotated[str, typer.Argument(metavar="ID", help="The delivery's id, such as dlv_01hfz18tnb7tqw.")]

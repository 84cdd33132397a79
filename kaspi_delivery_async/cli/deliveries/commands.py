"""The commands for one delivery: create, get, cancel, watch."""

import asyncio
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from kaspi_delivery_async.cli.background_writer import OutputError
from kaspi_delivery_async.cli.environment import connect
from kaspi_delivery_async.cli.exit_codes import ExitCode, repeat_advice
from kaspi_delivery_async.cli.options import AsJson, BaseUrl, DeliveryId, EnvironmentName, IdempotencyKey
from kaspi_delivery_async.cli.signals import run_until_signalled
from kaspi_delivery_async.cli.streams import finish_output, room, say

if TYPE_CHECKING:
    from kaspi_delivery_async import DeliveryClient, Operation, Response

T = TypeVar("T")


def create(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The order as JSON; - reads it from standard input.")],
    *,
    idempotency_key: IdempotencyKey = None,
    base_url: BaseUrl = None,
    environment: EnvironmentName = None,
    as_json: AsJson = False,
) -> None:
    """Create a delivery for one parcel.

    Repeating the command with the same order within 23 hours never creates a second delivery. A complete order:

    \b
    {"externalOrderId": "order-742",
     "pickup":  {"address": "42 Dostyk Ave, Almaty",
                 "contact": {"name": "Kaspi Pickup Hub", "phone": "+7 727 000 0000"}},
     "dropoff": {"address": "89 Satpayev St, Almaty",
                 "contact": {"name": "Aigerim K.", "phone": "+7 701 000 0000"},
                 "notes": "Call when outside"},
     "parcel":  {"description": "Shoes, box", "weightGrams": 800, "valueKzt": 18000}}
    """
    from kaspi_delivery_async import operations
    from kaspi_delivery_async.cli import output
    from kaspi_delivery_async.cli.deliveries import text
    from kaspi_delivery_async.cli.deliveries.order_input import read_order

    operation = operations.create_delivery(read_order(file), idempotency_key)
    response = _send(connect(base_url=base_url, environment=environment), operation)
    output.emit(text.created_values(response), text.created_text(response), as_json=as_json)
    _ensure_shown(operation, response.value.delivery_id)


def get(
    delivery_id: DeliveryId,
    *,
    history: Annotated[bool, typer.Option("--history", help="Also list its past statuses.")] = False,
    base_url: BaseUrl = None,
    environment: EnvironmentName = None,
    as_json: AsJson = False,
) -> None:
    """Show a delivery and its status."""
    from kaspi_delivery_async import operations
    from kaspi_delivery_async.cli import output
    from kaspi_delivery_async.cli.deliveries import text
    from kaspi_delivery_async.models import to_dict

    operation = operations.get_delivery(delivery_id, include_history=history)
    response = _send(connect(base_url=base_url, environment=environment), operation)
    output.emit(to_dict(response.value), text.delivery_text(response.value), as_json=as_json)


def cancel(
    delivery_id: DeliveryId,
    *,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why, in your own words.")] = None,
    idempotency_key: IdempotencyKey = None,
    base_url: BaseUrl = None,
    environment: EnvironmentName = None,
    as_json: AsJson = False,
) -> None:
    """Cancel a delivery before its pickup."""
    from kaspi_delivery_async import operations
    from kaspi_delivery_async.cli import output
    from kaspi_delivery_async.cli.deliveries import text
    from kaspi_delivery_async.models import to_dict

    operation = operations.cancel_delivery(delivery_id, reason, idempotency_key)
    response = _send(connect(base_url=base_url, environment=environment), operation)
    output.emit(to_dict(response.value), text.delivery_text(response.value), as_json=as_json)
    _ensure_shown(operation, response.value.delivery_id)


def watch(
    delivery_id: DeliveryId,
    *,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Give up after this time; by default never."),
    ] = None,
    base_url: BaseUrl = None,
    environment: EnvironmentName = None,
    as_json: AsJson = False,
) -> None:
    """Follow a delivery until it ends, one line per status.

    It ends `delivered` or `cancelled`; the exit code is 0 for both.
    """
    from kaspi_delivery_async.cli import output

    client = connect(base_url=base_url, environment=environment)

    async def follow() -> None:
        async with client:
            async for change in client.watch(delivery_id, timeout=timeout):
                output.emit(output.change_values(change), output.change_text(change), as_json=as_json)
                await room()

    run_until_signalled(follow())


def _send(client: "DeliveryClient", operation: "Operation[T]") -> "Response[T]":
    async def send() -> "Response[T]":
        async with client:
            try:
                return await client.send(operation)
            except asyncio.CancelledError:
                if operation.idempotency_key is not None:
                    say(f"Interrupted during {operation.name}; {repeat_advice(operation.idempotency_key)}")
                raise

    return run_until_signalled(send())


def _ensure_shown(operation: "Operation[T]", delivery_id: str) -> None:
    """Report on standard error what was done if standard output cannot be written."""
    try:
        finish_output()
    except OutputError as error:
        done = f"{operation.name} succeeded: delivery {delivery_id}, idempotency key {operation.idempotency_key}"
        say(f"Error: standard output cannot be written: {error}; {done}")
        raise typer.Exit(ExitCode.UNREAD if error.is_unread else ExitCode.OUTCOME_UNKNOWN) from None

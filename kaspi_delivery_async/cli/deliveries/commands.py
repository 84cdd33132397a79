"""The commands for one delivery: create, get, cancel, watch."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from kaspi_delivery_async.cli.environment import connect
from kaspi_delivery_async.cli.options import AsJson, BaseUrl, DeliveryId, EnvironmentName, IdempotencyKey
from kaspi_delivery_async.errors import KaspiDeliveryError, Outcome

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
    """Order a courier for one parcel.

    Repeating the command with the same order never sends a second courier within 23 hours. A complete order:

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
    response = asyncio.run(_send(connect(base_url=base_url, environment=environment), operation))
    with _telling(operation):
        output.emit(text.created_values(response), text.created_text(response), as_json=as_json)


def get(
    delivery_id: DeliveryId,
    *,
    history: Annotated[bool, typer.Option("--history", help="Also list the statuses it has been through.")] = False,
    base_url: BaseUrl = None,
    environment: EnvironmentName = None,
    as_json: AsJson = False,
) -> None:
    """Show a delivery and where it stands."""
    from kaspi_delivery_async import operations
    from kaspi_delivery_async.cli import output
    from kaspi_delivery_async.cli.deliveries import text
    from kaspi_delivery_async.models import to_dict

    operation = operations.get_delivery(delivery_id, include_history=history)
    response = asyncio.run(_send(connect(base_url=base_url, environment=environment), operation))
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
    response = asyncio.run(_send(connect(base_url=base_url, environment=environment), operation))
    with _telling(operation):
        output.emit(to_dict(response.value), text.delivery_text(response.value), as_json=as_json)


def watch(
    delivery_id: DeliveryId,
    *,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Give up after so long; without it, wait for the end.")
    ] = None,
    base_url: BaseUrl = None,
    environment: EnvironmentName = None,
    as_json: AsJson = False,
) -> None:
    """Follow a delivery to its end, a line a status.

    The end is `delivered` or `cancelled`; the exit code is 0 for both.
    """
    from kaspi_delivery_async.cli import output

    client = connect(base_url=base_url, environment=environment)

    async def follow() -> None:
        async with client:
            async for change in client.watch(delivery_id, timeout=timeout):
                output.emit(output.change_values(change), output.change_text(change), as_json=as_json)

    asyncio.run(follow())


async def _send(client: "DeliveryClient", operation: "Operation[T]") -> "Response[T]":
    async with client:
        return await client.send(operation)


@contextmanager
def _telling(operation: "Operation[T]") -> Generator[None]:
    """Have a result that cannot be shown end as one that is not known: whoever runs the command knows no better."""
    try:
        yield
    except BrokenPipeError:
        raise  # whoever reads has seen enough
    except OSError as error:
        problem = f"standard output cannot be written: {error.strerror}"
        unseen = KaspiDeliveryError(problem, operation=operation.name, outcome=Outcome.UNKNOWN)
        unseen.idempotency_key = operation.idempotency_key
        raise unseen from error

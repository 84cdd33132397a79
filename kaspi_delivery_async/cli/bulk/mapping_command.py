"""`bulk map`: proposes a mapping for a file, and shows what it makes of the first rows."""

import tomllib
from itertools import islice
from pathlib import Path
from typing import Any

import typer

from kaspi_delivery_async.cli import output
from kaspi_delivery_async.cli.language import translated as _
from kaspi_delivery_async.errors import ConfigurationError, InvalidRequestError
from kaspi_delivery_async.models import DeliveryRequest
from kaspi_delivery_async.order_files import read_orders
from kaspi_delivery_async.order_files.encodings import checked_encoding
from kaspi_delivery_async.order_files.mapping.definition.model import FileFormat
from kaspi_delivery_async.order_files.mapping.proposal import ProposedRows
from kaspi_delivery_async.order_files.opening import opened_table

_SHOWN = 10
_STAND_INS = {"externalOrderId": "?", "parcel.weightGrams": "1", "parcel.valueKzt": "0"}
"""What stands in, in the preview, for what is still to be filled in."""


def propose(file: Path, *, target: Path | None, encoding: str | None) -> None:
    """Write a proposal to a file that does not exist yet, or to standard output, and show the first rows."""
    rows = ProposedRows()
    form = FileFormat(encoding=checked_encoding(encoding))
    with opened_table(file, rows.missing, form) as table:
        proposal = rows.propose(table.heading)
        before = [" | ".join(cell for cell in row.cells if cell.strip()) for row in islice(table.rows(), _SHOWN)]
    text = proposal.text()
    if encoding is not None:
        text += f'[file]\nencoding = "{encoding}"\n'
    if target is None:
        typer.echo(text)
    else:
        try:
            with target.open("x", encoding="utf-8") as written:
                written.write(text)
        except OSError as error:
            raise ConfigurationError(f"{target} cannot be written: {error.strerror}; name another file") from None
    lines = [_("rows as they are:"), *before, _("orders, as the proposal makes them:"), *_after(file, text)]
    for line in lines:
        typer.echo(f"# {output.printable(line)}")
    missing = (*proposal.pickup, *proposal.unknown)
    if missing:
        typer.echo(f"# {_('to be filled in: {fields}').format(fields=', '.join(missing))}")


def _after(file: Path, text: str) -> list[str]:
    values: dict[str, Any] = tomllib.loads(text)
    for table in ("constants", "defaults"):
        values[table] = {
            path: value or _STAND_INS.get(path, "+7 727 000 0000" if path.endswith("phone") else "?")
            for path, value in values.get(table, {}).items()
        }
    try:
        lines = islice(read_orders(file, mapping=values, format="csv"), _SHOWN)
        return [_shown(line.place, line.order) for line in lines]
    except InvalidRequestError as error:
        return [str(error)]


def _shown(place: str, order: DeliveryRequest | InvalidRequestError) -> str:
    if not isinstance(order, DeliveryRequest):
        return str(order)
    dropoff, parcel = order.dropoff, order.parcel
    receiver = f"{dropoff.contact.name} | {dropoff.contact.phone} | {dropoff.address}"
    content = f"{parcel.description} | {parcel.weight_grams} g | {parcel.value_kzt} ₸"
    return f"{place}: {order.external_order_id} | {receiver} | {content}"

"""The commands that control a running sandbox, as curl would through its control API."""

import os
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from kaspi_delivery_async.cli.options import AsJson
from kaspi_delivery_async.cli.sandbox.serve import serve, start_instead

app: typer.Typer = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
faults: typer.Typer = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
clock: typer.Typer = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
events: typer.Typer = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

app.command()(serve)
for _name in ("start", "run", "up"):
    app.command(_name, hidden=True, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})(
        start_instead
    )
app.add_typer(faults, name="faults", help="List, add and remove what goes wrong in a running sandbox.")
app.add_typer(clock, name="clock", help="Read the clock of a running sandbox, and move it ahead.")
app.add_typer(events, name="events", help="List the webhook attempts of a running sandbox, and send events again.")

Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="The sandbox, before KASPI_SANDBOX_URL and KASPI_BASE_URL; http://127.0.0.1:8420 if unset."
    ),
]
DeliveryId = Annotated[str, typer.Argument(metavar="ID", help="The delivery's id, such as dlv_01hfz18tnb7tqw.")]


@app.callback()
def _about() -> None:
    """Run a local Delivery API for development and tests, and control one that runs."""


@app.command()
def advance(
    delivery_id: DeliveryId,
    status: Annotated[str, typer.Argument(metavar="STATUS", help="Where to move it, such as delivered.")],
    *,
    notes: Annotated[str | None, typer.Option(metavar="TEXT", help="A remark for its history.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Move a delivery through every status on its way to STATUS, each with its webhook."""
    body = {"status": status, **({} if notes is None else {"notes": notes})}
    _show_delivery(_call(url, "POST", "deliveries", delivery_id, "advance", body=body), as_json=as_json)


@app.command()
def cancel(
    delivery_id: DeliveryId,
    *,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="A remark for its history.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Cancel a delivery from the courier's side."""
    body = None if reason is None else {"reason": reason}
    _show_delivery(_call(url, "POST", "deliveries", delivery_id, "cancel", body=body), as_json=as_json)


@app.command()
def deliveries(*, url: Url = None, as_json: AsJson = False) -> None:
    """List the newest deliveries."""
    listed = _call(url, "GET", "deliveries")
    lines = [f"{each['deliveryId']}  {each['status']:16}  {each['externalOrderId']}" for each in listed["deliveries"]]
    _show(listed, lines or ["no deliveries yet"], as_json=as_json)


@app.command()
def requests(*, url: Url = None, as_json: AsJson = False) -> None:
    """List the newest requests, but for those of the control API."""
    listed = _call(url, "GET", "requests")
    lines = [
        f"{each['method']} {each['path']} {each['status'] or 'no response'}"
        + (f" key={each['idempotencyKey']}" if each["idempotencyKey"] else "")
        + (" replayed" if each["replayed"] else "")
        + (f" fault={each['fault']}" if each["fault"] else "")
        for each in listed["requests"]
    ]
    _show(listed, lines or ["no requests yet"], as_json=as_json)


@app.command()
def reset(*, url: Url = None, as_json: AsJson = False) -> None:
    """Forget deliveries, keys, pending webhooks, faults and logs; the clock goes on."""
    _show(_call(url, "POST", "reset"), ["reset"], as_json=as_json)


@faults.command("list")
def list_faults(*, url: Url = None, as_json: AsJson = False) -> None:
    """List the faults in force, each with its number."""
    _show_faults(_call(url, "GET", "faults"), as_json=as_json)


@faults.command("add")
def add_fault(
    fault: Annotated[str, typer.Argument(metavar="FAULT", help="Such as create:503:count=2; `help` lists all.")],
    *,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Put a fault into force."""
    if fault == "help":
        from kaspi_delivery_async.sandbox import fault_help

        typer.echo(fault_help())
        return
    added = _call(url, "POST", "faults", body={"fault": fault})
    _show(added, [_fault_line(added)], as_json=as_json)


@faults.command("remove")
def remove_fault(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="As `faults list` has it.")],
    *,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Take one fault back."""
    _show_faults(_call(url, "DELETE", "faults", number), as_json=as_json)


@faults.command("clear")
def clear_faults(*, url: Url = None, as_json: AsJson = False) -> None:
    """Let nothing go wrong any more."""
    _show_faults(_call(url, "DELETE", "faults"), as_json=as_json)


@clock.command("show")
def show_clock(*, url: Url = None, as_json: AsJson = False) -> None:
    """Show the time of the sandbox."""
    _show_time(_call(url, "GET", "time"), as_json=as_json)


@clock.command("advance")
def advance_clock(
    seconds: Annotated[float, typer.Argument(metavar="SECONDS", min=0, help="How far to move it.")],
    *,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Move the clock ahead, doing everything that falls due."""
    _show_time(_call(url, "POST", "time", "advance", body={"seconds": seconds}), as_json=as_json)


@events.command("list")
def list_events(*, url: Url = None, as_json: AsJson = False) -> None:
    """List the newest webhook attempts."""
    listed = _call(url, "GET", "webhook-attempts")
    lines = [
        f"{each['eventId']}  {each['type']}  attempt {each['attempt']}: {each['status'] or each['error']}"
        for each in listed["attempts"]
    ]
    _show(listed, lines or ["no attempts yet"], as_json=as_json)


@events.command("resend")
def resend_event(
    event_id: Annotated[str, typer.Argument(metavar="ID", help="The event's id, as `events list` has it.")],
    *,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Send one event once more, as the vendor's support does on request."""
    sent = _call(url, "POST", "events", event_id, "resend")
    _show(sent, [f"{event_id} was sent; `events list` shows the response"], as_json=as_json)


def _call(url: str | None, method: str, *path: str, body: Mapping[str, object] | None = None) -> Any:
    from kaspi_delivery_async.cli.sandbox.control import ControlClient, find_sandbox

    return ControlClient(find_sandbox(url, os.environ)).call(method, *path, body=body)


def _show(value: Any, lines: list[str], *, as_json: bool) -> None:
    import orjson

    from kaspi_delivery_async.cli.output import printable

    typer.echo(orjson.dumps(value) if as_json else "\n".join(map(printable, lines)))


def _show_delivery(value: Any, *, as_json: bool) -> None:
    _show(value, [f"{value['deliveryId']}  {value['status']}"], as_json=as_json)


def _show_faults(value: Any, *, as_json: bool) -> None:
    _show(value, [_fault_line(each) for each in value["faults"]] or ["no faults"], as_json=as_json)


def _fault_line(fault: Any) -> str:
    left = "" if fault["left"] is None else f"  ({fault['left']} left)"
    return f"{fault['id']}  {fault['fault']}{left}"


def _show_time(value: Any, *, as_json: bool) -> None:
    _show(value, [f"{value['now']}  ({value['speed']:g} s pass per second)"], as_json=as_json)

"""Confirmations by people: asked at a terminal, and kept in a file beside a name and a date."""

import datetime
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import orjson

from kaspi_delivery_async.cli.check.full.items import ITEMS, Confirmation, Item
from kaspi_delivery_async.errors import ConfigurationError

_YES, _NO = {"y", "yes"}, {"n", "no"}


def read_confirmations(path: Path) -> dict[int, Confirmation]:
    """Read the file; one that does not exist has none.

    Raises `ConfigurationError` for a file that is something else.
    """
    try:
        read: Mapping[str, Any] = orjson.loads(path.read_bytes())
        return {
            int(number): Confirmation(
                is_met=_of_type(each["met"], bool), by=_of_type(each["by"], str),
                on=datetime.date.fromisoformat(each["on"]).isoformat(), note=_of_type(each.get("note", ""), str),
            )
            for number, each in read.items()
        }  # fmt: skip
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigurationError(
            f"--confirmations: {path} is no file of confirmations ({type(error).__name__}); it has the number of each "
            'item, such as {"12": {"met": true, "by": "Name", "on": "2026-11-28", "note": ""}}'
        ) from None


def write_confirmations(path: Path, confirmations: Mapping[int, Confirmation]) -> None:
    """Write the file, in the order of the items; raises `ConfigurationError` if that cannot be done."""
    values = {
        str(number): {"met": each.is_met, **attrs.asdict(each, filter=lambda field, _: field.name != "is_met")}
        for number, each in sorted(confirmations.items())
    }
    try:
        path.write_bytes(orjson.dumps(values, option=orjson.OPT_INDENT_2) + b"\n")
    except OSError as error:
        raise ConfigurationError(f"--confirmations: {path} cannot be written: {error.strerror}") from None


def ask(
    known: Mapping[int, Confirmation], *, read_line: Callable[[str], str], today: datetime.date
) -> dict[int, Confirmation]:
    """Ask for what is not confirmed yet; a question without a response stays open. ``read_line`` takes a prompt."""
    confirmations = dict(known)
    name = ""
    for item in open_questions(known):
        said = read_line(f"{item.number}. {item.question} [yes/no, with a note if you like] ").strip()
        word, _, note = said.partition(" ")
        if word.casefold().strip(",.") not in _YES | _NO:
            continue
        name = name or read_line("Your name: ").strip() or "unnamed"
        is_met = word.casefold().strip(",.") in _YES
        confirmations[item.number] = Confirmation(is_met=is_met, by=name, on=today.isoformat(), note=note.strip())
    return confirmations


def open_questions(known: Mapping[int, Confirmation]) -> list[Item]:
    """Return the items that a person has to confirm, and nobody has."""
    return [item for item in ITEMS if item.question and item.number not in known]


def _of_type(value: Any, expected: type[Any]) -> Any:
    if type(value) is not expected:
        raise TypeError
    return value

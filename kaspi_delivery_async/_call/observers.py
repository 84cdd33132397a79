"""Observers of a call: started with it, and notified of it without being able to fail it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

from kaspi_delivery_async.instrumentation import CallDetails, CallObserver, Instrumentation, logger

A = TypeVar("A")
T = TypeVar("T")


def start_observers(instrumentation: Iterable[Instrumentation], call: CallDetails) -> list[CallObserver]:
    """Return the observers of a call; an instrumentation that raises is logged and left out."""
    started = [_shielded(one.call_started, call) for one in instrumentation]
    return [observer for observer in started if observer is not None]


def notify(observers: Iterable[CallObserver], event: Callable[[CallObserver], None]) -> None:
    """Pass an event to each observer; an exception of one is logged and kept away from the call."""
    for observer in observers:
        _shielded(event, observer)


def _shielded(hook: Callable[[A], T], argument: A) -> T | None:
    try:
        return hook(argument)
    except Exception:  # noqa: BLE001 - an observer must not fail the call
        logger.exception("an instrumentation hook failed")
    return None

"""Observers of a call: started with it, and notified of it without being able to fail it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

from kaspi_delivery_async.instrumentation import CallDetails, CallObserver, Instrumentation, logger


def start_observers(instrumentation: Iterable[Instrumentation], call: CallDetails) -> list[CallObserver]:
    """Return the observers of a call; an instrumentation that raises is logged and left out."""
    observers: list[CallObserver] = []
    for one in instrumentation:
        try:
            observer = one.call_started(call)
        except Exception:  # noqa: BLE001 - an observer must not fail the call
            logger.exception("an instrumentation hook failed")
        else:
            if observer is not None:
                observers.append(observer)
    return observers


def notify(observers: Iterable[CallObserver], event: Callable[[CallObserver], None]) -> None:
    """Pass an event to each observer; an exception of one is logged and kept away from the call."""
    for observer in observers:
        try:
            event(observer)
        except Exception:  # noqa: BLE001 - an observer must not fail the call
            logger.exception("an instrumentation hook failed")

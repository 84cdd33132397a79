"""Which cores servers and clients run on: apart where there are two, so that neither takes the other's time."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Asked before anything is pinned: a process inherits its parent's cores, so later there would be fewer.
ALL: frozenset[int] = frozenset(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ())
SERVERS: frozenset[int] = ALL if len(ALL) < 2 else frozenset([max(ALL)])
CLIENTS: frozenset[int] = ALL - SERVERS or ALL


def take(cores: frozenset[int]) -> None:
    """Move this process to these cores, where the system can."""
    if cores:
        os.sched_setaffinity(0, cores)


@contextmanager
def for_servers() -> Iterator[None]:
    """Let what is started in here, with all that it starts itself, run on the servers' core; then be a client."""
    take(SERVERS)
    try:
        yield
    finally:
        take(CLIENTS)

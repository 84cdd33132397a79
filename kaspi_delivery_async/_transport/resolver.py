"""Host name look-ups in threads that nobody waits for: a silent name server delays neither Ctrl-C nor a loop's end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any, TypeVar, cast

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

LONGEST_LOOKUP = 30.0
"""Seconds after which a look-up is given up: aiohttp has all requests wait for the one in progress."""


def thread_resolver() -> aiohttp.ThreadedResolver:
    """Return aiohttp's resolver, which asks as the operating system does, with other threads than the loop's.

    A program that ends waits for the threads of a loop's executor.
    """
    return aiohttp.ThreadedResolver(cast("asyncio.AbstractEventLoop", _Lookups()))


class _Lookups:
    """The two methods of an event loop that the resolver calls."""

    async def getaddrinfo(self, *arguments: Any, **options: Any) -> Any:
        return await _in_thread(lambda: socket.getaddrinfo(*arguments, **options))

    async def getnameinfo(self, *arguments: Any) -> Any:
        return await _in_thread(lambda: socket.getnameinfo(*arguments))


async def _in_thread(work: Callable[[], T]) -> T:
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def finish(value: T | None, error: Exception | None) -> None:
        if result.done():
            return  # cancelled in the meantime
        if error is None:
            result.set_result(cast("T", value))
        else:
            result.set_exception(error)

    def run() -> None:
        value, failure = None, None
        try:
            value = work()
        except (OSError, UnicodeError) as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has ended in the meantime
            loop.call_soon_threadsafe(finish, value, failure)

    threading.Thread(target=run, name="kaspi-delivery-lookup", daemon=True).start()
    try:
        async with asyncio.timeout(LONGEST_LOOKUP):
            return await result
    except TimeoutError:
        raise socket.gaierror(socket.EAI_AGAIN, "the name server did not respond") from None

"""Virtual time for tests marked `looptime`, and what all tests share."""

import asyncio
import signal
from collections.abc import Callable, Mapping

import pytest
from hypothesis import settings

from tests.support import virtual_time

settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")

# Who starts the tests in the background may have SIGINT ignored, which processes inherit: Ctrl-C would do nothing.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run tests marked `looptime` on a loop whose clock jumps over every wait, the others on a real one."""
    if item.get_closest_marker("looptime"):
        return {"virtual": virtual_time.new_event_loop}
    return {"real": asyncio.new_event_loop}

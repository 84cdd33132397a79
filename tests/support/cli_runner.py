"""Commands as tests see them: what they are given, and how they end."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import attrs
import orjson

from tests.support.documented_order import DOCUMENTED_ORDER

ORDER = DOCUMENTED_ORDER


@attrs.frozen
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return orjson.loads(self.out)

    @property
    def json_lines(self) -> list[Any]:
        return [orjson.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Awaitable[Ended]]

RunInto = Callable[..., Coroutine[Any, Any, tuple[int, str]]]

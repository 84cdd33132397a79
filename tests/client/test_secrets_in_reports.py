"""No failure report shows the API key, even one that goes through the characters of local variables itself."""

from collections.abc import Callable, Mapping
from traceback import walk_tb
from typing import Any

import aiohttp
import pytest

from kaspi_delivery_async import ConfigurationError, DeliveryClient, KaspiDeliveryError, RetryPolicy
from tests.support import server_scripts
from tests.support.orders import order
from tests.support.raw_server import Play, RawServer

LONG_KEY = "sk-" + "0123456789" * 9


def texts(value: object, depth: int = 3) -> list[str]:
    """Return what a reporter such as rich or Sentry would print: strings as they are, the items of mappings, reprs."""
    if isinstance(value, str):
        return [str.__str__(value)]
    if isinstance(value, Mapping) and depth:
        return [text for pair in value.items() for part in pair for text in texts(part, depth - 1)]
    if isinstance(value, tuple | list | set) and depth:
        return [text for part in value for text in texts(part, depth - 1)]
    return [repr(value)]


def shown(error: BaseException) -> str:
    package = [
        frame for frame, _ in walk_tb(error.__traceback__) if "/kaspi_delivery_async/" in frame.f_code.co_filename
    ]
    assert package
    return "\n".join(text for frame in package for text in texts(dict(frame.f_locals)))


@pytest.mark.looptime
@pytest.mark.parametrize("own_session", [False, True])
@pytest.mark.parametrize(
    "play", [server_scripts.respond(500), server_scripts.reset_after_request, server_scripts.stall]
)
async def test_a_call_that_fails_has_no_key_in_its_frames(play: Play, own_session: bool) -> None:
    sources: list[Any] = [LONG_KEY, lambda: LONG_KEY]
    for source in sources:
        session = aiohttp.ClientSession() if own_session else None
        retry = RetryPolicy(max_attempts=2)
        async with (
            RawServer([play]) as server,
            DeliveryClient(source, base_url=server.base_url, retry=retry, session=session) as client,
        ):
            with pytest.raises(KaspiDeliveryError) as caught:
                await client.create_delivery(order())
            if session is not None:
                await session.close()
        assert LONG_KEY[:20] not in shown(caught.value)


WRONG: list[Callable[[], DeliveryClient]] = [
    lambda: DeliveryClient(LONG_KEY + " "),
    lambda: DeliveryClient(LONG_KEY, "sandbx"),
    lambda: DeliveryClient(LONG_KEY, base_url="ftp://x"),
    lambda: DeliveryClient(LONG_KEY, timeout=5),  # type: ignore[arg-type]
    lambda: DeliveryClient(LONG_KEY, session=5),  # type: ignore[arg-type]
    lambda: DeliveryClient.from_env({"KASPI_API_KEY": LONG_KEY, "KASPI_ENVIRONMENT": "sandbx"}),
    lambda: DeliveryClient.from_env({"KASPI_API_KEY": LONG_KEY + "\n"}),
]


@pytest.mark.parametrize("make", WRONG, ids=range(len(WRONG)))
def test_a_wrong_setting_has_no_key_in_its_frames(make: Callable[[], DeliveryClient]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert LONG_KEY[:20] not in shown(caught.value)


class ShopClient(DeliveryClient):
    """A subclass with state of its own."""

    def __init__(self, api_key: str, *, shop: str, base_url: str) -> None:
        super().__init__(api_key, base_url=base_url)
        self.shop = shop


def test_a_subclass_keeps_its_state_with_other_options() -> None:
    client = ShopClient("key", shop="Almaty", base_url="http://127.0.0.1:1")
    other = client.with_options(retry=RetryPolicy(max_attempts=1))
    assert type(other) is ShopClient
    assert other.shop == "Almaty"
    assert other.base_url == client.base_url

"""Events that other processes stored, found by looking for new rows."""

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from kaspi_delivery_async.webhooks.stores.new_events import PAGE, NewEvents
from tests.support.webhook_messages import body

if TYPE_CHECKING:
    from kaspi_delivery_async.models import DeliveryWebhookData


class Rows:
    """Responds to each look with the next page; fails where an exception stands for it."""

    def __init__(self, *pages: list[tuple[int, bytes]] | Exception) -> None:
        self._pages = list(pages)
        self.announced: list[DeliveryWebhookData] = []
        self.events = NewEvents(self._read, self.announced.append, overlap=0)

    async def _read(self, work: object) -> list[tuple[int, bytes]]:
        page = self._pages.pop(0) if self._pages else []
        if isinstance(page, Exception):
            raise page
        return page


async def test_a_row_that_holds_no_event_is_passed_over() -> None:
    rows = Rows([(1, b"no event"), (2, body("wh_2"))])
    await rows.events.look()
    assert len(rows.announced) == 1


async def test_full_pages_are_read_to_their_end() -> None:
    raw = body("wh_1")
    rows = Rows([(number, raw) for number in range(PAGE)], [(PAGE, raw)])
    await rows.events.look()
    assert len(rows.announced) == PAGE + 1


@pytest.mark.looptime
async def test_a_failure_is_logged_and_looking_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    rows = Rows(OSError("gone"), [(1, body("wh_1"))])
    with caplog.at_level(logging.ERROR):
        looking = asyncio.create_task(rows.events.poll(1.0))
        await asyncio.sleep(1.5)
        looking.cancel()
        await asyncio.wait([looking])
    assert len(rows.announced) == 1
    assert "cannot be searched for new events" in caplog.text

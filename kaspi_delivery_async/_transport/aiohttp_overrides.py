"""Subclasses of aiohttp's classes: what each saves, and what happens without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDict

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter


class FixedHeadersRequest(aiohttp.ClientRequest):
    """Sends the headers that it is given, with the host: `exchange` leaves nothing to be added or merged.

    Were one of these methods to be called otherwise, requests would be the same, only slower.
    """

    def update_headers(self, headers: object) -> None:
        assert isinstance(headers, CIMultiDict)  # noqa: S101 - the session has just made it
        headers[hdrs.HOST] = self.url.host_port_subcomponent
        self.headers = headers

    def update_auto_headers(self, skip_auto_headers: object) -> None:
        """Add nothing."""

    def update_content_encoding(self, data: object) -> None:
        """Compress nothing."""

    def update_body_from_data(self, body: Any, _stacklevel: int = 3) -> None:
        """Take the payload as it is."""
        self._body = body
        if self._body is not None and self.body is self._body:
            self.headers[hdrs.CONTENT_LENGTH] = str(self._body.size)
        else:
            super().update_body_from_data(body)

    def update_transfer_encoding(self) -> None:
        """Send no body in chunks."""

    def update_expect_continue(self, expect: bool = False) -> None:  # noqa: FBT001, FBT002 - as it is called
        """Send bodies at once."""


_BODY_HEADERS: CIMultiDict[str] = CIMultiDict({hdrs.CONTENT_TYPE: "application/json"})


class TrackedBody(aiohttp.BytesPayload):
    """A request's body that knows whether it was asked for: before that, nothing of the request has left."""

    is_leaving = False

    def __init__(self, body: bytes) -> None:
        # Not the constructor of payloads in general: it finds out headers, which are given here.
        self._value, self._size, self._headers = body, len(body), _BODY_HEADERS

    async def write_with_length(
        self,
        writer: AbstractStreamWriter,
        content_length: int | None,  # noqa: ARG002 - the whole of it
    ) -> None:
        self.is_leaving = True
        await writer.write(self._value)

"""Which requests are for the page, and what they get without its extra."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from kaspi_delivery_async.sandbox.http.messages import HttpRequest, HttpResponse

if TYPE_CHECKING:
    from kaspi_delivery_async.sandbox.page.pages import Pages

Control = Callable[[HttpRequest], Awaitable[HttpResponse]]


PROBLEM = 'the page of the sandbox requires Jinja2: pip install "kaspi-delivery-async[sandbox-page]"'


def page_problem() -> str | None:
    """Return why there is no page and what to do, None if there is one."""
    return PROBLEM if _pages() is None else None


def with_page(control: Control) -> Control:
    """Return the control API with pages for browsers in front of it."""

    async def respond(request: HttpRequest) -> HttpResponse:
        if not _is_for_page(request):
            return await control(request)
        pages = _pages()
        if pages is None:
            return HttpResponse(status=501, body=f"{PROBLEM}\n".encode(), content_type="text/plain; charset=utf-8")
        return await pages(control).respond(request)

    return respond


def _pages() -> "type[Pages] | None":
    try:
        from kaspi_delivery_async.sandbox.page.pages import Pages
    except ImportError:
        return None
    return Pages


def _is_for_page(request: HttpRequest) -> bool:
    if request.segments[:1] == ("page",):
        return True
    return (
        request.segments in {(), ("",)} and request.method == "GET" and "text/html" in request.headers.get("Accept", "")
    )

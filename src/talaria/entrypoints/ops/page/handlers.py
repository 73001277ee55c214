"""Where the pages stand: `/`, what it is made of, what keeps it live, and `/timeline/<request id>`."""

from typing import Any

from litestar import MediaType, Request, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, SkipValidation
from litestar.response import ServerSentEvent

from talaria.entrypoints.ops.admin import GatewayAdmin
from talaria.entrypoints.ops.page.pages import HEADERS, Pages, source

_MEDIA_TYPES = {"page.css": "text/css", "page.js": "text/javascript"}
Shown = SkipValidation[NamedDependency[Pages]]


@get("/", media_type=MediaType.HTML, summary="The page for people")
async def page(pages: Shown) -> Response[str]:
    """Is all well, and if not, what is it?"""
    return Response(await pages.whole(), headers=HEADERS)


@get("/timeline/{request_id:str}", media_type=MediaType.HTML, include_in_schema=False)
async def timeline(
    pages: Shown, admin: SkipValidation[NamedDependency[GatewayAdmin]], request_id: FromPath[str]
) -> Response[str]:
    """One failure, for people."""
    record = (await admin.overview()).records.find(request_id)
    if record is None:
        raise NotFoundException
    return Response(pages.failure(record), headers=HEADERS)


@get("/live", include_in_schema=False, sync_to_thread=False)
def live(pages: Shown) -> ServerSentEvent:
    """What changes on the page, once a second."""
    return ServerSentEvent(pages.live())


@get(["/page.css", "/page.js"], include_in_schema=False, sync_to_thread=False)
def asset(request: Request[Any, Any, Any]) -> Response[str]:
    """The style and the script of the pages."""
    name = request.url.path[1:]
    return Response(source(name), media_type=_MEDIA_TYPES[name], headers=HEADERS)


page_handlers = [page, timeline, live, asset]

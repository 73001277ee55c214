"""The operators' application: health, metrics, the failure log, invalidation, and a page for humans.

It knows nothing of processes: a `GatewayAdmin` answers, of one process or of all workers.
"""

from typing import Annotated, Any, get_args
from urllib.parse import unquote

from litestar import Litestar, Request, Response, Router, delete, get, put, route
from litestar.connection import ASGIConnection
from litestar.datastructures import ResponseHeader
from litestar.di import NamedDependency, Provide
from litestar.enums import HttpMethod
from litestar.exceptions import NotFoundException, PermissionDeniedException, ServiceUnavailableException
from litestar.handlers import BaseRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.params import FromPath, JSONBody, PathParameter, QueryParameter, SkipValidation

from talaria import __version__
from talaria.adapters.telemetry.exposition import render
from talaria.adapters.telemetry.failure_log import KEPT, STATUS, FailureRecord, RecordFilter
from talaria.domain.model import PersonalPhoneId
from talaria.entrypoints.ops.admin import GatewayAdmin
from talaria.entrypoints.ops.answers import (
    Alive,
    ConfigurationInForce,
    Failures,
    KeysInForce,
    Level,
    LevelSet,
    LogLevel,
    Reloaded,
    Removed,
)
from talaria.entrypoints.ops.page.handlers import page_handlers
from talaria.entrypoints.ops.page.pages import Pages
from talaria.entrypoints.ops.readiness import Readiness
from talaria.entrypoints.public import problems

_LOOKS = [HttpMethod.GET, HttpMethod.HEAD]
Admin = SkipValidation[NamedDependency[GatewayAdmin]]

_MOMENT = r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z)?$"
Moment = Annotated[str, QueryParameter(pattern=_MOMENT, description="RFC 3339, in UTC")]

_PROBLEM = ResponseSpec(
    problems.Problem, description="A problem (RFC 9457)", media_type=problems.MEDIA_TYPE, generate_examples=False
)


_LEVEL_WANTED = problems.bad_request(
    f'Send JSON such as {{"level": "debug"}}; a level is one of {", ".join(get_args(LogLevel))}.', 400, RecursionError
)
_FROM_A_PAGE = problems.bad_request(
    "No web page may change anything here. Send it by a command, without `Origin`.", 403
)


def refuse_web_pages(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard of what changes something: with that a browser always sends `Origin` (Fetch, section 3.2).

    It does so too for a page under a name that was made to lead here, which it takes for a page of this listener.
    """
    if "origin" in connection.headers:
        raise PermissionDeniedException


@route("/livez", http_method=_LOOKS, sync_to_thread=False, summary="Does the process serve?")
def livez() -> Alive:
    """Always 200: a process that can't answer is not alive."""
    return Alive(True)


@route(
    "/readyz",
    http_method=_LOOKS,
    summary="May clients come?",
    responses={503: ResponseSpec(Readiness, description="Not now", generate_examples=False)},
)
async def readyz(admin: Admin) -> Response[Readiness]:
    """200, or 503 while starting or draining; per route what it depends on."""
    readiness = (await admin.overview()).readiness
    return Response(readiness, status_code=200 if readiness.ready else 503)


@get("/metrics", media_type="text/plain", summary="Prometheus metrics")
async def metrics(request: Request[Any, Any, Any], admin: Admin) -> Response[str]:
    """Everything that was counted, summed over the workers, in the form that is asked for."""
    text, content_type = render((await admin.overview()).tallies, request.headers.get("accept", ""))
    # As a header: to a media type of text Litestar would add a charset, and this one has its own.
    return Response(text.decode(), headers={"content-type": content_type})


@delete(
    "/identities/{partner:str}/{caller:str}/{personal_phone_id:path}",
    status_code=200,
    summary="Forget one exchanged pair",
    responses={400: _PROBLEM, 404: _PROBLEM},
)
async def invalidate(
    request: Request[Any, Any, Any],
    partner: FromPath[str],
    caller: FromPath[str],
    personal_phone_id: Annotated[str, PathParameter(description="percent-encoded, slashes too")],
    admin: Admin,
) -> Removed:
    """The next request of this person exchanges again. 0 where nothing was kept."""
    phone_id = PersonalPhoneId.parse(_last_segment(request, personal_phone_id))
    return Removed(await admin.invalidate(partner, caller, phone_id) if phone_id is not None else 0)


@delete("/identities", status_code=200, summary="Forget every exchanged pair", responses={400: _PROBLEM})
async def invalidate_all(admin: Admin) -> Removed:
    """The next request of every person exchanges again."""
    return Removed(await admin.invalidate_all())


@get("/5xx", summary="The last answers of 500 and above", responses={400: _PROBLEM})
async def failures(
    admin: Admin,
    last: Annotated[int, QueryParameter(ge=1, le=KEPT)] = 20,
    since: Moment = "",
    until: Moment = "",
    caller: Annotated[str, QueryParameter()] = "",
    route: Annotated[str, QueryParameter()] = "",
    status: Annotated[str, QueryParameter(pattern=f"^({STATUS})?$")] = "",
    reason: Annotated[str, QueryParameter()] = "",
) -> Failures:
    """Ours and those passed on, newest first. With a `status` or a `reason` also those below 500, the last few of each
    reason.
    """
    records = (await admin.overview()).records
    return Failures(records.last(last, RecordFilter(since, until, caller, route, status, reason)))


@get("/5xx/{request_id:str}", summary="One of them", responses={400: _PROBLEM, 404: _PROBLEM})
async def failure(admin: Admin, request_id: FromPath[str]) -> Response[FailureRecord]:
    """How the request went; of several with one id the newest."""
    record = (await admin.overview()).records.find(request_id)
    if record is None:
        raise NotFoundException
    return Response(record)


@get("/keys", summary="The signing keys in force")
async def keys(admin: Admin) -> KeysInForce:
    """When each was published, and until when its tokens are good: what a rotation waits for."""
    return KeysInForce((await admin.overview()).signing_keys)


@get("/config", summary="The settings in force", responses={503: _PROBLEM})
async def config(admin: Admin) -> ConfigurationInForce:
    """Defaults too, as they are written in the file; no secret is told."""
    found = await admin.configuration()
    if found is None:
        raise ServiceUnavailableException
    return found


@put("/reload", summary="Read the configuration anew", responses={400: _PROBLEM})
async def reload(admin: Admin) -> Reloaded:
    """As after SIGHUP. Where it is not taken the one before goes on, and a line says why."""
    reloaded, readiness = await admin.reload(), (await admin.overview()).readiness
    return Reloaded(reloaded, readiness.workers, readiness.configuration.digest if readiness.configuration else "")


@put("/log-level", summary="Write more lines, or fewer", responses={400: _PROBLEM}, exception_handlers=_LEVEL_WANTED)
async def log_level(admin: Admin, data: JSONBody[Level]) -> LevelSet:
    """Our own lines from this level upwards, in every worker, until the next start. Access lines are all written."""
    return LevelSet(data.level, await admin.set_log_level(data.level))


_LOOKING = [livez, readyz, metrics, failures, failure, keys, config]
_CHANGING = [invalidate, invalidate_all, log_level, reload]


def create_ops_app(admin: GatewayAdmin, pages: Pages | None = None) -> Litestar:
    """The operators' ASGI app; its OpenAPI document stands at /schema. `pages`: else of this admin, without rates."""
    shown = pages or Pages(admin)
    return Litestar(
        [*_LOOKING, *page_handlers, Router("/", guards=[refuse_web_pages], route_handlers=_CHANGING)],
        dependencies={
            "admin": Provide(lambda: admin, sync_to_thread=False),
            "pages": Provide(lambda: shown, sync_to_thread=False),
        },
        exception_handlers=problems.handlers() | _FROM_A_PAGE,
        response_headers=[ResponseHeader(name="cache-control", value="no-store")],
        openapi_config=OpenAPIConfig(
            title="talaria, for operators",
            version=__version__,
            path="/schema",
            render_plugins=[JsonRenderPlugin()],
            use_handler_docstrings=True,
        ),
        logging_config=None,
    )


def _last_segment(request: Request[Any, Any, Any], decoded: str) -> str:
    """The id as it was sent: the router's own decoding takes `%2F` for a border between segments."""
    raw = request.scope["raw_path"].partition(b"?")[0].decode("latin-1")
    segments = raw.split("/", 4)
    return unquote(segments[4]) if len(segments) == 5 else decoded

"""The operators' listener: health, metrics, the 5xx ledger, invalidation, and a page for humans.

It knows nothing of processes: a `Fleet` stands behind it, one gateway or many workers.
"""

from typing import Annotated, Any, Protocol
from urllib.parse import unquote

import msgspec
from litestar import Litestar, Request, Response, delete, get, route
from litestar.datastructures import ResponseHeader
from litestar.di import NamedDependency, Provide
from litestar.enums import HttpMethod
from litestar.exceptions import NotFoundException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.params import FromPath, PathParameter, QueryParameter, SkipValidation

from talaria import __version__
from talaria.adapters.auth.key_rotation import KeyUse
from talaria.adapters.auth.service_tokens import KEY_SET_SECONDS
from talaria.adapters.telemetry.failure_log import KEPT, Entry
from talaria.adapters.telemetry.metrics import CONTENT_TYPE
from talaria.domain.model import PersonalPhoneId
from talaria.entrypoints.ops import status_page
from talaria.entrypoints.ops.readiness import Readiness
from talaria.entrypoints.public import problems


class Fleet(Protocol):
    """The gateway's processes, as operators see them."""

    async def ready(self) -> Readiness:
        """May clients come, and what does each route depend on?"""
        ...

    async def metrics(self) -> bytes:
        """Everything that was counted, summed over the processes, in Prometheus' text form."""
        ...

    async def invalidate(self, partner: str, caller: str, phone_id: PersonalPhoneId) -> int:
        """Forget one exchanged pair everywhere; how many were forgotten."""
        ...

    async def invalidate_all(self) -> int:
        """Forget every exchanged pair everywhere; how many were forgotten."""
        ...

    async def ledger_find(self, request_id: str) -> Entry | None:
        """The newest entry of this request id."""
        ...

    async def ledger_last(self, count: int) -> list[Entry]:
        """The newest entries of all processes, newest first."""
        ...

    async def keys(self) -> list[KeyUse]:
        """The signing keys in force, the one that signs first."""
        ...


class Alive(msgspec.Struct, frozen=True):
    """The process serves."""

    alive: bool


class Removed(msgspec.Struct, frozen=True):
    """How many exchanged pairs were forgotten."""

    removed: int


class Entries(msgspec.Struct, frozen=True):
    """Entries of the 5xx ledger, newest first."""

    entries: list[Entry]


class KeysInForce(msgspec.Struct, frozen=True):
    """The signing keys, the one that signs first. Others may hold an older key set for `key_set_seconds`."""

    keys: list[KeyUse]
    key_set_seconds: int = KEY_SET_SECONDS


_LOOKS = [HttpMethod.GET, HttpMethod.HEAD]
BehindIt = SkipValidation[NamedDependency[Fleet]]

_PROBLEM = ResponseSpec(
    problems.Problem, description="A problem (RFC 9457)", media_type=problems.MEDIA_TYPE, generate_examples=False
)


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
async def readyz(fleet: BehindIt) -> Response[Readiness]:
    """200, or 503 while starting or draining; per route what it depends on."""
    readiness = await fleet.ready()
    return Response(readiness, status_code=200 if readiness.ready else 503)


@get("/metrics", media_type=CONTENT_TYPE, summary="Prometheus metrics")
async def metrics(fleet: BehindIt) -> Response[str]:
    """Everything that was counted, summed over the workers."""
    # As a header: to a media type of text Litestar would add a charset, and this one has its own.
    return Response((await fleet.metrics()).decode(), headers={"content-type": CONTENT_TYPE})


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
    fleet: BehindIt,
) -> Removed:
    """The next request of this person exchanges again. 0 where nothing was kept."""
    phone_id = PersonalPhoneId.parse(_last_segment(request, personal_phone_id))
    return Removed(await fleet.invalidate(partner, caller, phone_id) if phone_id is not None else 0)


@delete("/identities", status_code=200, summary="Forget every exchanged pair")
async def invalidate_all(fleet: BehindIt) -> Removed:
    """The next request of every person exchanges again."""
    return Removed(await fleet.invalidate_all())


@get("/5xx", summary="The last answers of 500 and above", responses={400: _PROBLEM})
async def failures(fleet: BehindIt, last: Annotated[int, QueryParameter(ge=1, le=KEPT)] = 20) -> Entries:
    """Ours and those passed on, newest first."""
    return Entries(await fleet.ledger_last(last))


@get("/5xx/{request_id:str}", summary="One of them", responses={400: _PROBLEM, 404: _PROBLEM})
async def failure(fleet: BehindIt, request_id: FromPath[str]) -> Response[Entry]:
    """How the request went; of several with one id the newest."""
    entry = await fleet.ledger_find(request_id)
    if entry is None:
        raise NotFoundException
    return Response(entry)


@get("/keys", summary="The signing keys in force")
async def keys(fleet: BehindIt) -> KeysInForce:
    """When each was published, and until when its tokens are good: what a rotation waits for."""
    return KeysInForce(await fleet.keys())


@get("/", media_type="text/html", summary="A page for humans")
async def page(fleet: BehindIt) -> Response[str]:
    """Ready or not, each route's dependencies, the last failures."""
    text = status_page.render(__version__, await fleet.ready(), await fleet.ledger_last(KEPT))
    return Response(text, media_type="text/html", headers=status_page.HEADERS)


def create_ops_app(fleet: Fleet) -> Litestar:
    """The operators' ASGI app for this fleet; its OpenAPI document stands at /schema."""
    return Litestar(
        [livez, readyz, metrics, invalidate, invalidate_all, failures, failure, keys, page],
        dependencies={"fleet": Provide(lambda: fleet, sync_to_thread=False)},
        exception_handlers=problems.handlers(),
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

"""The public listener's app: what is ours to serve goes to Litestar, everything else to the proxy."""

import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from litestar import Litestar, Response, route
from litestar.enums import HttpMethod

from talaria.adapters.auth.service_tokens import KEY_SET_SECONDS
from talaria.domain.errors import InternalError, Refusal
from talaria.domain.events import RequestContext, RequestFinished
from talaria.domain.http import Headers
from talaria.domain.ports import Recorder
from talaria.entrypoints.public import problems
from talaria.entrypoints.public.dates import date_header
from talaria.entrypoints.public.proxy import Proxy, request_id_of
from talaria.entrypoints.public.validation import Arrival, check_head

logger = logging.getLogger("talaria.pages")

JWKS_PATH = "/.well-known/jwks.json"


def own_pages(jwks: Callable[[], bytes]) -> Litestar:
    """What the public listener serves itself: the public keys of the service tokens."""

    @route(JWKS_PATH, http_method=[HttpMethod.GET, HttpMethod.HEAD], sync_to_thread=False)
    def key_set() -> Response[bytes]:
        """The keys that verify service tokens (RFC 7517)."""
        headers = {"cache-control": f"public, max-age={KEY_SET_SECONDS}"}
        return Response(jwks(), media_type="application/json", headers=headers)

    return Litestar([key_set], openapi_config=None, logging_config=None, exception_handlers=problems.handlers())


class PublicApp:
    """Routes by path and tag: a request with `x-api-tag` is never ours to serve."""

    def __init__(self, proxy: Proxy, pages: Litestar, recorder: Recorder) -> None:
        self._proxy = proxy
        self._pages = pages
        self._own = JWKS_PATH.encode()
        self._record = recorder.record

    def __call__(self, arrival: Arrival) -> Coroutine[Any, Any, None]:
        """Answer one request."""
        if arrival.target.partition(b"?")[0] == self._own and not any(h[0] == b"x-api-tag" for h in arrival.headers):
            return self._serve_own(arrival)
        return self._proxy(arrival)

    async def _serve_own(self, arrival: Arrival) -> None:
        started = time.monotonic()
        context = RequestContext(request_id_of(arrival.headers))
        reason, origin, cause = "", "", ""
        try:
            check_head(arrival)
            status, headers, body = await self._page(arrival, context.request_id)
        except Exception as error:
            refusal = error if isinstance(error, Refusal) else InternalError(type(error).__name__)
            if refusal is not error:
                logger.exception("a page failed by a fault of ours", extra={"request_id": context.request_id})
            reason, origin, cause = refusal.reason, refusal.origin, refusal.cause
            status, headers, body = problems.render(refusal, context.request_id)
        arrival.respond(status, [*headers, date_header()], body)
        seconds = time.monotonic() - started
        event = RequestFinished(context, arrival.method, status, reason, origin, 0, len(body), seconds, cause)  # type: ignore[arg-type]
        self._record(event)

    async def _page(self, arrival: Arrival, request_id: str) -> tuple[int, Headers, bytes]:
        """What Litestar answers, by ASGI."""
        path, _, query = arrival.target.partition(b"?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": arrival.method,
            "scheme": arrival.scheme,
            "path": path.decode("ascii"),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": arrival.headers,
            "client": (arrival.peer, 0),
            "server": None,
            "state": {"request_id": request_id},
        }
        head: dict[str, Any] = {}
        body = bytearray()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                head.update(message)
            else:
                body.extend(message.get("body", b""))

        await self._pages(scope, receive, send)  # type: ignore[arg-type]
        headers: Headers = [header for header in head["headers"] if header[0] != b"x-request-id"]
        headers.append((b"x-request-id", request_id.encode("ascii")))
        return head["status"], headers, bytes(body)

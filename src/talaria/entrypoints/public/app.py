"""The public listener's application: what is ours to serve goes to Litestar, everything else to the proxy."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from litestar import Litestar, Response, route
from litestar.enums import HttpMethod

from talaria.adapters.auth.service_tokens import KEY_SET_SECONDS
from talaria.domain.errors import Draining, InternalError
from talaria.domain.headers import check_host
from talaria.domain.ports import Clock, Recorder
from talaria.domain.resilience import ConcurrencyLimiter
from talaria.entrypoints.public import problems
from talaria.entrypoints.public.proxy import Proxy
from talaria.entrypoints.public.served_request import ServedRequest
from talaria.entrypoints.public.server.asgi import AsgiCycle
from talaria.entrypoints.public.server.cycle import RequestResponseCycle
from talaria.entrypoints.public.validation import check_head

JWKS_PATH: Final = "/.well-known/jwks.json"
HEALTH_PATH: Final = "/healthz"
_HEALTH: Final = HEALTH_PATH.encode()
_OURS: Final = frozenset({JWKS_PATH.encode(), _HEALTH})
_LOOKS: Final = [HttpMethod.GET, HttpMethod.HEAD]


def public_pages(jwks: Callable[[], bytes], draining: Callable[[], bool]) -> Litestar:
    """What the public listener serves itself: the public keys of the service tokens, and whether to come here."""

    @route(JWKS_PATH, http_method=_LOOKS, sync_to_thread=False)
    def key_set() -> Response[bytes]:
        """The keys that verify service tokens (RFC 7517)."""
        headers = {"cache-control": f"public, max-age={KEY_SET_SECONDS}"}
        return Response(jwks(), media_type="application/json", headers=headers)

    @route(HEALTH_PATH, http_method=_LOOKS, sync_to_thread=False)
    def health() -> Response[str]:
        """For balancers, and for any client: it tells nothing but this."""
        text, status = ("draining\n", 503) if draining() else ("ok\n", 200)
        return Response(text, status_code=status, media_type="text/plain", headers={"cache-control": "no-store"})

    return Litestar([key_set, health], openapi_config=None, logging_config=None, exception_handlers=problems.handlers())


class PublicApp:
    """Routes by path and tag: requests with `x-api-tag` go to the proxy, whatever their path."""

    def __init__(
        self, proxy: Proxy, pages: Litestar, recorder: Recorder, clock: Clock, limiter: ConcurrencyLimiter
    ) -> None:
        self._proxy = proxy
        self._pages = pages
        self._recorder = recorder
        self._clock = clock
        self._limiter = limiter

    def __call__(self, cycle: RequestResponseCycle) -> Coroutine[Any, Any, None]:
        """Answer one request."""
        path = cycle.target.partition(b"?")[0]
        if path in _OURS and not any(name == b"x-api-tag" for name, _ in cycle.headers):
            return self._serve_page(cycle, limited=path != _HEALTH)
        return self._proxy(cycle)

    async def _serve_page(self, cycle: RequestResponseCycle, *, limited: bool) -> None:
        with ServedRequest(cycle, self._recorder, self._clock) as served:
            check_head(cycle)
            check_host([value for name, value in cycle.headers if name == b"host"], optional=cycle.http10)
            if limited:  # a full gateway is alive
                self._limiter.acquire()
            try:
                page = AsgiCycle(cycle, served.request_id, served.complete)
                await self._pages(page.scope, page.receive, page.send)  # type: ignore[arg-type] # Litestar's TypedDicts
                served.status, served.bytes_out = page.status, page.bytes_out
                if page.status >= 500:
                    fault = Draining if page.status == 503 else InternalError
                    served.reason, served.origin = fault.reason, fault.origin
            finally:
                if limited:
                    self._limiter.release()

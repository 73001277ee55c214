"""The calls of one partner. Those of one `user_of` share a slot, a deadline and a permit of the breaker."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Required, TypedDict, TypeVar, Unpack
from urllib.parse import urlencode

import msgspec

from talaria.adapters.dependency_messages import JSON, DependencyRequest, DependencyResponse, RetryOn, Sign
from talaria.adapters.partner_kit.tokens import TokenCache
from talaria.domain.errors import PartnerBadAnswer
from talaria.domain.events import HopContext

if TYPE_CHECKING:
    # An adapter is imported where its options are checked, and that should not cost an HTTP library.
    from talaria.adapters.dependency_client import DependencyClient, Hop

_FORM = {"content-type": "application/x-www-form-urlencoded"}

T = TypeVar("T")


@dataclass(slots=True)
class PartnerCall(HopContext):
    """The `call` of a `user_of`: `hop` is what all of its calls are part of."""

    hop: "Hop" = field(kw_only=True)


class Question(TypedDict, total=False):
    """How something is asked. `json` or `form` is the body; `call` is what `user_of` was given.

    `sign` adds headers to each attempt, or is a `TokenCache`. `retry_on` adds statuses, or a predicate, to what is
    worth another attempt: after the last one it is the partner's bad answer.
    """

    call: Required[HopContext]
    json: Any
    form: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    sign: Sign | TokenCache
    retry_on: RetryOn


class PartnerHttp:
    """Asks at one base url.

    Each method returns the response, whatever its status but 429, 502, 503 and 504, and raises what is to be passed on:
    the partner's faults, CircuitOpen, GatewayOverloaded. `x-request-id` is added. A question is sent again after these
    statuses and after a failed connection, a POST too: make it idempotent.
    """

    def __init__(self, client: "DependencyClient") -> None:
        self._client = client

    async def get(self, path: str, **question: Unpack[Question]) -> DependencyResponse:
        """Ask with GET."""
        return await self._ask("GET", path, question)

    async def post(self, path: str, **question: Unpack[Question]) -> DependencyResponse:
        """Ask with POST."""
        return await self._ask("POST", path, question)

    async def put(self, path: str, **question: Unpack[Question]) -> DependencyResponse:
        """Ask with PUT."""
        return await self._ask("PUT", path, question)

    async def delete(self, path: str, **question: Unpack[Question]) -> DependencyResponse:
        """Ask with DELETE."""
        return await self._ask("DELETE", path, question)

    async def pause(self, seconds: float, *, call: HopContext) -> None:
        """Wait between two questions of one `user_of`, for a poll. Ends the hop where it would be over by then."""
        if isinstance(call, PartnerCall) and seconds >= call.hop.left:
            raise TimeoutError
        await asyncio.sleep(seconds)

    async def whole(self, call: HopContext, ask: Callable[[PartnerCall], Awaitable[T]]) -> T:
        """All that is asked with the call that `ask` gets, as one hop."""

        async def with_hop(hop: "Hop") -> T:
            return await ask(PartnerCall(call.request_id, call.timeout, call.attempts, hop=hop))

        return await self._client.hop(call, with_hop)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def _ask(self, method: str, path: str, question: Question) -> DependencyResponse:
        call, sign = question["call"], question.get("sign")
        request = _request(method, path, question)
        if isinstance(sign, TokenCache):
            return await sign.send(call, lambda signed: self._send(call, replace(request, sign=signed)))
        return await self._send(call, replace(request, sign=sign))

    async def _send(self, call: HopContext, request: DependencyRequest) -> DependencyResponse:
        if not isinstance(call, PartnerCall):
            return await self._client.hop(call, lambda hop: hop.send(request))
        if call.hop.client is self._client:
            return await call.hop.send(request)
        call.hop.note_answered()  # another question begins
        rest = HopContext(call.request_id, max(0.0, call.hop.left), call.attempts)
        return await self._client.hop(rest, lambda hop: hop.send(request), within=call.hop)


def _request(method: str, path: str, question: Question) -> DependencyRequest:
    if path and not path.startswith("/"):  # behind the base url it could name another host
        raise PartnerBadAnswer("the adapter asks for a path that does not begin with /")
    headers, body = {name.lower(): value for name, value in question.get("headers", {}).items()}, None
    if "json" in question:
        body, headers = msgspec.json.encode(question["json"]), JSON | headers
    elif "form" in question:
        body, headers = urlencode(question["form"]).encode(), _FORM | headers
    query = urlencode(question.get("query", {}))
    target = f"{path}?{query}" if query else path
    return DependencyRequest(method, target, headers, body, retry_on=question.get("retry_on", ()))

"""wind, simulated: exactly contract wind.openapi.yaml."""

import hmac
from collections import OrderedDict
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import JSONBody

from talaria.sandbox import fixtures
from talaria.sandbox.partner import SimulatedPartner
from talaria.sandbox.personal import check_form
from talaria.sandbox.service_errors import ServiceError

_KEPT_KEYS = 10_000


class ResolveUser(msgspec.Struct, forbid_unknown_fields=True):
    """The question."""

    phone_number: Annotated[str, msgspec.Meta(pattern=r"^\+[1-9][0-9]{6,14}\Z")]


class User(msgspec.Struct):
    """The answer."""

    user_id: str


def check_api_key(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard: the API key, the idempotency key, the request id, JSON."""
    wind: SimulatedWind = connection.app.state.service
    if not hmac.compare_digest(connection.headers.get("x-api-key", "").encode(), wind.api_key.encode()):
        raise ServiceError(401, "bad_api_key", "The API key is missing or wrong.")
    if not connection.headers.get("idempotency-key"):
        raise ServiceError(400, "bad_request", "idempotency-key is missing.")
    check_form(connection)


@post("/v1/users/resolve", status_code=200, guards=[check_api_key], sync_to_thread=False)
def resolve_user(data: JSONBody[ResolveUser], request: Request[Any, Any, Any]) -> Response[User]:
    """The user that belongs to a phone number, created if there is none."""
    wind: SimulatedWind = request.app.state.service
    user_id, created = wind.resolve(data.phone_number, request.headers["idempotency-key"])
    return Response(User(user_id), status_code=201 if created else 200)


class SimulatedWind(SimulatedPartner):
    """`unsupported` holds phone numbers too; it and `api_key` may be changed while it runs.

    `duplicates` counts requests with an idempotency key that had been answered before: they get the same answer again.
    """

    name = "wind"
    user_ids = ("wind-user-anna", "wind-user-boris")
    summary = "<phone> is a user of wind"
    routes = (resolve_user,)

    def __init__(self, api_key: str) -> None:
        super().__init__(api_key)
        self.unsupported = {fixtures.PHONES[fixtures.UNSUPPORTED]}
        self.duplicates = 0
        self._answered: OrderedDict[str, tuple[str, tuple[str, bool]]] = OrderedDict()

    def resolve(self, phone: str, key: str) -> tuple[str, bool]:
        """The user id, and whether it was made just now. Raises ServiceError."""
        if key in self._answered:
            self.duplicates += 1
            asked, answer = self._answered[key]
            if asked != phone:
                raise ServiceError(400, "idempotency_key_reused", "This idempotency key came with another phone number")
            return answer
        self._check(phone)
        created = phone not in self.users
        user_id = self.users.setdefault(phone, fixtures.user_id_for(phone))
        self._remember(key, phone, (user_id, created))
        return user_id, created

    def _check(self, phone: str) -> None:
        if phone in self.blocked:
            raise ServiceError(403, "user_blocked", "This user is blocked.")
        if phone in self.without_account:
            raise ServiceError(404, "user_not_found", "There is no such user, and none is created.")
        if phone in self.unsupported:
            raise ServiceError(422, "phone_not_supported", "Numbers of this country are not served.")

    def _remember(self, key: str, phone: str, answer: tuple[str, bool]) -> None:
        self._answered[key] = (phone, answer)
        if len(self._answered) > _KEPT_KEYS:
            self._answered.popitem(last=False)

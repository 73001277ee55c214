"""personal, simulated: exactly contract personal.openapi.yaml."""

import hmac
from typing import Annotated, Any

import msgspec
from litestar import Request, post
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import JSONBody

from talaria.sandbox import fixtures as people
from talaria.sandbox.errors import Refused
from talaria.sandbox.service import Service


class RetrievePhone(msgspec.Struct, forbid_unknown_fields=True):
    """The question."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class Phone(msgspec.Struct):
    """The answer."""

    id: str
    value: str


def check_credentials(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard: the bearer token, if this personal wants one; the request id; JSON."""
    wanted = connection.app.state.service.token
    given = connection.headers.get("authorization", "")
    if wanted and not hmac.compare_digest(given.encode(), f"Bearer {wanted}".encode()):
        raise Refused(401, "bad_token", "The bearer token is missing or wrong.")
    check_form(connection)


def check_form(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """What personal and wind both demand of a request. Raises Refused."""
    if not connection.headers.get("x-request-id"):
        raise Refused(400, "bad_request", "x-request-id is missing.")
    if connection.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "unsupported_media_type", "The body must be application/json.")


@post("/v1/phones/retrieve", status_code=200, guards=[check_credentials], sync_to_thread=False)
def retrieve_phone(data: JSONBody[RetrievePhone], request: Request[Any, Any, Any]) -> Phone:
    """The phone number behind a personal_phone_id."""
    phone = request.app.state.service.phones.get(data.id)
    if phone is None:
        raise Refused(404, "not_found", "There is no such id.")
    return Phone(data.id, phone)


class Personal(Service):
    """`phones` maps ids to numbers and `token` is what callers must show (empty: nothing); both may be changed."""

    name = "personal"
    routes = (retrieve_phone,)

    def __init__(self, token: str = "") -> None:
        super().__init__()
        self.token = token
        self.phones = dict(people.PHONES)

"""personal, simulated: exactly contract personal.openapi.yaml."""

import hmac
from typing import Annotated, Any, Self

import msgspec
from litestar import Request, post
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import JSONBody

from talaria.sandbox import fixtures
from talaria.sandbox.folder import SandboxFolder, secret_setting
from talaria.sandbox.service import SimulatedService
from talaria.sandbox.service_errors import ServiceError

_CREDENTIAL = "personal-token"


class RetrievePhone(msgspec.Struct, forbid_unknown_fields=True):
    """The question."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class Phone(msgspec.Struct):
    """The answer."""

    id: str
    value: str


def check_token(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard: the bearer token, if this personal wants one; the request id; JSON."""
    wanted = connection.app.state.service.token
    given = connection.headers.get("authorization", "")
    if wanted and not hmac.compare_digest(given.encode(), f"Bearer {wanted}".encode()):
        raise ServiceError(401, "bad_token", "The bearer token is missing or wrong.")
    check_form(connection)


def check_form(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """What personal and wind both demand of a request. Raises ServiceError."""
    if not connection.headers.get("x-request-id"):
        raise ServiceError(400, "bad_request", "x-request-id is missing.")
    if connection.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise ServiceError(415, "unsupported_media_type", "The body must be application/json.")


@post("/v1/phones/retrieve", status_code=200, guards=[check_token], sync_to_thread=False)
def retrieve_phone(data: JSONBody[RetrievePhone], request: Request[Any, Any, Any]) -> Phone:
    """The phone number behind a personal_phone_id."""
    phone = request.app.state.service.phones.get(data.id)
    if phone is None:
        raise ServiceError(404, "not_found", "There is no such id.")
    return Phone(data.id, phone)


@post("/v1/emails/retrieve", status_code=200, guards=[check_token], sync_to_thread=False)
def retrieve_email(data: JSONBody[RetrievePhone], request: Request[Any, Any, Any]) -> Phone:
    """The e-mail address behind a personal_phone_id."""
    email = request.app.state.service.emails.get(data.id)
    if email is None:
        raise ServiceError(404, "not_found", "There is no such id.")
    return Phone(data.id, email)


class SimulatedPersonal(SimulatedService):
    """`phones` maps ids to numbers, `emails` to addresses; `token` is what callers must show (empty: nothing).

    All may be changed while it runs.
    """

    name = "personal"
    summary = "<personal_phone_id> is <phone>"
    routes = (retrieve_phone, retrieve_email)

    def __init__(self, token: str = "") -> None:
        super().__init__()
        self.token = token
        self.phones = dict(fixtures.PHONES)
        self.emails = dict(fixtures.EMAILS)

    @classmethod
    def create(cls, folder: SandboxFolder) -> Self:
        """One with the token in the folder."""
        return cls(folder.secret(_CREDENTIAL))

    def configuration(self) -> dict[str, Any]:
        """`[personal]`."""
        return {"personal": {"url": self.url, "token": secret_setting(_CREDENTIAL)}}

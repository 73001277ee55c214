"""talaria-services, simulated: takes what talaria-services.md says; offers a scooter rental and echo routes."""

import hmac
from typing import Any, Self

from litestar import Router
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from talaria.sandbox import echo_routes, scooters
from talaria.sandbox.folder import SandboxFolder, secret_setting
from talaria.sandbox.service import SimulatedService
from talaria.sandbox.service_errors import ServiceError
from talaria.sandbox.token_check import ServiceTokenCheck

_CREDENTIAL = "talaria-services-api-key"


async def check_request(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard: the API key, the service token, and that all that names the user and the route agrees."""
    services: SimulatedTalariaServices = connection.app.state.service
    if services.checks:
        await services.check(connection)


class SimulatedTalariaServices(SimulatedService):
    """`token_check` says which tokens are good; with `checks` off anything is served (for tests without a gateway).

    `unknown_users` holds user ids that are answered with 404 and `x-talaria-unknown-user: 1`.
    """

    name = "talaria-services"
    summary = "the request, for that user"
    routes = (Router("/", guards=[check_request], route_handlers=[*scooters.ROUTES, *echo_routes.ROUTES]),)

    def __init__(self, api_key: str) -> None:
        super().__init__()
        self.api_key = api_key
        self.token_check = ServiceTokenCheck("talaria-proxy", "talaria-services")
        self.checks = True
        self.unknown_users: set[str] = set()

    @classmethod
    def create(cls, folder: SandboxFolder) -> Self:
        """One with the API key in the folder."""
        return cls(folder.secret(_CREDENTIAL))

    def configuration(self) -> dict[str, Any]:
        """`[upstreams.talaria-services]`."""
        return {"upstreams": {self.name: {"urls": [self.url], "api_key": secret_setting(_CREDENTIAL)}}}

    async def check(self, connection: ASGIConnection[Any, Any, Any, Any]) -> None:
        """Raises ServiceError for a request that did not come through the gateway as it should."""
        if not hmac.compare_digest(_only(connection, "x-api-key").encode(), self.api_key.encode()):
            raise ServiceError(401, "bad_api_key", "x-api-key is wrong.")
        kind, _, token = _only(connection, "authorization").partition(" ")
        if kind != "Bearer":
            raise ServiceError(401, "bad_service_token", "authorization is not a bearer token.")
        claims = await self.token_check.claims_of(token)
        _check_user(connection, claims)
        if _only(connection, "x-api-tag") != claims["tag"]:
            raise ServiceError(403, "tag_mismatch", "x-api-tag is not the token's tag.")
        if claims["sub"] in self.unknown_users:
            raise ServiceError(404, "unknown_user", "There is no such user any more.", {"x-talaria-unknown-user": "1"})


def _check_user(connection: ASGIConnection[Any, Any, Any, Any], claims: dict[str, Any]) -> None:
    """A caller that names no person is the `sub` itself, and no header names a user then."""
    if claims["sub"] == claims["caller"]:
        if any(name.endswith("-user-id") for name in connection.headers):
            raise ServiceError(403, "user_mismatch", "The token names no user, but a header does.")
    elif "partner" not in claims:
        raise ServiceError(401, "bad_service_token", "The token names a user, but no partner.")
    elif _only(connection, f"x-{claims['partner']}-user-id") != claims["sub"]:
        raise ServiceError(403, "user_mismatch", "The user id header is not the token's sub.")


def _only(connection: ASGIConnection[Any, Any, Any, Any], name: str) -> str:
    values = connection.headers.getall(name, [])
    if len(values) != 1:
        raise ServiceError(401, "bad_headers", f"{name} is there {len(values)} times, not once.")
    return values[0]

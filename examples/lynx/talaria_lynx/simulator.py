"""lynx, simulated: the API, and its authorization server at an address of its own."""

import base64
import hmac
import uuid
from typing import Annotated, Any
from urllib.parse import parse_qs

import msgspec
from litestar import Request, post
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import JSONBody

from talaria.sandbox.fixtures import ANNA, BLOCKED, BORIS, EMAILS, NO_ACCOUNT
from talaria.testing.simulator import ServiceError, SimulatedPartner, SimulatedService

CLIENT_ID = "talaria"


class Search(msgspec.Struct, forbid_unknown_fields=True):
    """The question."""

    email: Annotated[str, msgspec.Meta(pattern=r"^[^@\s]+@[^@\s]+\Z")]


@post("/oauth2/token", status_code=200)
async def issue(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """The client credentials grant."""
    server: SimulatedAuthorizationServer = request.app.state.service
    basic = base64.b64encode(f"{CLIENT_ID}:{server.client_secret}".encode()).decode()
    if not hmac.compare_digest(request.headers.get("authorization", "").encode(), f"Basic {basic}".encode()):
        raise ServiceError(401, "invalid_client", "The client is unknown.", body={"error": "invalid_client"})
    if parse_qs((await request.body()).decode()).get("grant_type") != ["client_credentials"]:
        raise ServiceError(400, "unsupported", "Another grant.", body={"error": "unsupported_grant_type"})
    token = uuid.uuid4().hex
    server.good.add(token)
    return {"access_token": token, "token_type": "Bearer", "expires_in": 3600}


def check_token(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard."""
    lynx: SimulatedLynx = connection.app.state.service
    if connection.headers.get("authorization", "").removeprefix("Bearer ") not in lynx.authorization_server.good:
        raise ServiceError(401, "bad_token", "The token is missing, old or revoked.")


@post("/v2/members/search", status_code=200, guards=[check_token], sync_to_thread=False)
def search(data: JSONBody[Search], request: Request[Any, Any, Any]) -> dict[str, str]:
    """The member with this address; a new one is made."""
    lynx: SimulatedLynx = request.app.state.service
    if data.email in lynx.without_account:
        raise ServiceError(404, "no_member", "There is none.", body={"type": "urn:lynx:no-member"})
    if data.email in lynx.blocked:
        raise ServiceError(403, "suspended", "Suspended.", body={"type": "urn:lynx:suspended"})
    return {"uuid": lynx.users.setdefault(data.email, str(uuid.uuid4()))}


class SimulatedAuthorizationServer(SimulatedService):
    """`good` holds the tokens that are: take one out to revoke it."""

    name = "lynx-tokens"
    summary = "a token for talaria"
    routes = (issue,)

    def __init__(self, client_secret: str) -> None:
        super().__init__()
        self.client_secret = client_secret
        self.good: set[str] = set()


class SimulatedLynx(SimulatedPartner):
    """Runs its `authorization_server` beside itself. Both want the gateway's certificate."""

    name = "lynx"
    summary = "<email> is a member of lynx"
    routes = (search,)
    secret_names = ("client_secret",)
    user_ids = ("5bd4d5a2-0f5e-4f0c-9d0e-000000000001", "5bd4d5a2-0f5e-4f0c-9d0e-000000000002")
    calls = 2
    mutual_tls = True

    def __init__(self, client_secret: str) -> None:
        super().__init__(client_secret=client_secret)
        self.users = dict(zip((EMAILS[ANNA], EMAILS[BORIS]), self.user_ids, strict=True))
        self.blocked, self.without_account = {EMAILS[BLOCKED]}, {EMAILS[NO_ACCOUNT]}
        self.authorization_server = SimulatedAuthorizationServer(client_secret)

    def bind(self, host: str, port: int) -> None:
        """Takes an address for each of the two."""
        super().bind(host, port)
        self.authorization_server.tls = self.tls
        self.authorization_server.bind(host, 0)
        self.options = {"token_url": self.authorization_server.url, "client_id": CLIENT_ID}

    async def start(self) -> None:
        """Starts both."""
        await self.authorization_server.start()
        await super().start()

    async def stop(self) -> None:
        """Stops both."""
        await super().stop()
        await self.authorization_server.stop()

    def release(self) -> None:
        """Gives up both addresses."""
        super().release()
        self.authorization_server.release()

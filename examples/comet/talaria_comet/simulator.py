"""comet, simulated, as strict as the real one: a signature over time, nonce, method, path and the body's digest."""

import hashlib
import hmac
import uuid
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath

from talaria.testing.simulator import ReplayProtection, ServiceError, SimulatedPartner

KEY_ID = "talaria"


class Lookup(msgspec.Struct, forbid_unknown_fields=True):
    """The question."""

    msisdn: str


async def check_signature(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard."""
    comet: SimulatedComet = connection.app.state.service
    request = Request[Any, Any, Any](connection.scope, connection.receive)
    at, nonce = (connection.headers.get(f"x-comet-{name}", "") for name in ("time", "nonce"))
    digest = hashlib.sha256(await request.body()).hexdigest()
    target = connection.scope["raw_path"].decode()
    message = "\n".join((at, nonce, request.method, target, digest)).encode()
    signature = hmac.new(comet.secrets["signing_secret"].encode(), message, "sha256").hexdigest()
    if not hmac.compare_digest(signature, connection.headers.get("x-comet-signature", "")):
        raise ServiceError(401, "bad_signature", "The signature is wrong.")
    if connection.headers.get("x-comet-key") != KEY_ID or not comet.replays.admits(at, nonce):
        raise ServiceError(401, "bad_request", "An unknown key, an old time, or a nonce that was used.")


@post("/lookup", guards=[check_signature])
async def lookup(request: Request[Any, Any, Any]) -> Response[dict[str, int]]:
    """Takes the question; the answer is fetched elsewhere."""
    comet: SimulatedComet = request.app.state.service
    job = uuid.uuid4().hex
    comet.jobs[job] = msgspec.json.decode(await request.body(), type=Lookup).msisdn
    return Response({"poll_after_ms": 5}, status_code=202, headers={"location": f"/lookups/{job}"})


@get("/lookups/{job:str}", guards=[check_signature], sync_to_thread=False)
def found(job: FromPath[str], request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    """The account, or why there is none."""
    comet: SimulatedComet = request.app.state.service
    phone = comet.jobs.pop(job, None)
    if phone is None or phone in comet.without_account:
        return Response({"error": "no_account" if phone else "no_such_lookup"}, status_code=404)
    if phone in comet.blocked:
        return Response({"error": "locked"}, status_code=423)
    user_id = comet.users.setdefault(phone, str(2000 + len(comet.users)))
    return Response({"account": {"id": int(user_id)}})


@get("/status", status_code=204, guards=[check_signature], sync_to_thread=False)
def status() -> None:
    """For a program that wants to know whether its key is good."""


class SimulatedComet(SimulatedPartner):
    """`jobs`: the phone number of each lookup that was not fetched yet."""

    name = "comet"
    summary = "<phone> is an account of comet"
    routes = (lookup, found, status)
    secret_names = ("signing_secret",)
    options = {"key_id": KEY_ID}
    user_ids = ("1001", "1002")
    calls = 2

    def __init__(self, **secrets: str) -> None:
        super().__init__(**secrets)
        self.jobs: dict[str, str] = {}
        self.replays = ReplayProtection(window=30.0)

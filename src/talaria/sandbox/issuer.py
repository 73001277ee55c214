"""The callers' token issuer, simulated: in production it is the app's identity service."""

import time
import uuid
from typing import Annotated, Any, Self

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from litestar import Request, get, post
from litestar.params import JSONBody

from talaria.sandbox.folder import SandboxFolder
from talaria.sandbox.service import SimulatedService

TWELVE_HOURS = 12 * 3600


class WantedToken(msgspec.Struct, forbid_unknown_fields=True):
    """The person that the token names, and for how many seconds it is valid."""

    personal_phone_id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    lifetime: Annotated[int, msgspec.Meta(ge=1, le=24 * 3600)] = TWELVE_HOURS


@post("/token", status_code=200, sync_to_thread=False)
def make_token(data: JSONBody[WantedToken], request: Request[Any, Any, Any]) -> dict[str, str]:
    """A caller's token. Anyone may have one: this is a sandbox."""
    issuer: SimulatedIssuer = request.app.state.service
    return {"token": issuer.token(data.personal_phone_id, data.lifetime)}


@get("/.well-known/jwks.json", sync_to_thread=False)
def key_set(request: Request[Any, Any, Any]) -> dict[str, list[dict[str, Any]]]:
    """The public key that verifies the tokens (RFC 7517)."""
    issuer: SimulatedIssuer = request.app.state.service
    return {"keys": [issuer.public_jwk()]}


class SimulatedIssuer(SimulatedService):
    """Signs with ES256. `key` and `kid` may be changed while it runs: that is a rotation."""

    name = "issuer"
    summary = "the caller's key set"
    routes = (make_token, key_set)

    issuer = "https://id.app.example"
    audience = "talaria-proxy"

    def __init__(self, key: EllipticCurvePrivateKey) -> None:
        super().__init__()
        self.key = key
        self.kid = "app-1"

    @classmethod
    def create(cls, folder: SandboxFolder) -> Self:
        """One that signs with the caller's key in the folder."""
        return cls(folder.caller_key())

    def configuration(self) -> dict[str, Any]:
        """`[callers.app]`."""
        jwks_url = f"{self.url}/.well-known/jwks.json"
        app = {"issuer": self.issuer, "audience": self.audience, "algorithms": ["ES256"], "jwks_url": jwks_url}
        return {"callers": {"app": app}}

    def token(self, personal_phone_id: str, lifetime: int = TWELVE_HOURS, **claims: object) -> str:
        """A good token for a person; `claims` are added or, where they are None, taken away."""
        now = int(time.time())
        good: dict[str, object] = {
            "iss": self.issuer,
            "aud": self.audience,
            "iat": now,
            "exp": now + lifetime,
            "jti": uuid.uuid4().hex,
            "personal_phone_id": personal_phone_id,
        }
        wanted = {name: value for name, value in {**good, **claims}.items() if value is not None}
        return jwt.encode(wanted, self.key, algorithm="ES256", headers={"kid": self.kid})

    def public_jwk(self) -> dict[str, Any]:
        """The public key as a JWK."""
        jwk = jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {**jwk, "kid": self.kid, "use": "sig", "alg": "ES256"}

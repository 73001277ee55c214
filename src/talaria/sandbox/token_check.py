"""How the simulated talaria-services checks the gateway's service token: against the gateway's key set."""

from typing import Any

import httpx
import jwt

from talaria.sandbox.loopback_client import loopback_client
from talaria.sandbox.service_errors import ServiceError

_REQUIRED = ["iss", "sub", "aud", "iat", "nbf", "exp", "jti", "tag", "caller"]
_ALGORITHMS = ["ES256", "RS256", "EdDSA"]


class ServiceTokenCheck:
    """Keys are fetched from `jwks_url` when a `kid` is not known yet."""

    def __init__(self, issuer: str, audience: str) -> None:
        self.issuer = issuer
        self.audience = audience
        self.jwks_url = ""
        self._keys: dict[str, jwt.PyJWK] = {}

    async def claims_of(self, token: str) -> dict[str, Any]:
        """The claims of a good service token.

        Raises ServiceError: 401 for a bad one, 503 where no keys are to be had.
        """
        try:
            head = jwt.get_unverified_header(token)
            if head.get("typ") != "JWT":
                raise ServiceError(401, "bad_service_token", "typ must be JWT.")
            key = await self._key(str(head.get("kid")))
            return jwt.decode(
                token,
                key,
                algorithms=_ALGORITHMS,
                issuer=self.issuer,
                audience=self.audience,
                options={"require": _REQUIRED},
            )
        except jwt.PyJWTError as error:
            message = f"The service token is not good: {type(error).__name__}."
            raise ServiceError(401, "bad_service_token", message) from error

    async def fetch_keys(self) -> None:
        """Take the gateway's key set as it is now. Raises ServiceError (503) where it can't be fetched."""
        try:
            async with loopback_client() as client:
                document = (await client.get(self.jwks_url)).text
            self._keys = {str(key.key_id): key for key in jwt.PyJWKSet.from_json(document).keys}
        except (httpx.HTTPError, ValueError, jwt.PyJWTError) as error:
            raise ServiceError(503, "no_keys", "The gateway's key set can't be fetched.") from error

    async def _key(self, kid: str) -> jwt.PyJWK:
        if kid not in self._keys:
            await self.fetch_keys()
        if kid not in self._keys:
            raise ServiceError(401, "bad_service_token", "The key set has no such kid.")
        return self._keys[kid]

"""How the simulated talaria-services checks who a request is for: the gateway's token against the gateway's key set."""

import asyncio
import http.client
from typing import Any

import jwt

from talaria.sandbox.client import fetch
from talaria.sandbox.errors import Refused

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
        """The claims of a good service token. Raises Refused: 401 for a bad one, 503 where no keys are to be had."""
        try:
            head = jwt.get_unverified_header(token)
            if head.get("typ") != "JWT":
                raise Refused(401, "bad_service_token", "typ must be JWT.")
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
            raise Refused(
                401, "bad_service_token", f"The service token is not good: {type(error).__name__}."
            ) from error

    async def fetch_keys(self) -> None:
        """Take the gateway's key set as it is now. Raises Refused (503) where it can't be fetched."""
        try:
            answer = await asyncio.to_thread(fetch, self.jwks_url)
            self._keys = {str(key.key_id): key for key in jwt.PyJWKSet.from_json(answer.body.decode()).keys}
        except (OSError, http.client.HTTPException, ValueError, jwt.PyJWTError) as error:
            raise Refused(503, "no_keys", "The gateway's key set can't be fetched.") from error

    async def _key(self, kid: str) -> jwt.PyJWK:
        if kid not in self._keys:
            await self.fetch_keys()
        if kid not in self._keys:
            raise Refused(401, "bad_service_token", "The key set has no such kid.")
        return self._keys[kid]

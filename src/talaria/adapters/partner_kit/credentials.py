"""The three usual credentials. Each secret stays a `Sensitive` up to the header that it is sent in."""

import base64
import hashlib
import hmac
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Literal
from urllib.parse import quote_plus

import msgspec

from talaria.adapters.dependency_messages import Sign, SignedRequest
from talaria.adapters.partner_kit.http import PartnerHttp
from talaria.adapters.partner_kit.tokens import AccessToken, Fetch
from talaria.domain.errors import PartnerBadAnswer
from talaria.domain.events import HopContext
from talaria.domain.model import Sensitive

LIFE_UNSAID = 300.0
"""Seconds that a token is good for without a word of its life (RFC 6749, 5.1, recommends one)."""


class _Token(msgspec.Struct):
    access_token: str
    token_type: str = "bearer"  # noqa: S105 - a word of RFC 6750
    expires_in: float = LIFE_UNSAID


def api_key(key: Sensitive | None, header: str = "x-api-key", before: str = "") -> Sign:
    """The key in a header; `before` stands before it, such as "Bearer ". No key: no header."""
    return lambda _: {header: before + key.reveal()} if key is not None else {}


def hmac_signature(
    secret: Sensitive,
    *,
    parts: Sequence[str],
    headers: Mapping[str, str],
    between: str = "\n",
    digest: str = "sha256",
    encoding: Literal["hex", "base64"] = "hex",
    wall: Callable[[], float] = time.time,
) -> Sign:
    """An HMAC (RFC 2104) over parts of each attempt, joined by `between`.

    `parts` and, in braces, `headers` name: `time` (seconds since the epoch, by `wall`), `nonce` (a new one for each
    attempt), `method`, `host`, `target` (path and query), `digest` (of the body, encoded as the signature is);
    `headers` also `signature`.
    """

    def encoded(value: bytes) -> str:
        return value.hex() if encoding == "hex" else base64.b64encode(value).decode()

    def sign(request: SignedRequest) -> Mapping[str, str]:
        known = {
            "time": str(int(wall())),
            "nonce": uuid.uuid4().hex,
            "method": request.method,
            "host": request.host,
            "target": request.target,
            "digest": encoded(hashlib.new(digest, request.body).digest()),
        }
        message = between.join(known[part] for part in parts).encode()
        known["signature"] = encoded(hmac.digest(secret.reveal().encode(), message, digest))
        return {name: text.format_map(known) for name, text in headers.items()}

    return sign


def client_credentials(
    http: PartnerHttp,
    path: str,
    *,
    client_id: str,
    client_secret: Sensitive,
    scope: str = "",
    way: Literal["basic", "form"] = "basic",
) -> Fetch:
    """A fetch for `PartnerContext.tokens`: the client credentials grant (RFC 6749, 4.4) at `path` of `http`.

    `way`: how the client shows its secret (2.3.1), by HTTP Basic or in the form.
    """

    async def fetch(call: HopContext) -> AccessToken:
        form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
        headers = {}
        if way == "form":
            form |= {"client_id": client_id, "client_secret": client_secret.reveal()}
        else:
            pair = f"{quote_plus(client_id)}:{quote_plus(client_secret.reveal())}"
            headers = {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        response = await http.post(path, call=call, form=form, headers=headers)
        if response.status != 200:
            raise PartnerBadAnswer(f"no token: status {response.status}")
        token = response.json(_Token)
        if token.token_type.lower() != "bearer":
            raise PartnerBadAnswer("no token of the type Bearer")
        return AccessToken(token.access_token, token.expires_in)

    return fetch

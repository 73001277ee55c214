"""The form of a token, read before anything of it is believed.

Rules: what is cheap is checked first, and every limit holds before the step that it protects. Nothing here says that
a token is good: the result only selects a caller, and that caller's rules and keys then verify the token.

RFC 7515 (compact form, header), RFC 7519 (claims), RFC 8725 (what goes wrong with both).
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

from talaria.adapters.auth.jwk import ALGORITHMS
from talaria.domain.errors import InvalidToken

TOKEN_LIMIT = 8 * 1024
HEADER_LIMIT = 4 * 1024
DEPTH_LIMIT = 8

# RFC 7519, 5.1, and RFC 9068, 2.1; "application/" may be left out (RFC 7515, 4.1.9).
_TYPES = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})
# They change what a signature covers. A key that a token brings or points to (jwk, jku, x5c, x5u) is never looked at.
_REFUSED_FIELDS = frozenset({"crit", "b64", "zip"})
# A string is swallowed whole and its end is optional, so that no input is looked at twice.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.?)*+"?', re.DOTALL)
_ALIKE = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


@dataclass(frozen=True, slots=True, repr=False)
class UnverifiedToken:
    """What a token says of itself. No word of it is proven."""

    algorithm: str
    kid: str | None
    claims: dict[str, Any]


def read_token(token: bytes) -> UnverifiedToken:
    """The header's choice of key and the claims of a compact JWS.

    Raises InvalidToken for whatever another reader could take differently: lengths, parts, base64url, JSON, header.
    """
    if len(token) > TOKEN_LIMIT:
        raise InvalidToken("too long")
    parts = token.split(b".")
    if len(parts) != 3 or not all(parts):
        raise InvalidToken("parts")
    if len(parts[0]) > HEADER_LIMIT:
        raise InvalidToken("header too long")
    header = _read_object(_decode(parts[0]))
    algorithm, kid = _read_header(header)
    _decode(parts[2])
    return UnverifiedToken(algorithm, kid, _read_object(_decode(parts[1])))


def _read_header(header: dict[str, Any]) -> tuple[str, str | None]:
    if not _REFUSED_FIELDS.isdisjoint(header):
        raise InvalidToken("header field")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise InvalidToken("algorithm")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise InvalidToken("typ")
    if "kid" in header and not isinstance(header["kid"], str):
        raise InvalidToken("kid")
    return algorithm, header.get("kid")


def _decode(part: bytes) -> bytes:
    """Base64url without padding. Only the one canonical spelling of the bytes passes."""
    try:
        decoded = urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except ValueError:
        raise InvalidToken("base64url") from None
    # The library skips foreign characters and stray bits; writing it again shows both.
    if urlsafe_b64encode(decoded).rstrip(b"=") != part:
        raise InvalidToken("base64url")
    return decoded


def _read_object(data: bytes) -> dict[str, Any]:
    if _too_deep(data):
        raise InvalidToken("depth")
    try:
        # Decoded here: json would guess UTF-16 and UTF-32 from bytes.
        value = json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except ValueError:
        # The library's exception carries the whole document.
        raise InvalidToken("json") from None
    if not isinstance(value, dict):
        raise InvalidToken("json")
    return value


def _too_deep(data: bytes) -> bool:
    """Whether brackets outside of strings go deeper than the limit. Unclosed ones, which are no JSON, may double it."""
    # Few brackets can't go deep, wherever they stand: that is every usual token.
    if data.count(b"{") + data.count(b"[") <= DEPTH_LIMIT:
        return False
    brackets = _STRING.sub(b"", data).translate(_ALIKE, _NO_BRACKETS)
    for _ in range(DEPTH_LIMIT):
        brackets = brackets.replace(b"[]", b"")  # one layer: the innermost pairs, wherever they are
    return b"[]" in brackets or brackets.count(b"[") > DEPTH_LIMIT


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refuse_constant(_: str) -> None:
    raise ValueError("not JSON")

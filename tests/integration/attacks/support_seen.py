"""What must hold of every request that talaria-services gets, whatever the client sent."""

from collections import Counter
from typing import Any

import jwt

from tests.integration.gateway.support_gateway import Town
from tests.integration.gateway.support_raw import Head
from tests.integration.gateway.support_services import SERVICES_API_KEY
from tests.support_printed import FORBIDDEN

MARK = "mallory"
"""Stands in every value that a client may not say; no request carries it on in a header."""

ONCE = {
    "authorization", "forwarded", "host", "via", "x-api-key", "x-api-tag", "x-forwarded-for",
    "x-forwarded-host", "x-forwarded-proto", "x-request-id", "x-request-timeout-ms",
}  # fmt: skip
"""What the gateway sets in each request, exactly once; the partner's user id comes on top."""

NEVER = {
    "connection", "expect", "http2settings", "keepalive", "proxyauthenticate", "proxyauthorization",
    "proxyconnection", "te", "trailer", "upgrade",
}  # fmt: skip
USER_IDS = {"xwinduserid", "xboltuserid"}
ALPHABET = set("abcdefghijklmnopqrstuvwxyz0123456789-")
OURS = {"authorization", "x-api-key"}


def fold(name: str) -> str:
    """A name as the laxest of servers compares it."""
    return "".join(character for character in name.lower() if character.isascii() and character.isalnum())


def check_seen(head: Head, town: Town, user_id: str) -> None:
    """One identity, the right one; each protected header once; nothing smuggled and no secret in any other place."""
    check_identity(head, town, user_id)
    assert not [line for line in head.lines if MARK.encode() in b": ".join(line).lower()], head.names()
    check_secrets(head)


def check_identity(head: Head, town: Town, user_id: str, tag: str = "wind") -> Any:
    """The user of the request, once for each place that names it. What its service token claims."""
    names = head.names()
    user_header = f"x-{tag}-user-id"
    folded = Counter(map(fold, names))
    assert {name: (folded[fold(name)], names.count(name)) for name in ONCE} == dict.fromkeys(ONCE, (1, 1)), names
    assert [name for name in folded if name in USER_IDS] == [fold(user_header)], names
    assert head.one(user_header) == user_id
    assert not [name for name in names if set(name) - ALPHABET or fold(name) in NEVER], names
    assert not [name for name in names if fold(name).startswith("xtalaria")], names
    assert folded["contentlength"] + folded["transferencoding"] <= 1, names
    assert folded["traceparent"] <= 1, names
    assert (head.one("x-api-tag"), head.one("x-api-key")) == (tag, SERVICES_API_KEY)
    assert head.one("host") == town.upstream.url.removeprefix("http://")
    return check_service_token(head, town, user_id, tag)


def check_service_token(head: Head, town: Town, user_id: str, tag: str) -> dict[str, Any]:
    """The token is ours, new, and about this user."""
    scheme, _, token = head.one("authorization").partition(" ")
    assert scheme == "Bearer"
    claims: dict[str, Any] = jwt.decode(
        token, town.signing_key.public_key(), algorithms=["ES256"], audience="talaria-services", issuer="talaria-proxy"
    )
    assert (claims["sub"], claims["partner"], claims["tag"]) == (user_id, tag, tag)
    return claims


def check_secrets(head: Head) -> None:
    """No person, no caller's token and no key of ours goes on, but where the contract says so: in no url, for one."""
    text = head.first + b"\n" + b"\n".join(b": ".join(line) for line in head.lines if line[0].decode() not in OURS)
    assert not secrets_in(text), text


def secrets_in(data: bytes) -> list[str]:
    """What these bytes say that must not be read there."""
    text = data.decode("latin-1")
    return [what for what, pattern in FORBIDDEN.items() if pattern.search(text)]

"""Authenticates API keys, and authorizes callers for routes and networks. Tokens are verified by `TokenVerifier`."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from hmac import compare_digest

from talaria.domain.errors import BadRequest, CallerNotAllowed, InvalidToken, MissingToken
from talaria.domain.forwarded import Network, contains
from talaria.domain.model import Principal, Route


def bearer_token(authorizations: list[bytes]) -> bytes:
    """The token in the `Authorization` lines (RFC 6750, section 2.1; the scheme in any case).

    Raises MissingToken (no line, or another scheme), BadRequest (two lines), InvalidToken (a scheme without a token).
    """
    if not authorizations:
        raise MissingToken
    if len(authorizations) > 1:
        raise BadRequest("two authorization fields")
    scheme, _, token = authorizations[0].partition(b" ")
    if scheme.lower() != b"bearer":
        raise MissingToken
    token = token.strip(b" ")
    if not token:
        raise InvalidToken("no token")
    return token


def check_caller_allowed(route: Route, principal: Principal) -> None:
    """Raises CallerNotAllowed where the route does not list the principal's caller."""
    if principal.caller not in route.callers:
        raise CallerNotAllowed


class ApiKeys:
    """Callers that name no person, by their API keys: a caller has several while one replaces another."""

    def __init__(self, keys: Mapping[str, Sequence[bytes]]) -> None:
        self._digests = [(caller, sha256(key).digest()) for caller, known in keys.items() for key in known]

    def authenticate(self, lines: list[bytes]) -> Principal:
        """The principal, without a person, of the caller that the `X-Api-Key` lines authenticate.

        The time it takes tells nothing of the keys: the digest is compared with every known one.
        Raises MissingToken (no line), BadRequest (two lines), InvalidToken (no known key).
        """
        if not lines:
            raise MissingToken("no API key")
        if len(lines) > 1:
            raise BadRequest("two x-api-key fields")
        given = sha256(lines[0]).digest()
        found = ""
        for caller, digest in self._digests:
            if compare_digest(given, digest):
                found = caller
        if not found:
            raise InvalidToken("API key")
        return Principal(found, None)


class NetworkAllowlist:
    """The callers that are `bound` to networks; any other caller may call from anywhere."""

    def __init__(self, networks: Mapping[str, Sequence[Network]]) -> None:
        self._networks = {caller: tuple(bound) for caller, bound in networks.items() if bound}
        self.bound = frozenset(self._networks)

    def check(self, caller: str, address: str) -> None:
        """Raises CallerNotAllowed where a bound caller's request comes from another address, or an unknown one."""
        if not contains(self._networks[caller], address):
            raise CallerNotAllowed("its address")

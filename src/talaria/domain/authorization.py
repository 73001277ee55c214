"""Step 2: whose token or API key is it, and may this caller use this route, from there? What makes a token good is the
verifier's.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from hmac import compare_digest

from talaria.domain.errors import BadRequest, CallerNotAllowed, InvalidToken, MissingToken
from talaria.domain.model import NOBODY, Person, Route
from talaria.domain.networks import Network, contain


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


def admit(route: Route, person: Person) -> None:
    """Raises CallerNotAllowed where the route does not admit the caller that vouches for this person."""
    if person.caller not in route.callers:
        raise CallerNotAllowed


class ApiKeys:
    """Callers that name no person, by their API keys: several for one caller while it changes from one to the next."""

    def __init__(self, keys: Mapping[str, Sequence[bytes]]) -> None:
        self._digests = [(caller, sha256(key).digest()) for caller, known in keys.items() for key in known]

    def caller_of(self, lines: list[bytes]) -> Person:
        """Nobody, vouched for by the caller whose key stands in the `X-Api-Key` lines.

        How long it takes says nothing of the keys: digests are compared, each with every one.
        Raises MissingToken (no line), BadRequest (two lines), InvalidToken (nobody's key).
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
        return Person(found, NOBODY)


class Origins:
    """Callers that are `bound` to networks; who is not among them may call from anywhere."""

    def __init__(self, networks: Mapping[str, Sequence[Network]]) -> None:
        self._networks = {caller: tuple(bound) for caller, bound in networks.items() if bound}
        self.bound = frozenset(self._networks)

    def check(self, caller: str, address: str) -> None:
        """Raises CallerNotAllowed for a request of a bound caller from another address, or from none that is known."""
        if not contain(self._networks[caller], address):
            raise CallerNotAllowed("its address")

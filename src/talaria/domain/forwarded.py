"""`Forwarded` and `X-Forwarded-*`: written anew, and believed only where a trusted proxy sent them (RFC 7239).

A proxy may write either of the two, and pass the other on as a stranger sent it. Where both say who the client is and
they disagree, neither is believed: the client's address is unknown then.
"""

import re
from collections.abc import Sequence

from talaria.domain.headers import Head
from talaria.domain.model import Headers
from talaria.domain.networks import Network, contain

_KEPT_AT_MOST = 1024
_HOST_KEPT = 255
# Spaces are swallowed whole, or each of them would be tried as the end of the first run of spaces.
_PAIR = re.compile(rb"""[ \t]*+(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^\s",;]*))?[ \t]*+([,;]|$)""")
_ESCAPED = re.compile(rb"\\(.)")


class Forwarding:
    """Says who the client is, and tells the upstream. `trusted`: the networks of proxies in front of us."""

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = tuple(trusted)
        self._written: dict[tuple[str, str, bytes], Headers] = {}

    def headers(self, head: Head, peer: str, scheme: str) -> Headers:
        """The four forwarding headers for a request of this TCP peer."""
        if self._trusted and self.trusts(peer):
            return self._continued(head, peer, scheme)
        key = (peer, scheme, head.taken[b"host"])
        written = self._written.get(key)
        if written is None:
            if len(self._written) >= _KEPT_AT_MOST:
                self._written.clear()
            written = _anew(*key)
            if len(key[2]) <= _HOST_KEPT:
                self._written[key] = written
        return written

    def trusts(self, address: str) -> bool:
        """Is this the address of a trusted proxy? An IPv4 address that came over an IPv6 socket is IPv4."""
        return contain(self._trusted, address)

    def client_address(self, head: Head, peer: str) -> str:
        """The rightmost hop that is no trusted proxy: the address that the request came from. Empty: unknown."""
        if not self._trusted or not self.trusts(peer):
            return peer
        chains = [_x_forwarded_for(head), [_address(one.get(b"for", b"")) for one in _forwarded(head)]]
        clients = {self._client_of(chain) for chain in chains if chain}
        return peer if not clients else clients.pop() if len(clients) == 1 else ""

    def _client_of(self, hops: list[str]) -> str:
        return next((hop for hop in reversed(hops) if not self.trusts(hop)), hops[0])

    def _continued(self, head: Head, peer: str, scheme: str) -> Headers:
        host = head.taken[b"host"]
        said = _forwarded(head)
        first = said[0] if said else {}
        hops = head.all(b"x-forwarded-for") or [_address(one.get(b"for", b"unknown")).encode("latin-1") for one in said]
        return [
            (b"forwarded", b", ".join([*head.all(b"forwarded"), _element(peer, scheme, host)])),
            (b"x-forwarded-for", b", ".join([*hops, (peer or "unknown").encode()])),
            (b"x-forwarded-proto", head.only(b"x-forwarded-proto") or first.get(b"proto") or scheme.encode()),
            (b"x-forwarded-host", head.only(b"x-forwarded-host") or first.get(b"host") or host),
        ]


def _x_forwarded_for(head: Head) -> list[str]:
    elements = b",".join(head.all(b"x-forwarded-for")).split(b",")
    return [_address(hop) for element in elements if (hop := element.strip())]


def _forwarded(head: Head) -> list[dict[bytes, bytes]]:
    """The elements of `Forwarded`, each with its parameters; none of them where the whole is malformed."""
    line = b",".join(head.all(b"forwarded"))
    elements: list[dict[bytes, bytes]] = [{}]
    at = 0
    while at < len(line):
        match = _PAIR.match(line, at)
        if match is None or match.end() == at:
            return []
        name, value, end = match.groups()
        if name is not None:
            elements[-1][name.lower()] = _unquoted(value)
        if end == b",":
            elements.append({})
        at = match.end()
    return [element for element in elements if element]


def _unquoted(value: bytes) -> bytes:
    return _ESCAPED.sub(rb"\1", value[1:-1]) if value.startswith(b'"') else value


def _address(node: bytes) -> str:
    """The address of a hop, without its port and without the brackets of IPv6."""
    text = node.decode("latin-1")
    if text.startswith("["):
        return text[1:].partition("]")[0]
    host, _, port = text.partition(":")
    return text if ":" in port else host


def _anew(peer: str, scheme: str, host: bytes) -> Headers:
    return [
        (b"forwarded", _element(peer, scheme, host)),
        (b"x-forwarded-for", (peer or "unknown").encode()),
        (b"x-forwarded-proto", scheme.encode()),
        (b"x-forwarded-host", host),
    ]


def _element(peer: str, scheme: str, host: bytes) -> bytes:
    node = f'"[{peer}]"' if ":" in peer else peer or "unknown"
    quoted = host.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b'for=%s;host="%s";proto=%s' % (node.encode(), quoted, scheme.encode())

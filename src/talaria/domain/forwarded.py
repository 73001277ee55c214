"""`Forwarded` and `X-Forwarded-*`: written anew, and believed only where a trusted proxy sent them (RFC 7239).

A proxy may write either of the two and pass the other on as its client sent it. Where both name a client and they
disagree, neither is believed: the client's address is unknown then.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from talaria.domain.headers import RequestHeaders, append_element
from talaria.domain.http import Headers
from talaria.domain.memo import BoundedMemo

Network = IPv4Network | IPv6Network

_WRITTEN = 1024
_hops: BoundedMemo[bytes, str] = BoundedMemo(1024)
"""The last element of `X-Forwarded-For` -> its address."""
_LONGEST_HOST = 255
# Spaces are swallowed whole, or each of them would be tried as the end of the first run of spaces.
_PAIR = re.compile(rb"""[ \t]*+(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^\s",;]*))?[ \t]*+([,;]|$)""")
_ESCAPED = re.compile(rb"\\(.)")


class ForwardedHeaders:
    """Finds the client's address, and writes it for the upstream. `trusted`: the networks of proxies in front of us."""

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = tuple(trusted)
        self._written: BoundedMemo[tuple[str, str, bytes], Headers] = BoundedMemo(_WRITTEN)

    def headers(self, head: RequestHeaders, peer: str, scheme: str) -> Headers:
        """The four forwarding headers for a request of this TCP peer."""
        if self.trusts(peer):
            return self.continued(head, peer, scheme)
        return self._begun(head, peer, scheme)

    def continued(self, head: RequestHeaders, peer: str, scheme: str) -> Headers:
        """The same, where it is known that this peer is a trusted proxy."""
        forwarded, _, proto, host = self._begun(head, peer, scheme)
        elements = _forwarded(head)
        first = elements[0] if elements else {}
        hops = head.all(b"x-forwarded-for") or [
            _address(one.get(b"for", b"unknown")).encode("latin-1") for one in elements
        ]
        return [
            (b"forwarded", append_element(head.all(b"forwarded"), forwarded[1])),
            (b"x-forwarded-for", append_element(hops, peer.encode())),
            (b"x-forwarded-proto", head.only(b"x-forwarded-proto") or first.get(b"proto") or proto[1]),
            (b"x-forwarded-host", head.only(b"x-forwarded-host") or first.get(b"host") or host[1]),
        ]

    def _begun(self, head: RequestHeaders, peer: str, scheme: str) -> Headers:
        key = (peer, scheme, head.consumed[b"host"])
        written = self._written.get(key)
        if written is None:
            written = _fresh(*key)
            if len(key[2]) <= _LONGEST_HOST:
                self._written.remember(key, written)
        return written

    def trusts(self, address: str) -> bool:
        """Is this the address of a trusted proxy? An IPv4 address that came over an IPv6 socket is IPv4."""
        return bool(self._trusted) and contains(self._trusted, address)

    def client_address(self, head: RequestHeaders, peer: str) -> str:
        """The rightmost hop that is no trusted proxy: the address that the request came from. Empty: unknown."""
        if not self.trusts(peer):
            return peer
        chains = [_x_forwarded_for(head), [_address(one.get(b"for", b"")) for one in _forwarded(head)]]
        clients = {self._client_of(chain) for chain in chains if chain}
        return peer if not clients else clients.pop() if len(clients) == 1 else ""

    def _client_of(self, hops: list[str]) -> str:
        return next((hop for hop in reversed(hops) if not self.trusts(hop)), hops[0])


def last_hop(lines: Sequence[bytes]) -> tuple[str, bytes]:
    """The last hop that `X-Forwarded-For` lines name, by its address, and what stands before it.

    The address is empty where there is no hop, or where the last one is no address.
    """
    before, _, last = b", ".join(lines).rpartition(b",")
    hop = _hops.get(last)
    return _hops.remember(last, _hop_of(last)) if hop is None else hop, before.strip()


def _hop_of(element: bytes) -> str:
    try:
        return str(_parsed(_address(element.strip())))
    except ValueError:
        return ""


def _x_forwarded_for(head: RequestHeaders) -> list[str]:
    elements = b",".join(head.all(b"x-forwarded-for")).split(b",")
    return [_address(hop) for element in elements if (hop := element.strip())]


def _forwarded(head: RequestHeaders) -> list[dict[bytes, bytes]]:
    """The elements of `Forwarded`, each with its parameters; none of them where the whole is malformed."""
    line = b", ".join(head.all(b"forwarded"))
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


def _fresh(peer: str, scheme: str, host: bytes) -> Headers:
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


def unmap_ipv4(address: str) -> str:
    """An IPv4-mapped IPv6 address (a client of an IPv6 socket) as IPv4; any other address as it is."""
    return address.removeprefix("::ffff:") if "." in address else address


def contains(networks: Sequence[Network], address: str) -> bool:
    """Whether one of the networks has this address, an IPv4-mapped one as IPv4. A text that is no address: False."""
    try:
        parsed = _parsed(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)


def _parsed(address: str) -> IPv4Address | IPv6Address:
    """An address, an IPv4-mapped one as IPv4. Raises ValueError."""
    parsed = ip_address(address)
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return mapped or parsed

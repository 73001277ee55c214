"""`Forwarded` and `X-Forwarded-*`: written anew, and believed only where a trusted proxy sent them (RFC 7239)."""

from collections.abc import Sequence

from talaria.domain.model import Headers
from talaria.domain.networks import Network, contain
from talaria.domain.shaping import Head

_KEPT_AT_MOST = 1024
_HOST_KEPT = 255


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
        """The rightmost hop that is no trusted proxy: the address that the request came from."""
        if not self._trusted or not self.trusts(peer):
            return peer
        elements = b",".join(head.all(b"x-forwarded-for")).split(b",")
        hops = [hop.decode("latin-1") for element in elements if (hop := element.strip())]
        return next((hop for hop in reversed(hops) if not self.trusts(hop)), hops[0] if hops else peer)

    def _continued(self, head: Head, peer: str, scheme: str) -> Headers:
        host = head.taken[b"host"]
        proto = head.only(b"x-forwarded-proto") or scheme.encode()
        first_host = head.only(b"x-forwarded-host") or host
        return [
            (b"forwarded", b", ".join([*head.all(b"forwarded"), _element(peer, scheme, host)])),
            (b"x-forwarded-for", b", ".join([*head.all(b"x-forwarded-for"), (peer or "unknown").encode()])),
            (b"x-forwarded-proto", proto),
            (b"x-forwarded-host", first_host),
        ]


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

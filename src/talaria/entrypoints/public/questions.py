"""The questions of edge proxies, each about one request.

Rules:

1. A question is `/decide` with `X-Forwarded-Method` and `X-Forwarded-Uri`, or `/decide/<path>?<query>` with the
   request's own method. Both at once are refused: which of two targets was decided on would be a guess.
2. Of the question's own connection, method and query nothing counts; the method only says whether the response has a
   body.
3. The edge is the last hop in front of the upstream, so its client's address, protocol and host are what its
   `X-Forwarded-*` say.
"""

from collections.abc import Mapping
from typing import Final

from talaria.domain.errors import BadRequest
from talaria.domain.forwarded import last_hop
from talaria.domain.http import ClientRequest, Headers
from talaria.domain.routing import check_known_method
from talaria.entrypoints.public.server.cycle import RequestResponseCycle
from talaria.entrypoints.public.validation import check_target

_QUESTION: Final = b"/decide"
_FOR: Final = b"x-forwarded-for"
OF_THE_EDGE: Final = frozenset({_FOR, *(b"x-forwarded-" + name for name in b"method uri host proto".split())})
"""The headers by which an edge asks: no headers of the request that it asks about."""

Said = Mapping[bytes, list[bytes]]
"""The lines of each of OF_THE_EDGE that a question has."""


def asked_by(method: str, target: bytes, said: Said, edge: str) -> ClientRequest:
    """What a question with this method and target of its own says of its request, which came from this TCP peer.

    The headers are those of the way here, as far as it names them: the hops in front of its client, and the host.
    Raises BadRequest, or what a request with the method or the target that is asked for is refused with.
    """
    method, target = _method_and_target(method, target, said)
    check_known_method(method)
    check_target(target)
    chain, hosts, schemes = said.get(_FOR), said.get(b"x-forwarded-host", ()), said.get(b"x-forwarded-proto")
    peer, hops = last_hop(chain) if chain else (edge, b"")
    headers = [(_FOR, hops)] if hops else []
    if len(hosts) == 1:
        headers.append((b"host", hosts[0]))
    return ClientRequest(method, target, headers, peer=peer, scheme="https" if schemes == [b"https"] else "http")


def asked_for(cycle: RequestResponseCycle) -> ClientRequest:
    """The request that a question is about, as the domain takes it. It has no body.

    Raises the refusal that the question's own head is refused with, or what `asked_by` raises.
    """
    if cycle.refusal is not None:
        raise cycle.refusal
    said: dict[bytes, list[bytes]] = {}
    headers: Headers = []
    for header in cycle.headers:
        if header[0] in OF_THE_EDGE:
            said.setdefault(header[0], []).append(header[1])
        else:
            headers.append(header)
    request = asked_by(cycle.method, cycle.target, said, cycle.peer)
    if b"host" in dict(request.headers):
        headers = [header for header in headers if header[0] != b"host"]
    request.headers[:0] = headers
    return request


def _method_and_target(method: str, target: bytes, said: Said) -> tuple[str, bytes]:
    methods, targets = said.get(b"x-forwarded-method", ()), said.get(b"x-forwarded-uri", ())
    if target.startswith(_QUESTION + b"/"):
        if methods or targets:
            raise BadRequest("a question asked in both ways at once")
        return method, target.removeprefix(_QUESTION)
    if target.partition(b"?")[0] != _QUESTION:
        raise BadRequest("no question that an edge can ask")
    if len(methods) != 1 or len(targets) != 1:
        raise BadRequest("not exactly one x-forwarded-method and one x-forwarded-uri")
    return methods[0].decode("latin-1"), targets[0]

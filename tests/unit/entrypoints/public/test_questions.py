"""What an edge asks: the request that a question is about."""

import pytest

from talaria.domain.errors import BadRequest, BadRequestTarget, MethodNotImplemented, Refusal
from talaria.domain.http import Headers
from talaria.entrypoints.public.questions import asked_for
from tests.unit.entrypoints.public.support_cycle import arrived
from tests.unit.entrypoints.public.support_edge import by_headers
from tests.unit.support_time import run

Line = tuple[bytes, bytes]


def peer_of(*lines: Line) -> tuple[str, list[bytes], str, bytes]:
    """The peer, what is left of the hops, the scheme and the host of the request that is asked for."""

    async def main() -> tuple[str, list[bytes], str, bytes]:
        cycle, _ = arrived(b"/decide", headers=by_headers(*lines))
        request = asked_for(cycle)
        hops = [value for name, value in request.headers if name == b"x-forwarded-for"]
        (host,) = [value for name, value in request.headers if name == b"host"]
        return request.peer, hops, request.scheme, host

    return run(main())


def test_the_edges_client_is_the_peer() -> None:
    xff, proto, host = b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"
    assert peer_of() == ("203.0.113.7", [], "http", b"api.example")
    assert peer_of((xff, b"192.0.2.1"), (proto, b"https")) == ("192.0.2.1", [], "https", b"api.example")
    assert peer_of((xff, b"10.1.1.1, 192.0.2.1")) == ("192.0.2.1", [b"10.1.1.1"], "http", b"api.example")
    assert peer_of((xff, b"10.1.1.1"), (xff, b"[2001:db8::1]:80"))[:2] == ("2001:db8::1", [b"10.1.1.1"])
    assert peer_of((xff, b"nonsense")) == ("", [], "http", b"api.example")
    assert peer_of((host, b"door.example"), (proto, b"ftp")) == ("203.0.113.7", [], "http", b"door.example")
    assert peer_of((host, b"a"), (host, b"b"))[3] == b"api.example"


def test_the_refusals_of_a_question() -> None:
    def refused(kind: type[Refusal], target: bytes, headers: Headers) -> None:
        async def main() -> None:
            cycle, _ = arrived(target, headers=headers)
            with pytest.raises(kind):
                asked_for(cycle)

        run(main())

    refused(BadRequest, b"/decide/a", by_headers())
    refused(MethodNotImplemented, b"/decide", by_headers(method=b"BREW"))
    refused(BadRequestTarget, b"/decide", by_headers(target=b"*"))

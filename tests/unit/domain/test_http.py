"""The framing header of a request follows from its body and its length."""

from collections.abc import AsyncGenerator

import pytest

from talaria.domain.http import ClientRequest, Header, UpstreamRequest, UpstreamResponse


async def body() -> AsyncGenerator[bytes, None]:
    yield b"canary"


def request(length: int | None, *, has_body: bool) -> UpstreamRequest:
    headers = [(b"x-canary", b"canary")]
    return UpstreamRequest("POST", b"/canary", headers, body() if has_body else None, length, 1.0, 1.0)


@pytest.mark.parametrize(
    ("has_body", "length", "header"),
    [
        (False, None, None),
        (False, 0, (b"content-length", b"0")),
        (True, 0, (b"content-length", b"0")),
        (True, 5, (b"content-length", b"5")),
        (True, 2**40, (b"content-length", b"1099511627776")),
        (True, None, (b"transfer-encoding", b"chunked")),
    ],
)
def test_framing(has_body: bool, length: int | None, header: Header | None) -> None:
    assert request(length, has_body=has_body).framing() == header


def test_each_request_has_a_record_of_its_own() -> None:
    assert request(None, has_body=False).attempts is not request(None, has_body=False).attempts


def test_no_message_prints_a_target_a_header_or_a_body() -> None:
    headers = [(b"x-canary", b"canary")]
    messages = [
        ClientRequest("GET", b"/canary", headers),
        request(None, has_body=False),
        UpstreamResponse(200, headers, body(), complete_body=b"canary"),
    ]
    assert not [message for message in map(repr, messages) if "/canary" in message or "b'canary'" in message]

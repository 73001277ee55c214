"""Where servers are, as engines write it."""

import pytest

from talaria.entrypoints.cli.render.facts import Endpoint


@pytest.mark.parametrize(
    ("url", "text", "authority", "is_ip"),
    [
        ("http://a.example", "a.example:80", "a.example", False),
        ("https://a.example", "a.example:443", "a.example", False),
        ("http://a.example:443", "a.example:443", "a.example:443", False),
        ("http://[2001:db8::1]:8080", "[2001:db8::1]:8080", "[2001:db8::1]:8080", True),
        ("http://[::1]", "[::1]:80", "[::1]", True),
        ("https://10.0.0.1", "10.0.0.1:443", "10.0.0.1", True),
    ],
)
def test_an_endpoint(url: str, text: str, authority: str, is_ip: bool) -> None:
    endpoint = Endpoint.of(url)
    assert (str(endpoint), endpoint.authority, endpoint.is_ip) == (text, authority, is_ip)

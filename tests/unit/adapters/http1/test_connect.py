"""Places and causes; the connecting itself is in the integration tests."""

import errno
import socket
import ssl

import pytest

from talaria.adapters.http1.connect import Endpoint, why


@pytest.mark.parametrize(
    ("url", "host", "port", "authority"),
    [
        ("http://up", "up", 80, b"up"),
        ("http://up/", "up", 80, b"up"),
        ("http://up:80", "up", 80, b"up"),
        ("http://UP.example:8080", "up.example", 8080, b"up.example:8080"),
        ("http://[::1]:81", "::1", 81, b"[::1]:81"),
        ("https://up", "up", 443, b"up"),
        ("https://up:80", "up", 80, b"up:80"),
        ("http://b\u00fccher.example", "b\u00fccher.example", 80, b"xn--bcher-kva.example"),
    ],
)
def test_a_place(url: str, host: str, port: int, authority: bytes) -> None:
    endpoint = Endpoint.of(url)
    assert (endpoint.host, endpoint.port, endpoint.authority) == (host, port, authority)
    assert (endpoint.tls is not None) == url.startswith("https")


@pytest.mark.parametrize(
    "url", ["up", "ftp://up", "http://", "http://up/a", "http://up?a", "http://up#a", "http://u:p@up", "http://up:x"]
)
def test_what_is_no_place(url: str) -> None:
    with pytest.raises(ValueError, match=r"url|[Pp]ort"):
        Endpoint.of(url)


def test_names_and_certificates_are_verified_and_only_http_1_1_is_offered() -> None:
    tls = Endpoint.of("https://up").tls
    assert tls is not None
    assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (socket.gaierror(-2, "Name secret.internal not known"), "name not found"),
        (ConnectionRefusedError(111, "10.0.0.1 refused"), "connection refused"),
        (ssl.SSLCertVerificationError(1, "secret"), "TLS: certificate not accepted"),
        (ssl.SSLError(1, "secret"), "TLS: handshake failed"),
        (OSError(errno.EHOSTUNREACH, "10.0.0.1"), "no route to host"),
        (OSError("Multiple exceptions: 10.0.0.1"), "connection failed"),
    ],
)
def test_a_cause_holds_no_data(error: OSError, cause: str) -> None:
    assert why(error) == cause

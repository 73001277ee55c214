"""What our TLS contexts insist on, and how they say what is wrong with a file."""

import ssl
import time
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from talaria.adapters.http1.connect import Endpoint
from talaria.adapters.tls import certificate_end, client_tls, server_tls, why_refused
from talaria.sandbox.certificates import write_certificate


def test_a_client_verifies_names_and_certificates(tmp_path: Path) -> None:
    cert, key = write_certificate(tmp_path, "us")
    for context in (client_tls(), client_tls(cert, cert, key)):
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_an_own_authority_takes_the_place_of_the_systems(tmp_path: Path) -> None:
    cert, _ = write_certificate(tmp_path, "us")
    assert client_tls(cert).cert_store_stats()["x509"] == 1


def test_session_keys_are_never_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
    contexts = client_tls(), server_tls(*write_certificate(tmp_path, "us"))
    assert {context.keylog_filename for context in contexts} == {None}


def test_the_systems_list_is_where_openssl_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cert, _ = write_certificate(tmp_path, "us")
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "nothing"))
    for context in (client_tls(), trusted_by_the_client()):
        assert context.cert_store_stats()["x509"] == 1
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def trusted_by_the_client() -> ssl.SSLContext:
    """What our HTTP/1.1 client takes where nothing is set."""
    tls = Endpoint.of("https://services.test").tls
    assert tls is not None
    return tls


def test_a_server_speaks_nothing_old(tmp_path: Path) -> None:
    assert server_tls(*write_certificate(tmp_path, "us")).minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("days", "host", "known", "why"),
    [
        ((-2, -1), "services.test", True, "certificate expired"),
        ((1, 2), "services.test", True, "certificate not valid yet"),
        ((-1, 1), "other.test", True, "certificate of another name"),
        ((-1, 1), "127.0.0.1", True, "certificate of another name"),
        ((-1, 1), "services.test", False, "certificate of an unknown authority"),
    ],
)
def test_a_certificate_is_refused_with_the_reason(
    tmp_path: Path, days: tuple[int, int], host: str, known: bool, why: str
) -> None:
    cert, key = write_certificate(tmp_path, "them", host, days=days)
    client = client_tls(cert if known else write_certificate(tmp_path, "another")[0])
    with pytest.raises(ssl.SSLCertVerificationError) as refused:
        shake_hands(client, server_tls(cert, key), "services.test")
    assert why_refused(refused.value) == why


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> None:
    """Without a socket: each side as far as it can, in turn."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(back, there, server_hostname=name)
    theirs = server.wrap_bio(there, back, server_side=True)
    for side in (ours, theirs) * 3:
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()


def test_another_certificates_key_is_named_so(tmp_path: Path) -> None:
    cert, _ = write_certificate(tmp_path, "us")
    _, key = write_certificate(tmp_path, "them")
    with pytest.raises(ValueError, match="another certificate's"):
        server_tls(cert, key)


def test_an_encrypted_key_is_refused_and_no_password_is_asked_for(tmp_path: Path) -> None:
    cert, key = write_certificate(tmp_path, "us")
    key.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"canary"),
        )
    )
    with pytest.raises(ValueError, match="encrypted"):
        server_tls(cert, key)


def test_what_is_no_pem_is_said_without_its_content(tmp_path: Path) -> None:
    cert, key = write_certificate(tmp_path, "us")
    cert.write_text("canary")
    with pytest.raises(ValueError, match="no certificate and key"):
        server_tls(cert, key)
    with pytest.raises(ValueError, match="no set of certificates"):
        client_tls(cert)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        client_tls(tmp_path / "nothing.pem")


def test_a_chain_is_good_until_its_first_certificate_ends(tmp_path: Path) -> None:
    leaf, _ = write_certificate(tmp_path, "leaf", days=(-1, 3))
    authority, _ = write_certificate(tmp_path, "authority", days=(-1, 2))
    chain = tmp_path / "chain.pem"
    chain.write_bytes(leaf.read_bytes() + authority.read_bytes())
    days = [(certificate_end(file) - time.time()) / 86400 for file in (leaf, authority, chain)]
    assert days == pytest.approx([3, 2, 2], abs=0.01)

"""TLS contexts: verified, 1.2 at least; one for every way out, one for the way in.

The environment has one say, OpenSSL's own: SSL_CERT_FILE and SSL_CERT_DIR move the system's list of certificates.
Session keys are never written down, whatever SSLKEYLOGFILE says.

A ValueError of this file says in one clean sentence what is wrong with a file, and never shows a part of it.
"""

import ssl
from pathlib import Path
from typing import Final

from cryptography import x509

_NOT_ACCEPTED: Final = "certificate not accepted"
_UNKNOWN_AUTHORITY: Final = "certificate of an unknown authority"
_REFUSED: Final = {
    9: "certificate not valid yet",
    10: "certificate expired",
    **dict.fromkeys((18, 19, 20, 21), _UNKNOWN_AUTHORITY),
    **dict.fromkeys((62, 64), "certificate of another name"),
}
"""By OpenSSL's X509_V_ERR_*."""


def why_refused(error: ssl.SSLCertVerificationError) -> str:
    """What is wrong with a peer's certificate: fixed words, without a part of it."""
    return _REFUSED.get(getattr(error, "verify_code", 0), _NOT_ACCEPTED)


def client_tls(
    ca_file: Path | None = None, cert_file: Path | None = None, key_file: Path | None = None
) -> ssl.SSLContext:
    """For what we call: trusts `ca_file` in place of the system's list, and shows our own certificate if any.

    Raises ValueError or OSError for files that can't be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # which verifies certificates and names
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _trust(context, ca_file)
    context.set_alpn_protocols(["http/1.1"])
    if cert_file is not None:
        load_certificate(context, cert_file, key_file)
    return context


def _trust(context: ssl.SSLContext, ca_file: Path | None) -> None:
    if ca_file is None:
        context.load_default_certs()
        return
    try:
        context.load_verify_locations(ca_file)
    except ssl.SSLError:
        raise ValueError("this is no set of certificates in PEM form") from None


def server_tls(cert_file: Path, key_file: Path) -> ssl.SSLContext:
    """For our clients. Raises ValueError or OSError for files that can't be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    load_certificate(context, cert_file, key_file)
    return context


def load_certificate(context: ssl.SSLContext, cert_file: Path, key_file: Path | None) -> None:
    """Show this certificate from now on. Raises ValueError or OSError for files that can't be used."""
    try:
        context.load_cert_chain(cert_file, key_file, password=_no_password)
    except ssl.SSLError as error:
        mismatch = error.reason == "KEY_VALUES_MISMATCH"
        wrong = "the key is another certificate's" if mismatch else "this is no certificate and key in PEM form"
        raise ValueError(wrong) from None


def certificate_end(cert_file: Path) -> float:
    """Until when a certificate and its chain are good, in seconds since the epoch. Raises ValueError or OSError."""
    return min(one.not_valid_after_utc.timestamp() for one in x509.load_pem_x509_certificates(cert_file.read_bytes()))


def _no_password() -> str:
    raise ValueError("the private key is encrypted; give one without a password")

"""Both ends of TLS for one test: a server, and a client that trusts no other."""

import ssl
from pathlib import Path

from talaria.sandbox.certificates import write_certificate


def server_context(folder: Path, *names: str) -> ssl.SSLContext:
    """A server's context with a self-signed certificate for these names, which is left in `folder`/cert.pem."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*write_certificate(folder, "cert", *names))
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def client_context(folder: Path) -> ssl.SSLContext:
    """A client's context that trusts `server_context`'s certificate, and nothing else."""
    context = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    context.set_alpn_protocols(["http/1.1"])
    return context

"""Certificates for simulated services and tests, each signed by its own key."""

import datetime
import ipaddress
import ssl
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from talaria.adapters.tls import client_tls


def write_certificate(folder: Path, name: str, *hosts: str, days: tuple[int, int] = (-1, 1)) -> tuple[Path, Path]:
    """`name`.pem for these hosts (none: 127.0.0.1) and `name`.key in the folder; the certificate signs itself.

    It is good from and until so many `days` from now.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts or ["127.0.0.1"]]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    key_file.chmod(0o600)
    return pem, key_file


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


class MutualTls:
    """A service's certificate and ours, in a folder: each of the two trusts the other's and nothing else."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.service = write_certificate(folder, f"{name}-service", "127.0.0.1", "::1", "localhost", days=(-1, 365))
        self.ours = write_certificate(folder, f"{name}-ours", name, days=(-1, 365))

    def client_settings(self, folder: Path) -> dict[str, str]:
        """The gateway's `tls` of this service, in a configuration file of this folder."""
        files = {"ca_file": self.service[0], "cert_file": self.ours[0], "key_file": self.ours[1]}
        return {key: str(file.relative_to(folder)) for key, file in files.items()}

    def client_context(self) -> ssl.SSLContext:
        """The same for a client."""
        return client_tls(self.service[0], *self.ours)

    def server_settings(self) -> dict[str, Any]:
        """uvicorn's settings: it demands our certificate."""
        certificate, key = map(str, self.service)
        return {
            "ssl_certfile": certificate,
            "ssl_keyfile": key,
            "ssl_ca_certs": str(self.ours[0]),
            "ssl_cert_reqs": ssl.CERT_REQUIRED,
        }

"""`talaria doctor` among real servers."""

import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from talaria.entrypoints.cli import probes
from talaria.entrypoints.cli.credentials import credentials
from talaria.entrypoints.cli.probes import Server, probe
from talaria.entrypoints.config import load
from talaria.entrypoints.config.settings import TlsSettings
from talaria.sandbox.certificates import write_certificate
from talaria.sandbox.faults import Faults
from talaria.sandbox.stack import running_sandbox
from tests.integration.support_command import talaria
from tests.support_address import refusing
from tests.support_plugins import install

NO_TLS = TlsSettings()


class Pages(BaseHTTPRequestHandler):
    """Answers anything with an empty 404, by a clock of its own."""

    skew = 0.0

    def do_HEAD(self) -> None:
        self.send_response_only(404)
        self.send_header("date", formatdate(time.time() + self.skew))
        self.send_header("content-length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()

    def do_CONNECT(self) -> None:
        self.do_HEAD()

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


class LatePages(Pages):
    skew = -60.0


@contextmanager
def serving(pages: type[BaseHTTPRequestHandler] = Pages, certificate: tuple[Path, Path] | None = None) -> Iterator[int]:
    """The port of a server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), pages)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def bad(server: Server) -> list[str]:
    """What is not well."""
    return [finding.what for finding in probe(server) if not finding.well]


def test_a_server_that_is_well() -> None:
    with serving() as port:
        server = Server("personal", f"http://127.0.0.1:{port}", NO_TLS)
        told = [finding.what for finding in probe(server)]
    assert told == [f"personal: 127.0.0.1:{port} is reached", "personal: its clock agrees with ours"]


def test_nothing_listens() -> None:
    with refusing() as (_, port):
        assert bad(Server("personal", f"http://127.0.0.1:{port}", NO_TLS)) == [
            f"personal: 127.0.0.1:{port} can't be reached (Connection refused)"
        ]


def test_a_server_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert bad(Server("personal", f"http://127.0.0.1:{port}", NO_TLS)) == [
            "personal: takes connections, but no answer within 0.2 s"
        ]


def test_a_name_without_an_address() -> None:
    (said,) = bad(Server("personal", "http://nowhere.invalid", NO_TLS))
    assert said == "personal: the name nowhere.invalid has no address"


def test_another_clock() -> None:
    with serving(LatePages) as port:
        (said,) = bad(Server("personal", f"http://127.0.0.1:{port}", NO_TLS))
    assert "behind ours" in said


def test_no_key_set() -> None:
    with serving() as port:
        (said,) = bad(Server("the caller app", f"http://127.0.0.1:{port}/keys", NO_TLS, key_set=True))
    assert said == "the caller app: no key set with a usable key at its jwks_url (status 404)"


@pytest.mark.parametrize(
    ("days", "host", "trusted", "said"),
    [
        ((-1, 60), "127.0.0.1", True, []),
        (
            (-1, 5),
            "127.0.0.1",
            True,
            ["personal: its certificate (by server) is good for 4 more days"],
        ),
        ((-9, -1), "127.0.0.1", True, ["personal: certificate expired"]),
        ((-1, 60), "other.example", True, ["personal: certificate of another name"]),
        ((-1, 60), "127.0.0.1", False, ["personal: certificate of an unknown authority"]),
    ],
)
def test_certificates(tmp_path: Path, days: tuple[int, int], host: str, trusted: bool, said: list[str]) -> None:
    certificate = write_certificate(tmp_path, "server", host, days=days)
    tls = TlsSettings(ca_file=certificate[0]) if trusted else NO_TLS
    with serving(certificate=certificate) as port:
        assert bad(Server("personal", f"https://127.0.0.1:{port}", tls)) == said


def test_a_server_without_tls() -> None:
    with serving() as port:
        (said,) = bad(Server("personal", f"https://127.0.0.1:{port}", NO_TLS))
    assert said.startswith("personal: no TLS")


@pytest.mark.parametrize(
    ("url", "target"),
    [("https://api.wind.example", "api.wind.example:443"), ("http://[2001:db8::1]", "[2001:db8::1]:80")],
)
def test_an_egress_proxy_that_lets_nothing_through(url: str, target: str) -> None:
    with serving() as port:
        (said,) = bad(Server("the partner wind", url, NO_TLS, f"http://127.0.0.1:{port}"))
    assert said == f"the partner wind: the egress proxy lets nothing through to {target}"


class Tunnel(Pages):
    """An egress proxy that lets everything through, to itself; its answer comes in pieces."""

    protocol_version = "HTTP/1.1"

    def do_CONNECT(self) -> None:
        self.send_response_only(200)
        self.send_header("via", "1.1 proxy" + ", 1.1 another" * 500)
        self.end_headers()


def test_what_an_egress_proxy_says_is_read_to_its_end() -> None:
    with serving(Tunnel) as port:
        assert bad(Server("the partner wind", "http://api.wind.example", NO_TLS, f"http://127.0.0.1:{port}")) == []


PROBED = """
from talaria.adapters.partner_kit import PartnerBadAnswer
from talaria.adapters.partners import wind

class Accounts(wind.Accounts):
    async def probe(self, call):
        response = await self._http.get("/no-such-page", call=call)
        if response.status != 404:
            raise PartnerBadAnswer(f"status {response.status}")
"""


async def test_an_adapter_with_a_probe_of_its_own_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "probed", PROBED)
    async with running_sandbox(config={"partners": {"wind": {"adapter": "probed"}}}) as sandbox:
        settings = load(sandbox.config_path, {})
        _, well = await asyncio.to_thread(credentials, settings)
        assert (well.what, well.well) == ("the partner wind: takes our credentials", True)
        sandbox.wind.faults = Faults(error_rate=1, status=500)
        _, ill = await asyncio.to_thread(credentials, settings)
        assert (ill.what, ill.owner) == ("the partner wind: can't be asked (status 500)", "the partner wind")


async def test_a_sandbox_is_well() -> None:
    async with running_sandbox() as sandbox:
        config = str(sandbox.folder.config_path)
        told = json.loads(await talaria("doctor", "--json", "--config", config, "--ops", sandbox.ops_url))
    assert [finding for finding in told["findings"] if not finding["well"]] == []
    assert any("its key set has" in finding["what"] for finding in told["findings"])

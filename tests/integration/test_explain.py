"""`talaria explain` asks a real listener."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError, URLError

import pytest

from talaria.entrypoints.cli.explain import fetch


class Pages(BaseHTTPRequestHandler):
    """/5xx/r-1 is there, /broken fails, anything else is a 404."""

    def do_GET(self) -> None:
        status = {"/5xx/r-1": 200, "/broken": 500}.get(self.path, 404)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_is_there_is_fetched(url: str) -> None:
    assert fetch(f"{url}/5xx/r-1") == b"{}"


def test_what_is_not_there_is_none(url: str) -> None:
    assert fetch(f"{url}/5xx/r-2") is None


def test_another_failure_is_raised(url: str) -> None:
    with pytest.raises(HTTPError):
        fetch(f"{url}/broken")


def test_no_proxy_of_the_environment_is_asked(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    assert fetch(f"{url}/5xx/r-1") == b"{}"


def test_no_listener_is_an_os_error() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    free = server.server_port
    server.server_close()
    with pytest.raises(URLError) as raised:
        fetch(f"http://127.0.0.1:{free}/5xx/r-1")
    assert isinstance(raised.value.reason, ConnectionRefusedError)

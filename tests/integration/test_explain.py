"""`talaria explain` asks a real listener."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from talaria.entrypoints.cli.operators import CannotAsk, NotThere, ask
from talaria.entrypoints.config import Address
from talaria.sandbox.stack import running_sandbox
from tests.integration.support_command import talaria


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
def address() -> Iterator[Address]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Address("127.0.0.1", server.server_port)
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_is_there_is_fetched(address: Address) -> None:
    assert ask(address, "/5xx/r-1", dict[str, Any]) == {}


def test_what_is_not_there_is_told_apart(address: Address) -> None:
    with pytest.raises(NotThere):
        ask(address, "/5xx/r-2", dict[str, Any])


def test_another_failure_is_told(address: Address) -> None:
    with pytest.raises(CannotAsk, match="answered 500"):
        ask(address, "/broken", dict[str, Any])


def test_no_proxy_of_the_environment_is_asked(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    assert ask(address, "/5xx/r-1", dict[str, Any]) == {}


async def test_a_refusal_of_401_is_found_by_its_status_and_explained() -> None:
    async with running_sandbox() as sandbox, httpx.AsyncClient(trust_env=False) as client:
        headers = {"x-api-tag": "wind", "x-request-id": "r-401", "authorization": "Bearer none"}
        assert (await client.get(f"{sandbox.public_url}/v1", headers=headers)).status_code == 401
        listed = await talaria("explain", "--status", "401", "--ops", sandbox.ops_url)
        explained = await talaria("explain", "r-401", "--ops", sandbox.ops_url)
    assert listed.splitlines()[1].split()[:3] == ["r-401", "401", "invalid-token"]
    assert explained.startswith("401 invalid-token")


def test_where_nothing_listens_the_systems_own_words_are_told() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    free = server.server_port
    server.server_close()
    with pytest.raises(CannotAsk, match="Connection refused"):
        ask(Address("127.0.0.1", free), "/5xx/r-1", dict[str, Any])

"""TLS on both sides: what the gateway shows to clients, which certificates it trusts, and from where it calls."""

import asyncio
import json
import os
import re
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from talaria.entrypoints.config import load
from talaria.entrypoints.runtime.reload import Reloader
from talaria.sandbox.certificates import write_certificate
from talaria.sandbox.stack import Sandbox, running_sandbox

WAY = "/v1/scooters/nearby"


@asynccontextmanager
async def world_of(folder: Path, config: Mapping[str, Any]) -> AsyncIterator[Sandbox]:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        async with running_sandbox(access_descriptor=nowhere, folder=folder, config=config) as sandbox:
            yield sandbox
    finally:
        os.close(nowhere)


async def shown_certificate(url: str) -> str:
    """What the public listener shows now, as PEM."""
    parts = httpx.URL(url)
    return await asyncio.to_thread(ssl.get_server_certificate, (parts.host, parts.port or 443))


async def test_the_public_listener_speaks_tls_and_shows_another_certificate_after_a_reload(tmp_path: Path) -> None:
    cert, _ = write_certificate(tmp_path, "first")
    tls = {"server": {"tls": {"cert_file": "first.pem", "key_file": "first.key"}}}
    async with world_of(tmp_path, tls) as sandbox:
        assert sandbox.running is not None
        assert sandbox.public_url.startswith("https://")
        sandbox.talaria_services.checks = False
        async with httpx.AsyncClient(trust_env=False, verify=ssl.create_default_context(cafile=cert)) as client:
            answer = await client.get(f"{sandbox.public_url}{WAY}", headers=sandbox.headers())
            assert answer.status_code == 200
            assert b"https" in sandbox.talaria_services.requests.last.header(b"x-forwarded-proto")
            reloader = Reloader(sandbox.running, sandbox.config_path, lambda path: load(path, environ={}))
            write_certificate(tmp_path, "first")
            assert (await shown_certificate(sandbox.public_url)).strip() != cert.read_text().strip()
            assert await reloader.reload("a test")
            assert (await shown_certificate(sandbox.public_url)).strip() == cert.read_text().strip()
            kept = await client.get(f"{sandbox.public_url}{WAY}", headers=sandbox.headers())
            assert kept.status_code == 200


class Peer:
    """Every system that the gateway calls in one, over TLS, for clients that show the right certificate."""

    def __init__(self) -> None:
        self.callers: dict[str, tuple[str, str]] = {}
        self.key_set = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request after the other; notes from which address and under which name each path was asked for."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                path = head.split()[1].decode()
                length = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
                body = await reader.readexactly(length)
                name = writer.get_extra_info("peercert")["subject"][0][0][1]
                self.callers[path] = (writer.get_extra_info("peername")[0], name)
                answer = self.key_set if path == "/keys" else _answer(path, body)
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(answer), answer))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def _answer(path: str, body: bytes) -> bytes:
    if path == "/v1/phones/retrieve":
        return json.dumps({"id": json.loads(body)["id"], "value": "+4915112345678"}).encode()
    return b'{"user_id": "rider-1"}'


@asynccontextmanager
async def peer(folder: Path) -> AsyncIterator[tuple[Peer, str]]:
    cert, key = write_certificate(folder, "peer")
    ours, _ = write_certificate(folder, "talaria")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ours)
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_cert_chain(cert, key)
    asked = Peer()
    server = await asyncio.start_server(asked.serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield asked, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"


TLS = {"ca_file": "peer.pem", "cert_file": "talaria.pem", "key_file": "talaria.key"}


async def test_every_way_out_verifies_shows_our_certificate_and_calls_from_its_address(tmp_path: Path) -> None:
    async with peer(tmp_path) as (asked, url):
        upstream = {"urls": [url], "tls": TLS, "source_address": "127.0.0.4"}
        config = {
            "callers": {"app": {"jwks_url": f"{url}/keys", "jwks_tls": TLS}},
            "personal": {"url": url, "tls": TLS},
            "partners": {"wind": {"url": url, "tls": TLS, "source_address": "127.0.0.3"}},
            "upstreams": {"talaria-services": upstream},
        }
        async with world_of(tmp_path, config) as sandbox, httpx.AsyncClient(trust_env=False) as client:
            asked.key_set = json.dumps({"keys": [sandbox.issuer.public_jwk()]}).encode()
            answer = await client.get(f"{sandbox.public_url}{WAY}", headers=sandbox.headers())
            assert answer.status_code == 200, answer.text
            metrics = (await client.get(f"{sandbox.ops_url}/metrics")).text
    ends = re.findall(r"^talaria_certificate_expiry_timestamp_seconds\{(.*)\} (\S+)$", metrics, re.MULTILINE)
    names = ("caller-keys:app", "personal", "wind")
    assert {labels for labels, _ in ends} == {
        *(f'dependency="{name}",kind="{kind}"' for name in names for kind in ("client", "server")),
        'dependency="talaria-services",kind="client"',
        f'dependency="talaria-services {url}",kind="server"',
    }
    assert [float(end) for _, end in ends] == [pytest.approx(time.time() + 86_400, abs=600)] * len(ends)
    assert asked.callers == {
        "/keys": ("127.0.0.1", "talaria"),
        "/v1/phones/retrieve": ("127.0.0.1", "talaria"),
        "/v1/users/resolve": ("127.0.0.3", "talaria"),
        WAY: ("127.0.0.4", "talaria"),
    }


async def test_a_certificate_of_an_unknown_authority_is_not_trusted(tmp_path: Path) -> None:
    async with peer(tmp_path) as (asked, url):
        stranger = TLS | {"ca_file": "talaria.pem"}
        config = {"upstreams": {"talaria-services": {"urls": [url], "tls": stranger}}}
        async with world_of(tmp_path, config) as sandbox, httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{sandbox.public_url}{WAY}", headers=sandbox.headers())
            assert (answer.status_code, answer.json()["reason"]) == (502, "upstream-unreachable")
    assert asked.callers == {}

"""A gateway that decides, and an upstream that says what it was sent: what an engine is put between."""

import asyncio
import base64
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.integration.gateway.support_client import Got, ask, connected, request
from tests.integration.gateway.support_gateway import ISSUER, Process, Town, opened, process_of
from tests.integration.gateway.support_raw import SECONDS, Head, Line, read_body, read_head
from tests.integration.gateway.support_services import Seen, Upstream, answer
from tests.real.support_edges import Edge

JOBS_KEY = "canary-jobs-api-key-0123456789abcdef"
_WEBSOCKET = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Echo(Upstream):
    """Answers with the request as it came, in JSON; takes an offer of WebSocket and sends each byte back."""

    async def respond(self, head: Head, line: Line) -> None:
        """The head's first line, its headers in order, and the length of the body."""
        self.seen.append(Seen(head))
        if head.all("upgrade"):
            await _relay(head, line)
        body = await read_body(line.reader, head)
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.lines]
        text = json.dumps({"line": head.first.decode("latin-1"), "headers": headers, "size": len(body)}).encode()
        sent = b"" if head.first.startswith(b"HEAD ") else text
        await line.send(answer(200, sent, "content-type: application/json", "x-wind-user-id: leaked"))


async def _relay(head: Head, line: Line) -> None:
    assert head.one("upgrade").lower() == "websocket", head
    accept = base64.b64encode(hashlib.sha1(head.one("sec-websocket-key").encode() + _WEBSOCKET).digest()).decode()  # noqa: S324 - RFC 6455
    lines = ["HTTP/1.1 101 Switching Protocols", "upgrade: websocket", "connection: upgrade"]
    await line.send("\r\n".join([*lines, f"sec-websocket-accept: {accept}", "", ""]).encode())
    while data := await line.reader.read(65536):
        await line.send(data)
    raise EOFError


class EdgeTown(Town):
    """A town with the echo, and with what a gateway needs to refuse in each way."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.upstream = Echo()

    def _tree(self) -> dict[str, Any]:
        tree = super()._tree()
        (self.folder / "jobs").write_text(JOBS_KEY)
        (self.folder / "jobs").chmod(0o600)
        keys = f"{self.issuer.url}/jwks"
        tree["server"] |= {"decision_listen": "127.0.0.1:0", "trusted_edges": ["127.0.0.0/8"]}
        tree["server"]["trusted_proxies"] = ["127.0.0.0/8"]
        tree["callers"] |= {
            "limited": {"issuer": "https://limited.example", "jwks_url": keys, "person_rate_limit": "1/h"},
            "jobs": {"api_key": {"file": "jobs"}},
        }
        tree["partners"]["wind"] |= {"timeout": "500ms", "attempts": 1}
        tree["personal"] |= {"timeout": "500ms"}
        tree["partners"]["bolt"] = {**tree["partners"]["wind"], "adapter": "wind", "user_id_header": "x-rider"}
        tree["routes"] |= {
            "posts": {"partner": "wind", "upstream": "talaria-services", "methods": ["POST"]},
            "limited": {"partner": "wind", "upstream": "talaria-services", "callers": ["limited"]},
            "jobs": {"identity": "none", "partner": "wind", "upstream": "talaria-services"},
        }
        return tree

    def token_of(self, caller: str, person: str | None = None) -> str:
        """A token of the caller of this name."""
        return self.token(person, iss=ISSUER if caller == "app" else f"https://{caller}.example")


@contextlib.asynccontextmanager
async def edge_town(folder: Path, changes: dict[str, Any] | None = None) -> AsyncIterator[tuple[EdgeTown, Process]]:
    """The town, and a gateway process in it that decides."""
    async with opened(EdgeTown(folder)) as town, process_of(town, town.configure(changes)) as gateway:
        yield town, gateway


class Client:
    """A client of an edge, and what the upstream saw of each of its requests."""

    def __init__(self, edge: Edge, town: EdgeTown, gateway: Process) -> None:
        self.edge, self.town, self.gateway = edge, town, gateway

    async def ask(self, target: str = "/v1/a?b=c", *lines: str, **more: Any) -> tuple[Got, Head | None]:
        """The client's answer, and the head that the upstream got, if it got one."""
        self.town.upstream.seen.clear()
        token = more.pop("token", None) or self.town.token()
        got = await ask(self.edge.url, request(token, target, *lines, **more))
        assert len(self.town.upstream.seen) <= 1
        return got, self.town.upstream.seen[0].head if self.town.upstream.seen else None

    async def upgraded(self, data: bytes, *lines: str, token: str | None = None) -> tuple[Got, bytes, Head | None]:
        """An offer of WebSocket, and where it is taken these bytes and what comes back of them."""
        self.town.upstream.seen.clear()
        offer = ["connection: Upgrade", "upgrade: websocket", "sec-websocket-version: 13", *lines]
        offer.append("sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==")
        async with connected(self.edge.url) as client:
            client.send(request(token or self.town.token(), "/ws", *offer))
            async with asyncio.timeout(SECONDS):
                got = Got(await read_head(client.reader))
                back = b""
                if got.status == 101:
                    client.send(data)
                    back = await client.reader.readexactly(len(data))
        return got, back, self.town.upstream.seen[0].head if self.town.upstream.seen else None

"""Routes of the simulated talaria-services that show what a gateway does to a request and its response."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import parse_qsl

from litestar import Request, asgi, get, route
from litestar.enums import HttpMethod
from litestar.params import FromPath, FromQuery
from litestar.response import Stream
from litestar.types import Receive, Scope, Send

from talaria.sandbox.request_log import RecordedRequest

_BLOCK = bytes(range(256)) * 256
_SECRET = {b"authorization", b"x-api-key", b"cookie"}


@asgi("/echo", is_mount=True, copy_scope=True)
async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Any method, anything below `/echo`: says what was received. Credentials are shown shortened."""
    while (await receive()).get("more_body", False):
        pass
    body = json.dumps(shown_request(scope["state"]["received"]), ensure_ascii=False).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def shown_request(received: RecordedRequest) -> dict[str, Any]:
    """A request as the echo shows it: method, raw target, header pairs in order, size and digest of the body."""
    return {
        "method": received.method,
        "target": received.target.decode("latin-1"),
        "headers": [[name.decode("latin-1"), masked(name, value)] for name, value in received.headers],
        "body": {"size": received.size, "sha256": received.sha256},
    }


def masked(name: bytes, value: bytes) -> str:
    """A header's value, a credential cut down to what tells its kind."""
    text = value.decode("latin-1")
    if name not in _SECRET:
        return text
    kind, space, rest = text.partition(" ")
    return f"{kind} {rest[:3]}..." if space else "..."


@route("/v1/uploads/{name:str}", http_method=[HttpMethod.PUT, HttpMethod.POST], status_code=200)
async def upload(name: FromPath[str], request: Request[Any, Any, Any]) -> dict[str, Any]:
    """Takes a body of any size without holding it; answers with its size and digest."""
    async for _ in request.stream():
        pass
    received: RecordedRequest = request.scope["state"]["received"]
    return {"name": name, "size": received.size, "sha256": received.sha256}


@get("/v1/downloads/{size:int}", sync_to_thread=False)
def download(size: FromPath[int], chunked: FromQuery[bool] = False) -> Stream:
    """`size` bytes (0, 1, 2 … 255, 0 …), made as they are sent; with `chunked` their number is not said first."""
    headers = {} if chunked else {"content-length": str(size)}
    return Stream(_blocks(size), media_type="application/octet-stream", headers=headers)


async def _blocks(size: int) -> AsyncIterator[bytes]:
    for begin in range(0, size, len(_BLOCK)):
        yield _BLOCK[: size - begin]


@asgi("/v1/answers", is_mount=True, copy_scope=True)
async def scripted_response(scope: Scope, receive: Receive, send: Send) -> None:
    """`/v1/answers/418?header=name:value&header=...`: that status, and those header lines in that order."""
    status = int(scope["raw_path"].rpartition(b"/")[2])
    body = b"" if status in (204, 304) else b"answer\n"
    headers = [(name.encode(), value.encode()) for name, value in _asked(scope)]
    if body:
        headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _asked(scope: Scope) -> Iterator[tuple[str, str]]:
    for wanted, pair in parse_qsl(scope["query_string"].decode()):
        if wanted == "header":
            name, _, value = pair.partition(":")
            yield name, value


ROUTES = (echo, upload, download, scripted_response)

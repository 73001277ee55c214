"""A WSGI application as an upstream, with the routes of support_upstream_programs.py."""

import gzip
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

LARGE = (bytes(range(256)) * 20_000)[:5_000_000]
Start = Callable[[str, list[tuple[str, str]]], object]


def pieces() -> Iterator[bytes]:
    """LARGE, in pieces."""
    for at in range(0, len(LARGE), 65536):
        yield LARGE[at : at + 65536]


def events(wanted: int) -> Iterator[bytes]:
    """So many events, 200 ms apart."""
    for number in range(1, wanted + 1):
        if number > 1:
            time.sleep(0.2)  # the pace of an event stream
        yield b"data: %d\n\n" % number


def cut() -> Iterator[bytes]:
    """Ten bytes, and then no more."""
    yield b"0123456789"
    raise ConnectionAbortedError("as this route is meant")


def upload(body: Any) -> bytes:
    """Size and digest of what came."""
    digest, size = hashlib.sha256(), 0
    while chunk := body.read(65536):
        digest.update(chunk)
        size += len(chunk)
    return json.dumps({"size": size, "sha256": digest.hexdigest()}).encode()


def application(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    """One request."""
    _, name, *arguments = environ["PATH_INFO"].split("/")
    argument = arguments[0] if arguments else ""
    body: Iterable[bytes] = []
    status, headers = "200 OK", [("content-type", "application/octet-stream")]
    if name == "connection":
        body = [environ["REMOTE_PORT"].encode()]
    elif name in ("length", "chunked"):
        headers += [("content-length", str(len(LARGE)))] if name == "length" else []
        body = pieces()
    elif name == "events":
        headers, body = [("content-type", "text/event-stream")], events(int(argument))
    elif name == "status":
        status, headers = f"{argument} Said", [("etag", '"1"')]
    elif name == "gzip":
        packed = gzip.compress(b"many words, " * 100)
        headers, body = [("content-encoding", "gzip"), ("content-length", str(len(packed)))], [packed]
    elif name == "upload":
        body = [upload(environ["wsgi.input"])]
    elif name == "early":
        status, headers, body = "401 Unauthorized", [("content-length", "2")], [b"no"]
    elif name == "cut":
        headers, body = [("content-length", "1000")], cut()
    start(status, headers)
    return body

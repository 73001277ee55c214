"""personal, wind and talaria-services as the contract describes them, and as strict as it allows.

Whatever the gateway sends that the contract does not allow is noted in `failures` of the server; the fixture that
makes these services fails the test for it.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.integration.gateway.support_raw import Head, Line, RawServer, read_body

PERSONAL_TOKEN = "canary-personal-token-5f1c"
WIND_API_KEY = "canary-wind-api-key-77ab"
SERVICES_API_KEY = "canary-services-api-key-9d20"

Fault = bytes | Callable[[Head, Line], Awaitable[None]]
"""What happens in place of the answer: these bytes and then the end, or whatever it is."""


async def hang(_: Head, line: Line) -> None:
    """Say nothing until the other side closes."""
    await line.gone()
    raise EOFError


async def reset(_: Head, line: Line) -> None:
    """RST."""
    line.reset()
    raise EOFError


async def close(_: Head, line: Line) -> None:
    """A polite end in place of an answer."""
    raise EOFError


def answer(status: int, body: bytes = b"", *lines: str, reason: str = "Some Reason") -> bytes:
    """A whole answer with its length."""
    head = "".join(f"{line}\r\n" for line in lines)
    return f"HTTP/1.1 {status} {reason}\r\n{head}content-length: {len(body)}\r\n\r\n".encode("latin-1") + body


def json_answer(status: int, value: object, *lines: str) -> bytes:
    """A whole answer of JSON."""
    return answer(status, json.dumps(value).encode(), "content-type: application/json", *lines)


class Service:
    """One simulated service. `faults` are used up one for each call, then `fault` where there is one.

    Calls wait while `gate` is not set.
    """

    def __init__(self) -> None:
        self.server = RawServer(self._serve)
        self.faults: list[Fault] = []
        self.fault: Fault | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    @property
    def url(self) -> str:
        """Where it is."""
        return self.server.url

    @property
    def calls(self) -> int:
        """How often it was asked."""
        return len(self.server.heads)

    async def _serve(self, head: Head, line: Line) -> None:
        fault = self.faults.pop(0) if self.faults else self.fault
        if fault is None:
            await self.respond(head, line)
        elif isinstance(fault, bytes):
            await read_body(line.reader, head)
            await line.send(fault)
            if b"content-length" not in fault:
                raise EOFError
        else:
            await fault(head, line)

    async def respond(self, head: Head, line: Line) -> None:
        """The answer without a fault."""
        raise NotImplementedError


async def asked(head: Head, line: Line, path: str, key: str) -> str:
    """The one question that such a service is asked: a POST of a JSON object with one key."""
    assert head.first == f"POST {path} HTTP/1.1".encode(), head.first
    assert re.fullmatch(r"application/json(; ?charset=utf-8)?", head.one("content-type"))
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", head.one("x-request-id"))
    assert not [name for name in head.names() if name in ("cookie", "x-api-tag", "traceparent-canary")]
    question = json.loads(await read_body(line.reader, head))
    assert list(question) == [key], question
    assert isinstance(question[key], str)
    return str(question[key])


class Personal(Service):
    """personal.openapi.yaml. `phones` maps ids to numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.phones: dict[str, str] = {}
        self.asked: list[str] = []

    async def respond(self, head: Head, line: Line) -> None:
        """As the contract says."""
        person = await asked(head, line, "/v1/phones/retrieve", "id")
        assert head.one("authorization") == f"Bearer {PERSONAL_TOKEN}"
        assert 1 <= len(person) <= 128
        self.asked.append(person)
        await self.gate.wait()
        if person in self.phones:
            await line.send(json_answer(200, {"id": person, "value": self.phones[person]}))
        else:
            await line.send(json_answer(404, {"code": "not_found", "message": f"no {person}"}))


class Wind(Service):
    """wind.openapi.yaml. `users` maps numbers to user ids, or to the status and code that they meet."""

    def __init__(self, api_key: str = WIND_API_KEY) -> None:
        super().__init__()
        self.api_key = api_key
        self.users: dict[str, str | tuple[int, str]] = {}
        self.asked: list[str] = []
        self.keys: list[str] = []

    async def respond(self, head: Head, line: Line) -> None:
        """As the contract says."""
        phone = await asked(head, line, "/v1/users/resolve", "phone_number")
        assert head.one("x-api-key") == self.api_key
        assert re.fullmatch(r"\+[1-9][0-9]{6,14}", phone)
        assert not head.all("authorization")
        self.asked.append(phone)
        self.keys.append(head.one("idempotency-key"))
        await self.gate.wait()
        outcome = self.users.get(phone, (404, "user_not_found"))
        if isinstance(outcome, str):
            await line.send(json_answer(200, {"user_id": outcome}))
        else:
            await line.send(json_answer(outcome[0], {"code": outcome[1], "message": f"about {phone}"}))


@dataclass
class Seen:
    """A request as talaria-services got it."""

    head: Head
    body: bytes = b""


@dataclass
class Upstream(Service):
    """talaria-services. It answers with the user id that it was told, unless `fault` says otherwise."""

    seen: list[Seen] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    async def respond(self, head: Head, line: Line) -> None:
        """The user's id as a text."""
        seen = Seen(head)
        self.seen.append(seen)
        seen.body = await read_body(line.reader, head)
        await self.gate.wait()
        body = head.one("x-wind-user-id").encode()
        await line.send(answer(200, b"" if head.first.startswith(b"HEAD ") else body, "content-type: text/plain"))


class KeyServer(Service):
    """Serves a caller's key set at every path; `others`: the sets at paths that have one of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[dict[str, object]] = []
        self.others: dict[str, list[dict[str, object]]] = {}

    async def respond(self, head: Head, line: Line) -> None:
        """The set."""
        assert head.first.startswith(b"GET "), head.first
        await self.gate.wait()
        path = head.first.split(b" ")[1].decode()
        await line.send(json_answer(200, {"keys": self.others.get(path, self.keys)}))

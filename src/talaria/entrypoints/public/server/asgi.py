"""A request of our server, served by an ASGI application (ASGI 3.0, HTTP)."""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from talaria.domain.http import Headers
from talaria.entrypoints.public.server.cycle import RequestResponseCycle

Message = dict[str, Any]


class AsgiCycle:
    """The scope, `receive` and `send` of one request. `complete` gives a response's headers what all of ours have.

    The application gets `request_id` as the request's `x-request-id`; one that it sends is dropped.
    """

    def __init__(self, cycle: RequestResponseCycle, request_id: str, complete: Callable[[Headers], Headers]) -> None:
        path, _, query = cycle.target.partition(b"?")
        self.scope: Message = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.0" if cycle.http10 else "1.1",
            "method": cycle.method,
            "scheme": cycle.scheme,
            "path": unquote(path.decode("ascii")),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": [*_without_id(cycle.headers), (b"x-request-id", request_id.encode("ascii"))],
            "client": (cycle.peer, 0),
            "server": None,
            "state": {},
        }
        self.status = self.bytes_out = 0
        self._cycle = cycle
        self._complete = complete
        self._headers: Headers = []
        self._body_ended = False

    async def receive(self) -> Message:
        """The next piece of the request's body. Behind its end it waits, for a disconnect cancels the task."""
        if self._body_ended:
            await asyncio.get_running_loop().create_future()
        body, more = await self._cycle.receive()
        self._body_ended = not more
        return {"type": "http.request", "body": body, "more_body": more}

    async def send(self, message: Message) -> None:
        """The head of the response, then the pieces of its body."""
        if message["type"] == "http.response.start":
            self.status, self._headers = message["status"], self._complete(_without_id(message["headers"]))
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        self.bytes_out += len(body)
        if not (more or self._cycle.response_started):
            self._cycle.respond(self.status, self._headers, body)
            return
        if not self._cycle.response_started:
            self._cycle.begin(self.status, self._headers)
        await self._cycle.write(body)
        if not more:
            self._cycle.finish()


def _without_id(headers: Headers) -> Headers:
    return [header for header in headers if header[0] != b"x-request-id"]

"""Every request to a simulated service comes through here: remembered, delayed or failed by script, then served."""

import asyncio
import time
from typing import Any

from talaria.sandbox.faults import Faults, Script
from talaria.sandbox.listener import Line
from talaria.sandbox.request_log import Received, Recording

CONTROL = b"/_sandbox/"
_SCRIPTED = '{"code":"scripted","message":"The sandbox was told to answer this."}'


class Door:
    """An ASGI app around a service's own. Requests below `/_sandbox/` are for us and are neither kept nor failed.

    The law: a request's task is cancelled when its client leaves, and that cancellation ends here.
    """

    def __init__(self, app: Any, recording: Recording, script: Script) -> None:
        self._app = app
        self._recording = recording
        self._script = script

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["raw_path"].startswith(CONTROL):
            await self._app(scope, receive, send)
            return
        line: Line = scope["extensions"]["sandbox"]
        received = Received(scope["method"], line.target, scope["headers"])
        scope["state"]["received"] = received
        self._recording.add(received)
        await self._until_gone(line, received, self._serve(scope, receive, send, received))

    async def _until_gone(self, line: Line, received: Received, serving: Any) -> None:
        task = asyncio.ensure_future(serving)

        def cancel(_: object) -> None:
            task.cancel()

        line.gone.add_done_callback(cancel)
        try:
            await task
        except asyncio.CancelledError:
            if not line.gone.done():
                raise
        finally:
            line.gone.remove_done_callback(cancel)
            received.left = not received.answered
            received.ended.set()

    async def _serve(self, scope: Any, receive: Any, send: Any, received: Received) -> None:
        line: Line = scope["extensions"]["sandbox"]
        faults, fails = self._script.faults, self._script.next_fails()
        if faults.latency:
            await asyncio.sleep(faults.latency)
        watched = _watched(send, received, line)
        if fails:
            await _fail(faults, line, watched)
        else:
            await self._app(scope, _counted(receive, received), watched)


def _counted(receive: Any, received: Received) -> Any:
    async def counted() -> Any:
        message = await receive()
        if message["type"] == "http.request":
            received.take(message.get("body", b""))
        return message

    return counted


def _watched(send: Any, received: Received, line: Line) -> Any:
    async def watched(message: Any) -> None:
        if message["type"] == "http.response.start":
            received.status = message["status"]
        await send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            received.answered = not line.gone.done()
            received.answered_at = time.perf_counter()

    return watched


async def _fail(faults: Faults, line: Line, send: Any) -> None:
    if faults.reset:
        line.transport.abort()
        await line.gone
    elif faults.raw is not None:
        line.transport.write(faults.raw.encode("latin-1"))
        line.transport.close()
        await line.gone
    else:
        headers = [(b"content-type", b"application/json")]
        if faults.retry_after:
            headers.append((b"retry-after", faults.retry_after.encode()))
        body = b"" if faults.status in (204, 304) else (_SCRIPTED if faults.body is None else faults.body).encode()
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": faults.status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

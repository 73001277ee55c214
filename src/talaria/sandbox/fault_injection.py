"""The middleware of every simulated service: logs each request, delays or fails it by script, then serves it."""

import asyncio
import time
from typing import Any

from talaria.sandbox.faults import Faults, FaultScript
from talaria.sandbox.request_log import RecordedRequest, RequestLog
from talaria.sandbox.service_listener import ConnectionInfo

CONTROL = b"/_sandbox/"
_SCRIPTED = '{"code":"scripted","message":"The sandbox was told to answer this."}'


class FaultInjection:
    """ASGI middleware round a service's own app. Requests below `/_sandbox/` pass: they are not logged and do not fail.

    Rule: a request's task is cancelled when its client leaves, and that cancellation ends here.
    """

    def __init__(self, app: Any, log: RequestLog, script: FaultScript) -> None:
        self._app = app
        self._log = log
        self._script = script

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["raw_path"].startswith(CONTROL):
            await self._app(scope, receive, send)
            return
        connection: ConnectionInfo = scope["extensions"]["sandbox"]
        request = RecordedRequest(scope["method"], connection.target, scope["headers"])
        scope["state"]["received"] = request
        self._log.add(request)
        await self._until_gone(connection, request, self._serve(scope, receive, send, request))

    async def _until_gone(self, connection: ConnectionInfo, request: RecordedRequest, serving: Any) -> None:
        task = asyncio.ensure_future(serving)

        def cancel(_: object) -> None:
            task.cancel()

        connection.gone.add_done_callback(cancel)
        try:
            await task
        except asyncio.CancelledError:
            if not connection.gone.done():
                raise
        finally:
            connection.gone.remove_done_callback(cancel)
            request.left = not request.answered
            request.ended.set()

    async def _serve(self, scope: Any, receive: Any, send: Any, request: RecordedRequest) -> None:
        connection: ConnectionInfo = scope["extensions"]["sandbox"]
        faults, fails = self._script.faults, self._script.next_fails()
        if faults.latency:
            await asyncio.sleep(faults.latency)
        recorded = _recording_send(_dripping_send(send, faults.drip) if faults.drip else send, request, connection)
        if fails:
            await _fail(faults, connection, recorded)
        else:
            await self._app(scope, _recording_receive(receive, request), recorded)


def _recording_receive(receive: Any, request: RecordedRequest) -> Any:
    async def recording() -> Any:
        message = await receive()
        if message["type"] == "http.request":
            request.take(message.get("body", b""))
        return message

    return recording


def _recording_send(send: Any, request: RecordedRequest, connection: ConnectionInfo) -> Any:
    async def recording(message: Any) -> None:
        if message["type"] == "http.response.start":
            request.status = message["status"]
        await send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            request.answered = not connection.gone.done()
            request.answered_at = time.perf_counter()

    return recording


def _dripping_send(send: Any, seconds: float) -> Any:
    async def dripping(message: Any) -> None:
        body = message.get("body", b"")
        for at in range(len(body) - 1):
            await send({**message, "body": body[at : at + 1], "more_body": True})
            await asyncio.sleep(seconds)
        await send({**message, "body": body[-1:]} if body else message)

    return dripping


async def _fail(faults: Faults, connection: ConnectionInfo, send: Any) -> None:
    if faults.hang:
        await connection.gone
    elif faults.reset:
        connection.transport.abort()
        await connection.gone
    elif faults.raw is not None:
        connection.transport.write(faults.raw.encode("latin-1"))
        connection.transport.close()
        await connection.gone
    else:
        headers = [(b"content-type", b"application/json")]
        if faults.retry_after:
            headers.append((b"retry-after", faults.retry_after.encode()))
        body = b"" if faults.status in (204, 304) else (_SCRIPTED if faults.body is None else faults.body).encode()
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": faults.status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

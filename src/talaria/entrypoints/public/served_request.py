"""One request while it is answered: whatever ends it becomes a response, where one can be sent, and one event."""

import asyncio
import logging
from types import TracebackType
from typing import Literal, Self

from talaria.domain.errors import ClientGone, Draining, InternalError, Refusal
from talaria.domain.events import RequestContext, RequestFinished
from talaria.domain.http import Headers
from talaria.domain.model import Origin
from talaria.domain.ports import Clock, Recorder
from talaria.entrypoints.public import problems
from talaria.entrypoints.public.server.cycle import RequestResponseCycle
from talaria.entrypoints.public.validation import ClientBody

logger = logging.getLogger("talaria.proxy")

_ENDS_THE_PROCESS = (KeyboardInterrupt, SystemExit, GeneratorExit)


class ServedRequest:
    """A context manager around the answering of one request; no exception leaves it but those that end the process.

    The body of the `with` sets what it knows: `status`, `origin` and `bytes_out` of a response, `body` of the request,
    and its `method` where that is not the cycle's. With `edge` the response is a decision for an edge proxy.
    """

    __slots__ = (
        "_cycle", "_now", "_record", "body", "bytes_out", "cause", "context", "method", "origin", "reason", "status",
    )  # fmt: skip

    def __init__(self, cycle: RequestResponseCycle, recorder: Recorder, clock: Clock, *, edge: bool = False) -> None:
        self._cycle = cycle
        self._record = recorder.record
        self._now = clock.now
        self.context = RequestContext(started=self._now(), edge=edge)
        self.method = cycle.method
        self.status = self.bytes_out = 0
        self.reason = self.cause = ""
        self.origin: Origin | Literal[""] = ""
        self.body: ClientBody | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        try:
            if error is not None:
                self._settle(error)
        finally:
            self._cycle.on_disconnect = None
            self._finish()
        return not isinstance(error, _ENDS_THE_PROCESS)

    @property
    def request_id(self) -> str:
        """The id of this request: the gateway's choice, or one made here where the request did not come so far."""
        self.context.request_id = self.context.request_id or problems.request_id_of(self._cycle.headers)
        return self.context.request_id

    def complete(self, headers: Headers) -> Headers:
        """The headers of a response, with `x-request-id`, and with `date` where it is missing. Changes the list."""
        headers.append((b"x-request-id", self.context.request_id.encode("ascii")))
        for name, _ in headers:
            if name == b"date":
                break
        else:
            headers.append(problems.date_header())
        return headers

    def _settle(self, error: BaseException) -> None:
        if isinstance(error, Refusal):
            self._refuse(error)
        elif isinstance(error, ClientGone):
            self._client_gone(str(error))
        elif isinstance(error, asyncio.CancelledError):
            if self._cycle.disconnected:
                self._client_gone("")
            else:
                self._refuse(Draining("cut off at the end of the drain"))
        elif not isinstance(error, _ENDS_THE_PROCESS):
            logger.error("a request failed by a fault of ours", exc_info=error, extra={"request_id": self.request_id})
            self._refuse(InternalError(type(error).__name__))

    def _refuse(self, refusal: Refusal) -> None:
        """Answer in problem+json; where the response has begun already, it can only be cut."""
        cycle = self._cycle
        self.reason, self.origin, self.cause = refusal.reason, refusal.origin, refusal.cause
        request_id = self.request_id
        if cycle.disconnected and not cycle.response_started:
            self._client_gone("")
        elif cycle.response_started:
            cycle.abort()
        else:
            self.status, headers, body = problems.render(refusal, request_id)
            self.bytes_out = len(body)
            if self.context.edge:
                headers.append((problems.REASON_HEADER, refusal.reason.encode("ascii")))
            cycle.respond(self.status, [*headers, problems.date_header()], body)

    def _client_gone(self, cause: str) -> None:
        self.status, self.reason, self.origin, self.cause = 499, "client-gone", "client", cause
        self._cycle.abort()

    def _finish(self) -> None:
        seconds = self._now() - self.context.started
        bytes_in = 0 if self.body is None else self.body.bytes_in
        self._record(
            RequestFinished(
                self.context,
                self.method,
                self.status,
                self.reason,
                self.origin,
                bytes_in,
                self.bytes_out,
                seconds,
                self.cause,
            )
        )

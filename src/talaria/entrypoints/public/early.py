"""Heads that never become a request: what their client is told, and what is noted of them."""

import uuid

from talaria.domain.errors import Refusal
from talaria.domain.events import RequestContext, RequestFinished
from talaria.domain.ports import Recorder
from talaria.entrypoints.public import problems
from talaria.entrypoints.public.dates import date_header


class EarlyEnds:
    """One event for each head that ends early. It says no more of it: nothing of such a head is to be trusted."""

    def __init__(self, recorder: Recorder) -> None:
        self._record = recorder.record

    def refused(self, refusal: Refusal) -> bytes:
        """The whole answer to write."""
        context = RequestContext(uuid.uuid4().hex)
        status, headers, body = problems.render(refusal, context.request_id)
        reason, origin = refusal.reason, refusal.origin
        self._record(RequestFinished(context, "", status, reason, origin, 0, len(body), 0.0, refusal.cause))
        return problems.on_the_wire(status, [*headers, date_header()], body)

    def cut_off(self, cause: str) -> None:
        """Nobody is answered: its client took too long, as one does that falls silent inside its body."""
        context = RequestContext(uuid.uuid4().hex)
        self._record(RequestFinished(context, "", 499, "client-gone", "client", 0, 0, 0.0, cause))

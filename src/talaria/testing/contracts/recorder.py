"""What every `Recorder` does."""

from talaria.domain.events import (
    Attempt,
    Event,
    ExchangeFinished,
    FlowLabels,
    RequestContext,
    RequestFinished,
    RequestForwarded,
    RetryRefused,
    ShadowAnswered,
)
from talaria.domain.ports import Recorder

EVENTS: list[Event] = [
    ExchangeFinished("wind", "hit"),
    ExchangeFinished("a partner that is not configured", "failed"),
    Attempt("personal", 0.0, 0.0, "ok"),
    Attempt("talaria-services", 1.0, 2.0, "503", "http://127.0.0.1:1"),
    ShadowAnswered("wind", "wind_v2", "other", "0123456789ab", "r-1"),
    RequestFinished(RequestContext(), "GET", 200, "", "upstream", 0, 0, 0.0),
    RequestFinished(
        RequestContext(tag="no such tag"), "POST", 502, "upstream-unreachable", "upstream", 1, 2, 3.0, "why"
    ),
    RetryRefused("wind"),
    RequestFinished(RequestContext(), "", 499, "client-gone", "client", 0, 0, 0.0),
]
"""Each kind of event, with values that are usual and with values that are not."""
FORWARDED = RequestForwarded(
    FlowLabels("wind", "wind", "talaria-services", "app", ""),
    "r-1",
    "",
    "GET",
    200,
    0,
    2,
    0.001,
    0.001,
    1.0,
    "http://127.0.0.1:1",
)


class RecorderContract:
    """Derive, and give a `recorder`."""

    def recorder(self) -> Recorder:
        """Any."""
        raise NotImplementedError

    def test_every_event_is_taken(self) -> None:
        recorder = self.recorder()
        for event in EVENTS * 3:
            recorder.record(event)

    async def test_usual_ends_are_taken(self) -> None:
        recorder = self.recorder()
        for _ in range(600):
            recorder.record_soon(FORWARDED)

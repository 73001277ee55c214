"""What was recorded of requests."""

from talaria.domain.events import RequestFinished
from talaria.testing import MemoryRecorder


def finished(recorder: MemoryRecorder) -> RequestFinished:
    """The one request that is over."""
    (event,) = [event for event in recorder.events if isinstance(event, RequestFinished)]
    return event

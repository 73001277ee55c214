"""What was recorded of requests."""

from talaria.domain.events import RequestFinished, RequestForwarded
from talaria.testing import MemoryRecorder


def finished(recorder: MemoryRecorder) -> RequestFinished:
    """The one request that is over."""
    (event,) = [event for event in recorder.events if isinstance(event, RequestFinished)]
    return event


class Recorded:
    """What has a `recorder` tells of the requests that have ended, in order."""

    recorder: MemoryRecorder

    @property
    def ended(self) -> list[RequestFinished | RequestForwarded]:
        """Their events."""
        return [event for event in self.recorder.events if isinstance(event, RequestFinished | RequestForwarded)]

    @property
    def fast(self) -> list[bool]:
        """Did they take the fast path to the end, or were they answered under a flow?"""
        return [isinstance(event, RequestForwarded) for event in self.ended]

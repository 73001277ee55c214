"""However a request ends: one response where one can be sent, and one event."""

import asyncio
import json

import pytest

from talaria.domain.errors import BadAnswer, BodyTooLarge, ClientGone, Draining
from talaria.entrypoints.public.served_request import ServedRequest
from talaria.entrypoints.public.server.cycle import RequestResponseCycle
from talaria.testing import MemoryRecorder
from tests.unit.entrypoints.public.support_cycle import MemoryLink, arrived
from tests.unit.entrypoints.public.support_events import finished
from tests.unit.support_time import clock, run

LENGTH = [(b"content-length", b"4")]


class Serving:
    """A request that is about to be answered. Needs a loop of support_time."""

    def __init__(self, *headers: tuple[bytes, bytes], http10: bool = False) -> None:
        self.cycle: RequestResponseCycle
        self.link: MemoryLink
        self.cycle, self.link = arrived(headers=[(b"host", b"a"), *headers], http10=http10)
        self.cycle.on_disconnect = lambda: None
        self.recorder = MemoryRecorder()
        self.served = ServedRequest(self.cycle, self.recorder, clock())

    def end(self, error: BaseException | None = None, *, begun: bool = False) -> None:
        """Answer, or fail with this error; where it has begun, behind the head of a response."""
        with self.served:
            clock().move(2.5)
            if begun:
                self.cycle.begin(200, LENGTH)
            if error is not None:
                raise error
            self.served.status, self.served.origin, self.served.bytes_out = 200, "upstream", 4
            self.cycle.respond(200, LENGTH, b"body")

    @property
    def problem(self) -> dict[str, object]:
        """The body of the refusal that was written."""
        found: dict[str, object] = json.loads(self.link.written.partition(b"\r\n\r\n")[2])
        return found


def test_a_response_is_recorded_with_what_is_known_of_it() -> None:
    async def main() -> None:
        serving = Serving()
        serving.end()
        event = finished(serving.recorder)
        assert (event.method, event.status, event.reason, event.origin, event.cause) == ("GET", 200, "", "upstream", "")
        assert (event.bytes_in, event.bytes_out) == (0, 4)
        assert event.seconds == pytest.approx(2.5)
        assert event.context.started == pytest.approx(clock().now() - 2.5)
        assert serving.cycle.on_disconnect is None

    run(main())


def test_a_refusal_is_answered_and_recorded() -> None:
    async def main() -> None:
        serving = Serving((b"x-request-id", b"r-7"))
        serving.end(BodyTooLarge("of the test"))
        event = finished(serving.recorder)
        assert (event.status, event.reason, event.origin, event.cause) == (
            413, "body-too-large", "client", "of the test",
        )  # fmt: skip
        assert (serving.problem["reason"], serving.problem["request_id"]) == ("body-too-large", "r-7")
        assert event.bytes_out == len(serving.link.written.partition(b"\r\n\r\n")[2])
        assert b"\r\ndate: " in serving.link.written

    run(main())


@pytest.mark.parametrize("given", [[], [b"bad id"], [b"one", b"two"]])
def test_a_refused_request_without_a_usable_id_gets_one(given: list[bytes]) -> None:
    async def main() -> None:
        serving = Serving(*((b"x-request-id", value) for value in given))
        serving.end(BodyTooLarge())
        assert serving.problem["request_id"] == finished(serving.recorder).context.request_id
        assert len(str(serving.problem["request_id"])) == 32

    run(main())


@pytest.mark.parametrize(("http10", "ended"), [(False, "aborted"), (True, "aborted")])
def test_a_refusal_behind_the_head_of_a_response_cuts_it(http10: bool, ended: str) -> None:
    async def main() -> None:
        serving = Serving(http10=http10)
        serving.end(BadAnswer("upstream", "cut"), begun=True)
        assert (serving.link.ended, serving.link.written.count(b"HTTP/1.1")) == (ended, 1)
        assert finished(serving.recorder).reason == "upstream-bad-answer"

    run(main())


@pytest.mark.parametrize("begun", [False, True])
def test_a_client_that_has_left_gets_nothing_and_is_recorded_as_such(begun: bool) -> None:
    async def main() -> None:
        serving = Serving()
        serving.end(ClientGone("silent"), begun=begun)
        event = finished(serving.recorder)
        assert (event.status, event.reason, event.origin, event.cause) == (499, "client-gone", "client", "silent")
        assert serving.link.ended == "aborted"

    run(main())


def test_a_refusal_behind_the_head_stays_one_though_the_client_has_left() -> None:
    async def main() -> None:
        serving = Serving()
        serving.cycle.begin(200, LENGTH)
        serving.cycle.disconnect()
        serving.end(BadAnswer("upstream", "cut"))
        assert finished(serving.recorder).reason == "upstream-bad-answer"

    run(main())


def test_a_refusal_of_a_client_that_has_left_meanwhile_is_no_refusal() -> None:
    async def main() -> None:
        serving = Serving()
        serving.cycle.disconnect()
        serving.end(BodyTooLarge())
        event = finished(serving.recorder)
        assert (event.status, event.reason, serving.link.written) == (499, "client-gone", b"")

    run(main())


@pytest.mark.parametrize(("disconnected", "reason", "status"), [(True, "client-gone", 499), (False, "draining", 503)])
def test_a_cancelled_request_is_its_clients_or_the_drains(disconnected: bool, reason: str, status: int) -> None:
    async def main() -> None:
        serving = Serving()
        if disconnected:
            serving.cycle.disconnect()
        serving.end(asyncio.CancelledError())
        event = finished(serving.recorder)
        assert (event.status, event.reason) == (status, reason)
        assert (b"connection: close" in serving.link.written) is not disconnected

    run(main())


class Panic(BaseException):
    """As of a library in Rust (pyo3)."""


@pytest.mark.parametrize("kind", [KeyError, Panic])
def test_a_fault_of_ours_is_logged_under_the_id_that_the_client_gets(
    caplog: pytest.LogCaptureFixture, kind: type[BaseException]
) -> None:
    async def main() -> None:
        serving = Serving()
        serving.end(kind("secret"))
        event = finished(serving.recorder)
        assert (event.status, event.reason, event.origin) == (500, "internal-error", "gateway")
        assert event.cause == kind.__name__
        (line,) = caplog.records
        assert line.__dict__["request_id"] == serving.problem["request_id"] == event.context.request_id
        assert b"secret" not in serving.link.written

    run(main())


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_the_process_passes_and_is_recorded(kind: type[BaseException]) -> None:
    async def main() -> None:
        serving = Serving()
        with pytest.raises(kind):
            serving.end(kind())
        assert finished(serving.recorder).reason == ""
        assert (serving.link.written, serving.link.ended) == (b"", "")

    run(main())


@pytest.mark.parametrize(("given", "count"), [([], 1), ([(b"date", b"theirs")], 1)])
def test_a_response_is_completed_with_an_id_and_a_date_where_it_has_none(
    given: list[tuple[bytes, bytes]], count: int
) -> None:
    async def main() -> None:
        serving = Serving()
        serving.served.context.request_id = "r-1"
        headers = serving.served.complete(list(given))
        assert headers[len(given)] == (b"x-request-id", b"r-1")
        assert len([value for name, value in headers if name == b"date"]) == count
        assert headers[: len(given)] == given

    run(main())


def test_a_drain_that_has_cut_a_request_says_so() -> None:
    async def main() -> None:
        serving = Serving()
        serving.end(Draining())
        assert serving.problem["reason"] == "draining"

    run(main())

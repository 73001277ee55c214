"""Which url is asked, what is asked again, and what is told of it. The urls are functions."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from talaria.adapters.balanced_upstream import TalariaServices, UpstreamUrl
from talaria.adapters.http1.response_body import ArrivedBody
from talaria.domain.errors import BadAnswer, CircuitOpen, TimedOut, Unreachable
from talaria.domain.events import Attempt
from talaria.domain.http import UpstreamRequest, UpstreamResponse
from talaria.testing import MemoryClock, MemoryRecorder
from tests.support_refusals import by

Step = Callable[[UpstreamRequest], UpstreamResponse]


def step(*outcomes: str, error: Exception | None = None) -> Step:
    """An answer, or this error, after attempts with these outcomes."""

    def take(outbound: UpstreamRequest) -> UpstreamResponse:
        outbound.attempts.extend(Attempt("upstream", 0.0, 0.0, outcome) for outcome in outcomes)
        if error is not None:
            raise error
        return UpstreamResponse(200, [], ArrivedBody(b""), b"")

    return take


GOOD = step("ok")
BROKEN = step("broken", error=Unreachable("upstream", "the connection broke"))
REFUSED = step("connect", error=Unreachable("upstream", "connection refused"))
LATE = step("timeout", error=TimedOut("upstream", "no head of an answer in time"))


class Cut:
    """A body that ends, or breaks, after one piece."""

    def __init__(self, error: Exception | None) -> None:
        self._left: list[bytes | Exception] = [b"half", *([error] if error else [])]

    def __aiter__(self) -> "Cut":
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        piece = self._left.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return piece

    async def aclose(self) -> None:
        self._left = []


def streamed(error: Exception | None = None) -> Step:
    """An answer whose body comes after its head."""
    return lambda outbound: UpstreamResponse(200 if outbound.body is None else 413, [], Cut(error))


CUT = streamed(Unreachable("upstream", "the upstream closed the connection"))
NONSENSE = streamed(BadAnswer("upstream", "a malformed chunk"))
SILENT = streamed(TimedOut("upstream", "silence inside the body of the answer"))


class Origin:
    """One url: what it does, again and again."""

    def __init__(self, doing: Step) -> None:
        self.doing = doing
        self.in_flight = 0
        self.asked = 0

    async def send(self, outbound: UpstreamRequest) -> UpstreamResponse:
        self.asked += 1
        return self.doing(outbound)

    async def aclose(self) -> None:
        """Nothing to close."""


class Bench:
    """An upstream of so many urls."""

    def __init__(self, *doing: Step) -> None:
        self.origins = [Origin(one) for one in doing]
        self.clock, self.recorder = MemoryClock(), MemoryRecorder()
        urls = [UpstreamUrl(origin) for origin in self.origins]
        self.upstream = TalariaServices("services", urls, self.clock, self.recorder)

    async def ask(self, method: str = "GET") -> int:
        return (await self.upstream.send(UpstreamRequest(method, b"/", [], None, None, 1.0, 1.0))).status

    async def read(self, after: float = 0.0) -> bytes:
        """The body of an answer to GET, or what had come of it; so many seconds after its head."""
        answer, body = await self.upstream.send(UpstreamRequest("GET", b"/", [], None, None, 1.0, 1.0)), b""
        self.clock.move(after)
        with suppress(Unreachable, BadAnswer, TimedOut):
            async for piece in answer.body:
                body += piece
        await answer.body.aclose()
        return body

    @property
    def asked(self) -> list[int]:
        return [origin.asked for origin in self.origins]


async def test_every_attempt_is_told_those_on_a_closed_connection_too() -> None:
    bench = Bench(step("broken", "ok"))
    assert await bench.ask() == 200
    assert bench.recorder.events == [Attempt("upstream", 0.0, 0.0, outcome) for outcome in ("broken", "ok")]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_reached_nobody_goes_to_another_url(method: str) -> None:
    bench = Bench(REFUSED, GOOD)
    assert [await bench.ask(method) for _ in range(20)] == [200] * 20
    assert bench.asked == [5, 20], "five failures, then it is left out"


async def test_a_get_that_broke_is_asked_again() -> None:
    bench = Bench(BROKEN, GOOD)
    assert [await bench.ask() for _ in range(4)] == [200] * 4


@pytest.mark.parametrize(("method", "doing"), [("POST", BROKEN), ("POST", LATE), ("GET", LATE)])
async def test_nothing_else_is_sent_twice(method: str, doing: Step) -> None:
    bench = Bench(doing, doing)
    with pytest.raises((Unreachable, TimedOut)):
        await bench.ask(method)
    assert sum(bench.asked) == 1


@pytest.mark.parametrize(("doing", "times"), [(BROKEN, 2), (REFUSED, 1)])
async def test_the_only_url_is_asked_again_once_where_it_was_reached(doing: Step, times: int) -> None:
    bench = Bench(doing)
    with pytest.raises(Unreachable, check=by("upstream")):
        await bench.ask()
    assert bench.asked == [times]


async def test_where_every_url_failed_nobody_is_asked() -> None:
    bench = Bench(REFUSED, REFUSED)
    for _ in range(5):
        with pytest.raises(Unreachable, check=by("upstream")):
            await bench.ask()
    with pytest.raises(CircuitOpen) as caught:
        await bench.ask()
    assert (bench.asked, caught.value.retry_after) == ([5, 5], 5.0)


async def test_one_probe_brings_a_url_back() -> None:
    bench = Bench(REFUSED, GOOD)
    for _ in range(10):
        await bench.ask()
    bench.clock.move(5.0)
    bench.origins[0].doing = GOOD
    before = bench.origins[0].asked
    for _ in range(10):
        await bench.ask()
    assert bench.origins[0].asked == before + 5


@pytest.mark.parametrize("doing", [CUT, NONSENSE])
async def test_a_url_whose_bodies_break_is_left_out(doing: Step) -> None:
    bench = Bench(doing, streamed())
    assert [await bench.read() for _ in range(30)] == [b"half"] * 30
    assert bench.asked == [5, 25]


async def test_what_broke_is_not_sent_again_and_the_only_url_is_refused_then() -> None:
    bench = Bench(CUT)
    assert [await bench.read() for _ in range(5)] == [b"half"] * 5
    with pytest.raises(CircuitOpen):
        await bench.read()
    assert bench.asked == [5]


@pytest.mark.parametrize(("doing", "after"), [(SILENT, 0.0), (CUT, 11.0), (streamed(), 0.0)])
async def test_a_silence_an_old_stream_and_an_end_open_nothing(doing: Step, after: float) -> None:
    bench = Bench(doing)
    for _ in range(30):
        await bench.read(after)
    assert bench.asked == [30]


async def test_an_upload_that_is_refused_may_cost_the_end_of_the_answer() -> None:
    bench = Bench(CUT)
    for _ in range(10):
        upload = UpstreamRequest("POST", b"/", [], Cut(None), None, 1.0, 1.0)
        with pytest.raises(Unreachable, check=by("upstream")):
            [piece async for piece in (await bench.upstream.send(upload)).body]
    assert bench.upstream.breakers[0].state == "closed"


async def test_who_closes_a_body_tells_nothing_of_the_upstream() -> None:
    bench = Bench(CUT)
    for _ in range(10):
        answer = await bench.upstream.send(UpstreamRequest("GET", b"/", [], None, None, 1.0, 1.0))
        await answer.body.aclose()
    assert bench.upstream.breakers[0].state == "closed"

"""An upstream of several backends, each of which is a function."""

from collections.abc import Callable
from contextlib import suppress

from talaria.adapters.balanced_upstream import Backend, BalancedUpstream
from talaria.adapters.http1.connection import Connection
from talaria.adapters.http1.errors import ConnectError, ConnectionClosed, ReadTimeout, RemoteProtocolError
from talaria.adapters.http1.pool import PoolState
from talaria.adapters.http1.response_body import BufferedBody
from talaria.adapters.http1.upstream import SentRequest
from talaria.adapters.talaria_services import TalariaServices
from talaria.domain.errors import BadAnswer, TimedOut, Unreachable
from talaria.domain.events import Attempt
from talaria.domain.http import Body, UpstreamRequest, UpstreamResponse
from talaria.testing import MemoryClock, MemoryRecorder

Step = Callable[[UpstreamRequest], UpstreamResponse]


def step(*outcomes: str, error: Exception | None = None) -> Step:
    """An answer, or this error, after attempts with these outcomes."""

    def take(sent: UpstreamRequest) -> UpstreamResponse:
        sent.attempts.extend(Attempt("upstream", 0.0, 0.0, outcome) for outcome in outcomes)
        if error is not None:
            raise error
        return UpstreamResponse(200, [], BufferedBody(b""), b"")

    return take


GOOD = step("ok")
BROKEN = step("broken", error=ConnectionClosed("the connection broke"))
REFUSED = step("connect", error=ConnectError("connection refused"))
LATE = step("timeout", error=ReadTimeout("no head of a response in time"))


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
    """A response with a body that comes after its head."""
    return lambda sent: UpstreamResponse(200 if sent.body is None else 413, [], Cut(error))


CUT = streamed(ConnectionClosed("the peer closed the connection"))
NONSENSE = streamed(RemoteProtocolError("malformed chunk"))
SILENT = streamed(ReadTimeout("silence inside the body of the response"))


class ScriptedClient:
    """The client of one url: what it does, again and again. `timeouts` is what it was given."""

    def __init__(self, doing: Step) -> None:
        self.doing = doing
        self.in_flight = 0
        self.asked = 0
        self.timeouts: list[float] = []
        self.closed = False

    address = ""
    host_line = b"host: services"

    def pool_state(self) -> PoolState:
        return PoolState()

    def take(self, now: float) -> Connection | None:
        return None

    def give_back(self, connection: Connection) -> None:
        raise AssertionError("nothing was taken")

    async def send(
        self, request: UpstreamRequest, timeout: float, *, sent: SentRequest | None = None
    ) -> UpstreamResponse:
        self.asked += 1
        self.timeouts.append(timeout)
        return self.doing(request)

    async def follow_names(self) -> None:
        """It has none."""

    async def aclose(self) -> None:
        self.closed = True


class Balanced:
    """talaria-services behind so many urls."""

    def __init__(self, *doing: Step) -> None:
        self.clients = [ScriptedClient(one) for one in doing]
        self.clock, self.recorder = MemoryClock(), MemoryRecorder()
        backends = [Backend(client) for client in self.clients]
        self.breakers = [backend.breaker for backend in backends]
        self.balanced = BalancedUpstream("services", backends, self.clock, self.recorder)
        self.upstream = TalariaServices(self.balanced, self.clock)

    async def ask(self, method: str = "GET", body: Body | None = None) -> int:
        return (await self.upstream.send(UpstreamRequest(method, b"/", [], body, None, 1.0, 1.0))).status

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
        return [client.asked for client in self.clients]

"""What the public listener serves itself, and what goes to the proxy."""

import asyncio
import json
from typing import Any, cast

import pytest
from litestar import Litestar, get
from litestar.exceptions import (
    ClientException,
    HTTPException,
    InternalServerException,
    MethodNotAllowedException,
)

from talaria.domain.resilience import ConcurrencyLimiter
from talaria.entrypoints.public.app import HEALTH_PATH, JWKS_PATH, PublicApp, public_pages
from talaria.entrypoints.public.proxy import Proxy
from talaria.entrypoints.public.server.cycle import RequestResponseCycle
from talaria.testing import MemoryRecorder
from tests.unit.entrypoints.public.support_cycle import MemoryLink, arrived
from tests.unit.entrypoints.public.support_events import finished
from tests.unit.support_time import clock, run, settle

PATH = JWKS_PATH.encode()
HEALTH = HEALTH_PATH.encode()
KEYS = b'{"keys":[]}'


@get(JWKS_PATH)
async def hangs() -> None:
    """A page that never answers."""
    await asyncio.Event().wait()


class World:
    """The application, in front of a proxy that only notes what it gets. Needs a loop of support_time."""

    def __init__(self, pages: Litestar | None = None, limit: int = 2) -> None:
        self.proxied: list[bytes] = []
        self.recorder = MemoryRecorder()
        self.limiter = ConcurrencyLimiter(limit)
        self.draining = False
        proxy = cast(Proxy, self._pass_on)
        pages = pages or public_pages(lambda: KEYS, lambda: self.draining)
        self.app = PublicApp(proxy, pages, self.recorder, clock(), self.limiter)

    async def _pass_on(self, cycle: RequestResponseCycle) -> None:
        self.proxied.append(cycle.target)

    async def ask(self, target: bytes = PATH, *headers: tuple[bytes, bytes], method: str = "GET") -> MemoryLink:
        """One request."""
        cycle, link = arrived(target, method=method, headers=[(b"host", b"a"), *headers])
        await self.app(cycle)
        return link


def head_and_body(link: MemoryLink) -> tuple[dict[bytes, bytes], bytes]:
    """The headers of a response, and its body."""
    head, _, body = link.written.partition(b"\r\n\r\n")
    lines = [line.partition(b": ") for line in head.split(b"\r\n")[1:]]
    assert len({name for name, _, _ in lines}) == len(lines)
    return {name: value for name, _, value in lines}, body


@pytest.mark.parametrize("target", [PATH, PATH + b"?x=1"])
def test_the_key_set_is_served_like_any_other_request(target: bytes) -> None:
    async def main() -> None:
        world = World()
        headers, body = head_and_body(await world.ask(target, (b"x-request-id", b"r-7")))
        event = finished(world.recorder)
        assert body == KEYS
        assert (headers[b"content-type"], headers[b"x-request-id"]) == (b"application/json", b"r-7")
        assert headers[b"cache-control"].startswith(b"public, max-age=")
        assert b"date" in headers
        assert (event.status, event.reason, event.origin, event.bytes_out) == (200, "", "", len(KEYS))
        assert (event.context.request_id, world.limiter.in_flight) == ("r-7", 0)

    run(main())


def test_a_look_by_head_gets_the_head_alone() -> None:
    async def main() -> None:
        headers, body = head_and_body(await World().ask(method="HEAD"))
        assert (int(headers[b"content-length"]), body) == (len(KEYS), b"")

    run(main())


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        (b"/", []),
        (PATH + b"/", []),
        (b"/x" + PATH, []),
        (PATH, [(b"x-api-tag", b"wind")]),
        (HEALTH, [(b"x-api-tag", b"wind")]),
    ],
)
def test_everything_else_and_every_tagged_request_goes_to_the_proxy(target: bytes, headers: Any) -> None:
    async def main() -> None:
        world = World()
        await world.ask(target, *headers)
        assert world.proxied == [target]

    run(main())


@pytest.mark.parametrize(
    ("method", "status", "reason"), [("POST", b"405", "method-not-allowed"), ("TRACE", b"405", "method-not-allowed")]
)
def test_another_method_is_a_problem(method: str, status: bytes, reason: str) -> None:
    async def main() -> None:
        link = await World().ask(method=method)
        headers, body = head_and_body(link)
        assert link.written.startswith(b"HTTP/1.1 " + status)
        problem = json.loads(body)
        assert (problem["reason"], problem["request_id"].encode()) == (reason, headers[b"x-request-id"])
        assert b"allow" in headers

    run(main())


@pytest.mark.parametrize("target", [PATH, HEALTH])
@pytest.mark.parametrize(
    ("hosts", "http10", "status"),
    [
        ([], False, b"400"),
        ([b"a", b"a"], False, b"400"),
        ([b""], False, b"400"),
        ([b"a b"], True, b"400"),
        ([b"a", b"b"], True, b"400"),
        ([], True, b"200"),  # balancers ask so, and HTTP/1.0 knows no host
        ([b"a:"], False, b"200"),
    ],
)
def test_a_page_is_asked_for_with_one_host(target: bytes, hosts: list[bytes], http10: bool, status: bytes) -> None:
    async def main() -> None:
        cycle, link = arrived(target, headers=[(b"host", host) for host in hosts], http10=http10)
        world = World()
        await world.app(cycle)
        assert link.written.split(b" ", 2)[1] == status
        assert finished(world.recorder).reason == ("bad-request" if status == b"400" else "")

    run(main())


def test_it_counts_and_is_refused_past_the_limit() -> None:
    async def main() -> None:
        world = World(limit=0)
        _, body = head_and_body(await world.ask())
        assert json.loads(body)["reason"] == finished(world.recorder).reason == "overloaded"
        assert world.limiter.in_flight == 0

    run(main())


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("limit", [2, 0])
def test_health_is_a_fixed_answer_and_not_refused_past_the_limit(limit: int, method: str) -> None:
    async def main() -> None:
        world = World(limit=limit)
        link = await world.ask(HEALTH, method=method)
        headers, body = head_and_body(link)
        assert link.written.startswith(b"HTTP/1.1 200 ")
        assert body == (b"ok\n" if method == "GET" else b"")
        assert headers.keys() == {b"content-type", b"content-length", b"cache-control", b"date", b"x-request-id"}
        assert (finished(world.recorder).reason, world.limiter.in_flight) == ("", 0)

    run(main())


def test_health_says_that_it_drains_and_nothing_else() -> None:
    async def main() -> None:
        world = World()
        world.draining = True
        link = await world.ask(HEALTH)
        assert link.written.startswith(b"HTTP/1.1 503 ")
        assert head_and_body(link)[1] == b"draining\n"
        event = finished(world.recorder)
        assert (event.status, event.reason, event.origin) == (503, "draining", "gateway")

    run(main())


@pytest.mark.parametrize(("disconnected", "reason"), [(True, "client-gone"), (False, "draining")])
def test_a_page_that_is_cancelled_is_recorded(disconnected: bool, reason: str) -> None:
    async def main() -> None:
        world = World(Litestar([hangs], openapi_config=None, logging_config=None))
        cycle, _ = arrived(PATH, headers=[(b"host", b"a")])
        task = asyncio.get_running_loop().create_task(world.app(cycle))
        cycle.on_disconnect = task.cancel
        await settle()
        assert world.limiter.in_flight == 1
        if disconnected:
            cycle.disconnect()
        else:
            task.cancel()
        await task
        assert (finished(world.recorder).reason, world.limiter.in_flight) == (reason, 0)

    run(main())


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (InternalServerException("secret"), b"500", "internal-error"),
        (MethodNotAllowedException(), b"405", "method-not-allowed"),
        (ClientException("secret"), b"400", "bad-request"),
    ],
)
def test_what_a_page_raises_of_litestars_is_a_problem_and_a_fault_of_ours_is_logged(
    caplog: pytest.LogCaptureFixture, error: HTTPException, status: bytes, reason: str
) -> None:
    def raises() -> bytes:
        raise error

    async def main() -> None:
        link = await World(public_pages(raises, bool)).ask(PATH, (b"x-request-id", b"r-7"))
        _, body = head_and_body(link)
        assert link.written.startswith(b"HTTP/1.1 " + status)
        assert json.loads(body)["reason"] == reason
        assert b"secret" not in link.written
        logged = [vars(record)["request_id"] for record in caplog.records if record.name == "talaria.http"]
        assert logged == (["r-7"] if status == b"500" else [])

    run(main())


def test_a_page_that_fails_is_a_fault_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> bytes:
        raise ValueError("secret")

    async def main() -> None:
        world = World(public_pages(fails, bool))
        link = await world.ask()
        _, body = head_and_body(link)
        event = finished(world.recorder)
        assert json.loads(body)["reason"] == event.reason == "internal-error"
        assert (event.status, event.origin) == (500, "gateway")
        assert b"secret" not in link.written
        assert caplog.records

    run(main())

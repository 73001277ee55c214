"""What every `Upstream` does when all goes well: every byte where it belongs, as soon as it is there."""

import asyncio
from collections.abc import AsyncIterator

from talaria.domain.http import Headers
from talaria.testing.contracts.upstream_harness import BackendRequest, UpstreamTests, hello, pieces, request, text_of

TARGETS = (
    b"/",
    b"/a/../b//c/./d",
    b"/%7Eanna/%2e%2E/%zz",
    b"/?q=a%20b&q=c+d&&=#".removesuffix(b"#"),
    b"/path;v=1?[x]={y}|z",
    b"*",
)
FRAMING = (b"content-length", b"transfer-encoding")


def own(headers: Headers) -> Headers:
    """Without what says when and by which software a response was made."""
    return [header for header in headers if header[0] not in (b"date", b"server", b"connection")]


class UpstreamContract(UpstreamTests):
    """Derive, and give a `harness`. `UpstreamFailures` is the other half."""

    async def test_target_and_method_byte_for_byte(self) -> None:
        seen: list[tuple[str, bytes]] = []

        async def handler(incoming: BackendRequest) -> None:
            seen.append((incoming.method, incoming.target))
            await hello(incoming)

        async with self.harness() as harness:
            harness.serve(handler)
            asked = [("GET", target) for target in TARGETS] + [("OPTIONS", b"*"), ("DELETE", b"/x"), ("pUrge", b"/")]
            for method, target in asked:
                await text_of(await harness.upstream.send(request(method, target)))
            assert seen == asked

    async def test_headers_in_order_doubled_ones_too_with_host_and_nothing_else(self) -> None:
        headers = [(b"x-a", b"1"), (b"accept", b"*/*"), (b"x-a", b"2"), (b"x-empty", b""), (b"x-b", b"\xfc, 3")]
        seen: list[Headers] = []

        async def handler(incoming: BackendRequest) -> None:
            seen.append(incoming.headers)
            await hello(incoming)

        async with self.harness() as harness:
            harness.serve(handler)
            await text_of(await harness.upstream.send(request(headers=headers)))
            assert seen == [[(b"host", harness.authority), *headers]]

    async def test_a_responses_headers_in_order_doubled_ones_too_in_lower_case(self) -> None:
        headers = [(b"set-cookie", b"a=1"), (b"x-b", b"2"), (b"set-cookie", b"c=3"), (b"location", b"/elsewhere")]

        async def handler(incoming: BackendRequest) -> None:
            await incoming.head(302, [(name.title(), value) for name, value in headers], length=2)
            await incoming.write(b"no")

        async with self.harness() as harness:
            harness.serve(handler)
            response = await harness.upstream.send(request())
            assert response.status == 302
            assert [(name.lower(), value) for name, value in own(response.headers)][:4] == headers
            assert await text_of(response) == b"no"

    async def test_nothing_of_one_response_comes_along_with_the_next_request(self) -> None:
        seen: list[Headers] = []

        async def handler(incoming: BackendRequest) -> None:
            seen.append(incoming.headers)
            await incoming.head(200, [(b"set-cookie", b"session=anna; Path=/"), (b"etag", b'"1"')], length=0)

        async with self.harness() as harness:
            harness.serve(handler)
            for _ in range(2):
                await text_of(await harness.upstream.send(request()))
            assert seen[0] == seen[1] == [(b"host", harness.authority)]

    async def test_an_encoded_response_stays_encoded(self) -> None:
        async def handler(incoming: BackendRequest) -> None:
            await incoming.head(200, [(b"content-encoding", b"gzip")], length=9)
            await incoming.write(b"not gzip!")

        async with self.harness() as harness:
            harness.serve(handler)
            assert await text_of(await harness.upstream.send(request())) == b"not gzip!"

    async def test_framing_follows_from_body_and_length(self) -> None:
        seen: list[tuple[Headers, bytes]] = []

        async def handler(incoming: BackendRequest) -> None:
            framing = [header for header in incoming.headers if header[0] in FRAMING]
            seen.append((framing, await incoming.read_all()))
            await incoming.head(200, length=0)

        async with self.harness() as harness:
            harness.serve(handler)
            for sent in (
                request("GET"),
                request("POST", length=0),
                request("POST", body=pieces(b"ab", b"", b"c"), length=3),
                request("POST", body=pieces(b"ab", b"", b"c")),
                request("GET", body=pieces(b"x"), length=1),
                request("POST", body=pieces()),
            ):
                await text_of(await harness.upstream.send(sent))
            assert seen == [
                ([], b""),
                ([(b"content-length", b"0")], b""),
                ([(b"content-length", b"3")], b"abc"),
                ([(b"transfer-encoding", b"chunked")], b"abc"),
                ([(b"content-length", b"1")], b"x"),
                ([(b"transfer-encoding", b"chunked")], b""),
            ]

    async def test_a_requests_body_streams(self) -> None:
        arrived = asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            yield b"first " * 4000
            await arrived.wait()
            yield b"second"

        async def handler(incoming: BackendRequest) -> None:
            assert await incoming.read()
            arrived.set()
            rest = await incoming.read_all()
            assert rest.endswith(b"second")
            await incoming.head(200, length=0)

        async with self.harness() as harness, asyncio.timeout(5):
            harness.serve(handler)
            assert (await harness.upstream.send(request("POST", body=body()))).status == 200

    async def test_a_responses_head_and_pieces_are_passed_on_as_they_come(self) -> None:
        steps = [asyncio.Event(), asyncio.Event()]

        async def handler(incoming: BackendRequest) -> None:
            await incoming.head(200)
            await steps[0].wait()
            await incoming.write(b"data: 1\n\n")
            await steps[1].wait()
            await incoming.write(b"data: 2\n\n")

        async with self.harness() as harness, asyncio.timeout(5):
            harness.serve(handler)
            response = await harness.upstream.send(request())
            assert response.complete_body is None
            steps[0].set()
            assert await anext(response.body) == b"data: 1\n\n"
            steps[1].set()
            assert await text_of(response) == b"data: 2\n\n"

    async def test_responses_without_a_body(self) -> None:
        async def handler(incoming: BackendRequest) -> None:
            status = int(incoming.target[1:])
            await incoming.head(status, length=700 if incoming.method == "HEAD" or status == 304 else None)

        async with self.harness() as harness, asyncio.timeout(5):
            harness.serve(handler)
            for method, status in (("HEAD", 200), ("GET", 204), ("GET", 304), ("HEAD", 404), ("DELETE", 204)):
                response = await harness.upstream.send(request(method, b"/%d" % status))
                assert (response.status, await text_of(response)) == (status, b"")
            assert harness.in_flight() == 0

    async def test_interim_responses_are_not_seen(self) -> None:
        async def handler(incoming: BackendRequest) -> None:
            await incoming.interim(102)
            await incoming.interim(103)
            await hello(incoming)

        async with self.harness() as harness:
            harness.serve(handler)
            response = await harness.upstream.send(request())
            assert (response.status, await text_of(response)) == (200, b"hello")

    async def test_a_big_response_arrives_whole(self) -> None:
        chunk = bytes(range(256)) * 256

        async def handler(incoming: BackendRequest) -> None:
            await incoming.head(200)
            for _ in range(40):
                await incoming.write(chunk)

        async with self.harness() as harness:
            harness.serve(handler)
            assert await text_of(await harness.upstream.send(request())) == chunk * 40

    async def test_what_goes_together_stays_together(self) -> None:
        async def handler(incoming: BackendRequest) -> None:
            body = await incoming.read_all()
            await incoming.head(200, length=len(incoming.target) + len(body))
            await incoming.write(incoming.target + body)

        async def ask(number: int) -> bytes:
            body = pieces(b"%d" % number) if number % 2 else None
            return await text_of(await harness.upstream.send(request("PUT", b"/%d/" % number, body=body)))

        async with self.harness() as harness:
            harness.serve(handler)
            expected = [b"/%d/" % number + (b"%d" % number if number % 2 else b"") for number in range(60)]
            assert await asyncio.gather(*map(ask, range(60))) == expected
            assert harness.in_flight() == 0

    async def test_an_attempt_is_noted(self) -> None:
        async with self.harness() as harness:
            harness.serve(hello)
            sent = request()
            await text_of(await harness.upstream.send(sent))
            assert [attempt.outcome for attempt in sent.attempts] == ["ok"]

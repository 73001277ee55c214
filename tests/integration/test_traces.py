"""The spans that a gateway sends, as they arrive; and what personal, a partner and the upstream are told of a trace."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from talaria.adapters.telemetry.collector import BATCH, Collector
from talaria.sandbox import fixtures
from talaria.sandbox.faults import Faults
from talaria.sandbox.service import SimulatedService
from talaria.sandbox.stack import Sandbox, running_sandbox
from tests.support_otlp import SpanSink, attributes, span_sink

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Traced:
    """A gateway, what stands behind its collector, and a client."""

    def __init__(self, sandbox: Sandbox, sink: SpanSink, client: httpx.AsyncClient) -> None:
        self.sandbox, self.sink, self.client = sandbox, sink, client

    async def ask(self, request_id: str, person: str = fixtures.ANNA, **headers: str) -> httpx.Response:
        """One request; the upstream's answer says what it was sent."""
        said = {**self.sandbox.headers(person), "x-request-id": request_id, **headers}
        return await self.client.get("/echo", headers=said)


@asynccontextmanager
async def traced(sample: float = 1.0, *, fast_path: bool = True, **tracing: Any) -> AsyncIterator[Traced]:
    """One that samples so much."""
    async with (
        span_sink() as sink,
        running_sandbox(
            config={"server": {"fast_path": fast_path}, "tracing": {"endpoint": sink.url, "sample": sample} | tracing}
        ) as sandbox,
        httpx.AsyncClient(trust_env=False, base_url=sandbox.public_url) as client,
    ):
        yield Traced(sandbox, sink, client)


def upstream_got(answer: httpx.Response) -> dict[str, str]:
    """The headers."""
    return {name.lower(): value for name, value in answer.json()["headers"]}


def told_of(service: SimulatedService) -> list[bytes]:
    """The traces that the last request to it named."""
    last = service.requests.last
    return [value for name in (b"traceparent", b"tracestate", b"baggage") for value in last.header(name)]


def by_name(spans: list[Span]) -> dict[str, Span]:
    return {span.name: span for span in spans}


async def test_the_spans_of_a_request_and_what_its_dependencies_are_told() -> None:
    async with traced() as gateway:
        answer = await gateway.ask("r-cold", traceparent=f"00-{TRACE}-{PARENT}-01", tracestate="a=1", baggage="b=1")
        spans = by_name(await gateway.sink.of_request("r-cold", 4))
        sandbox = gateway.sandbox
        server, personal, wind, upstream = (
            spans[name] for name in ("GET wind", "personal", "wind", "talaria-services")
        )
        assert {span.trace_id.hex() for span in spans.values()} == {TRACE}
        assert server.parent_span_id.hex() == PARENT
        assert {one.parent_span_id for one in (personal, wind, upstream)} == {server.span_id}
        assert attributes(server)["talaria.exchange"] == "miss"
        assert attributes(personal)["server.port"] == httpx.URL(sandbox.personal.url).port
        sent = upstream_got(answer)
        assert sent["traceparent"] == f"00-{TRACE}-{upstream.span_id.hex()}-01"
        assert (sent["tracestate"], "baggage" in sent) == ("a=1", False)
        assert told_of(sandbox.personal) == [f"00-{TRACE}-{personal.span_id.hex()}-01".encode()]
        assert told_of(sandbox.wind) == []
        assert server.start_time_unix_nano <= personal.start_time_unix_nano < wind.start_time_unix_nano
        assert upstream.end_time_unix_nano <= server.end_time_unix_nano
        assert gateway.sink.resource["service.name"] == "talaria"


@pytest.mark.parametrize(("sample", "flags", "exported"), [(0.0, "01", True), (1.0, "00", False)])
async def test_the_clients_decision_is_obeyed(sample: float, flags: str, exported: bool) -> None:
    async with traced(sample) as gateway:
        answer = await gateway.ask("r-1", traceparent=f"00-{TRACE}-{PARENT}-{flags}")
        assert upstream_got(answer)["traceparent"].endswith(f"-{flags}")
        gateway.sandbox.talaria_services.faults = Faults(next_failures=1, status=500)
        await gateway.ask("r-2")
        await gateway.sink.of_request("r-2", 1)
        ids = {span.trace_id.hex() for span in gateway.sink.spans}
        assert (TRACE in ids) == exported


async def test_a_failure_is_exported_though_its_trace_is_not_sampled() -> None:
    async with traced(0.0) as gateway:
        gateway.sandbox.personal.faults = Faults(error_rate=1.0)
        assert (await gateway.ask("r-1", traceparent=f"00-{TRACE}-{PARENT}-00")).status_code == 503
        spans = by_name(await gateway.sink.of_request("r-1", 2))
        assert spans["GET wind"].status.code == Status.STATUS_CODE_ERROR
        assert attributes(spans["GET wind"])["error.type"] == "personal-overloaded"


@pytest.mark.parametrize("fast_path", [False, True])
async def test_a_warm_request_has_its_spans_on_either_path(fast_path: bool) -> None:
    async with traced(fast_path=fast_path) as gateway:
        for number in range(3):
            answer = await gateway.ask(f"r-{number}")
            spans = by_name(await gateway.sink.of_request(f"r-{number}", 2 if number else 4))
            server, upstream = spans["GET wind"], spans["talaria-services"]
            sent = upstream_got(answer)["traceparent"]
            assert sent == f"00-{server.trace_id.hex()}-{upstream.span_id.hex()}-01"
            assert (upstream.parent_span_id, server.parent_span_id) == (server.span_id, b"")
            assert attributes(server)["talaria.exchange"] == ("hit" if number else "miss")


@pytest.mark.parametrize("fast_path", [False, True])
async def test_what_is_sent_again_is_one_trace_with_a_span_for_each_attempt(fast_path: bool) -> None:
    async with traced(fast_path=fast_path) as gateway:
        await gateway.ask("r-0")
        await gateway.ask("r-1")
        gateway.sandbox.talaria_services.faults = Faults(next_failures=1, reset=True)
        answer = await gateway.ask("r-2")
        assert answer.status_code == 200
        spans = await gateway.sink.of_request("r-2", 3)
        (server,) = [one for one in spans if one.name == "GET wind"]
        first, second = [one for one in spans if one.name == "talaria-services"]
        assert upstream_got(answer)["traceparent"] == f"00-{server.trace_id.hex()}-{second.span_id.hex()}-01"
        assert [one.status.code == Status.STATUS_CODE_ERROR for one in (first, second)] == [True, False]


async def test_baggage_passes_where_it_is_said_so() -> None:
    async with traced(baggage="pass") as gateway:
        assert upstream_got(await gateway.ask("r-1", baggage="b=1"))["baggage"] == "b=1"


async def test_a_crowd_makes_small_batches() -> None:
    async with traced() as gateway:
        await asyncio.gather(*[gateway.ask(f"r-{number}") for number in range(200)])
        await gateway.sink.until(400)
        assert max(gateway.sink.batches) <= BATCH


async def test_a_collector_that_takes_nothing_hurts_no_request_and_is_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level("INFO", "talaria.spans"):
        async with traced() as gateway:
            gateway.sink.status = 400
            assert {(await gateway.ask(f"r-{number}")).status_code for number in range(5)} == {200}
    assert [record.message for record in caplog.records if record.name == "talaria.spans"] == [
        "the collector of tracing.endpoint does not take spans, and they are lost"
    ]


async def test_the_environment_adds_to_what_the_process_is_and_prevails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging,service.version=ours")
    collector = Collector("http://127.0.0.1:9", "0.2.0", 3)
    try:
        assert dict(collector.resource.attributes) == {
            "service.name": "talaria",
            "service.version": "ours",
            "talaria.worker": 3,
            "deployment.environment.name": "staging",
        }
    finally:
        await asyncio.to_thread(collector.close)


async def test_without_a_collector_no_library_of_it_is_imported(tmp_path: Path) -> None:
    program = (
        "import sys; from talaria.entrypoints.cli.main import main\n"
        "from talaria.entrypoints.runtime.container import Container\n"
        "from talaria.entrypoints.config import load; from pathlib import Path\n"
        "Container(settings=load(Path(sys.argv[1]))).process.recorder()\n"
        "print([name for name in sys.modules if name.partition('.')[0] in ('opentelemetry', 'requests')])"
    )
    async with running_sandbox(gateway=False, folder=tmp_path) as sandbox:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, str(sandbox.config_path), stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
    assert out.strip() == b"[]"

"""A real collector takes the spans of a gateway of two workers, and passes them on."""

from pathlib import Path

import httpx

from talaria.sandbox import fixtures
from talaria.sandbox.faults import Faults
from tests.real.support_gateway_process import gateway_process
from tests.real.support_programs import program
from tests.real.support_running import free_port, running
from tests.support_otlp import attributes, span_sink


async def test_the_spans_of_every_request_come_through_a_collector(tmp_path: Path) -> None:
    port, grpc = free_port(), free_port()
    async with span_sink() as behind:
        arguments = [
            "start",
            f"--otlp-http-endpoint=127.0.0.1:{port}",
            f"--otlp-grpc-endpoint=127.0.0.1:{grpc}",
            f"--pid-file={tmp_path / 'collector.pid'}",
            f"--log-file={tmp_path / 'collector.txt'}",
            "--exporter=otlp",
            "--otlp-exporter-protocol=http",
            f"--otlp-exporter-endpoint={behind.url}",
        ]
        tracing = {"endpoint": f"http://127.0.0.1:{port}", "sample": 1.0}
        async with (
            running("rotel", program("rotel-agent"), *arguments, folder=tmp_path, port=port),
            gateway_process(tmp_path, {"tracing": tracing}, workers="2") as gateway,
        ):
            async with httpx.AsyncClient(trust_env=False, base_url=gateway.url) as client:
                headers = gateway.sandbox.headers()
                echo = (await client.get("/echo", headers={**headers, "x-request-id": "r-good"})).json()
                gateway.sandbox.wind.faults = Faults(error_rate=1.0)
                cold = gateway.sandbox.headers(fixtures.BORIS)
                await client.get("/echo", headers={**cold, "x-request-id": "r-bad"})
            server, personal, wind, upstream = await behind.of_request("r-good", 4)
            told = dict(echo["headers"])["traceparent"]
            assert [one.name for one in (server, personal, wind, upstream)] == [
                "GET wind",
                "personal",
                "wind",
                "talaria-services",
            ]
            assert {one.parent_span_id for one in (personal, wind, upstream)} == {server.span_id}
            assert told == f"00-{server.trace_id.hex()}-{upstream.span_id.hex()}-01"
            failed = await behind.of_request("r-bad", 5)
            assert attributes(failed[0])["error.type"] == "partner-overloaded"
            assert [attributes(one).get("http.request.resend_count") for one in failed[2:]] == [None, 1, 2]

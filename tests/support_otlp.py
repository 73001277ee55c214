"""What stands behind a collector: takes spans by OTLP over HTTP, and keeps them."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SECONDS = 10.0


@dataclass(slots=True)
class SpanSink:
    """A listening one. `status` is what it answers, `batches` the sizes of what it took."""

    url: str = ""
    status: int = 200
    spans: list[Span] = field(default_factory=list)
    resource: dict[str, Any] = field(default_factory=dict)
    batches: list[int] = field(default_factory=list)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, count: int) -> list[Span]:
        """So many spans, or more."""
        async with asyncio.timeout(SECONDS):
            while len(self.spans) < count:
                self._more.clear()
                await self._more.wait()
        return self.spans

    async def of_request(self, request_id: str, count: int) -> list[Span]:
        """The spans of one request, in their order: so many."""
        async with asyncio.timeout(SECONDS):
            while True:
                named = [one for one in self.spans if attributes(one).get("talaria.request_id") == request_id]
                found = [one for one in self.spans if named and one.trace_id == named[0].trace_id]
                if len(found) >= count:
                    return sorted(found, key=lambda one: one.start_time_unix_nano)
                self._more.clear()
                await self._more.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request by request."""
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).lower():
                body = await _body(reader, head)
                if self.status == 200:
                    self._take(gzip.decompress(body) if b"content-encoding: gzip" in head else body)
                writer.write(b"HTTP/1.1 %d x\r\ncontent-length: 0\r\n\r\n" % self.status)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    def _take(self, body: bytes) -> None:
        sent = ExportTraceServiceRequest.FromString(body)
        spans = [span for one in sent.resource_spans for scope in one.scope_spans for span in scope.spans]
        for one in sent.resource_spans:
            self.resource = {pair.key: _value(pair.value) for pair in one.resource.attributes}
        self.spans += spans
        self.batches.append(len(spans))
        self._more.set()


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    lengths = [line.partition(b":")[2] for line in head.split(b"\r\n") if line.startswith(b"content-length:")]
    if lengths:
        return await reader.readexactly(int(lengths[0]))
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body


@asynccontextmanager
async def span_sink() -> AsyncIterator[SpanSink]:
    """One that listens on loopback."""
    sink = SpanSink()
    server = await asyncio.start_server(sink.serve, "127.0.0.1", 0)
    sink.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield sink


def attributes(span: Span) -> dict[str, Any]:
    """What it says."""
    return {pair.key: _value(pair.value) for pair in span.attributes}


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))

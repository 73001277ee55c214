"""Where spans go: in small batches to an OpenTelemetry collector (OTLP over HTTP), from a thread of its own.

A batch is small, for encoding it holds the interpreter's lock: 64 spans take some 3 ms.
"""

import logging
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

_logger = logging.getLogger("talaria.spans")

BATCH = 64
_QUEUE = 4096
_EVERY_MS = 1000.0
_TIMEOUT = 2.0


class ReportedExporter(SpanExporter):
    """Another exporter. It is said once that spans are lost, and once that they are not any more.

    Once `closing` is set, the first failure ends the sending.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._lost = 0
        self.closing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch."""
        if self.closing and self._lost:
            return SpanExportResult.FAILURE
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            if not self._lost:
                _logger.warning("the collector of tracing.endpoint does not take spans, and they are lost")
            self._lost += len(spans)
        elif self._lost:
            _logger.info("the collector takes spans again", extra={"lost": self._lost})
            self._lost = 0
        return result

    def shutdown(self) -> None:
        """Close its connections."""
        self._exporter.shutdown()


class Collector:
    """The collector at this base url. Where it takes nothing, spans are lost, and no request waits.

    `resource` is what it knows this process by; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES add to it, and prevail.
    """

    def __init__(self, endpoint: str, version: str, worker: int) -> None:
        own = Resource({"service.name": "talaria", "service.version": version, "talaria.worker": worker})
        self.resource = own.merge(OTELResourceDetector().detect())
        self._exporter = ReportedExporter(OTLPSpanExporter(f"{endpoint}/v1/traces", timeout=_TIMEOUT))
        self._batches = BatchSpanProcessor(self._exporter, _QUEUE, _EVERY_MS, BATCH)
        self.put = self._batches.on_end

    def close(self) -> None:
        """Send what waits. Blocks, for a few seconds at most."""
        self._exporter.closing = True
        self._batches.shutdown()  # type: ignore[no-untyped-call] # not annotated there

"""What is said where a collector does not take spans. What it is sent: tests/integration/test_traces.py."""

import logging
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from talaria.adapters.telemetry.collector import ReportedExporter


class Exporter(SpanExporter):
    """Takes spans or not."""

    def __init__(self) -> None:
        self.result = SpanExportResult.SUCCESS
        self.asked = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.asked += 1
        return self.result


BATCH = [ReadableSpan("one"), ReadableSpan("two")]


def test_losing_spans_is_said_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    exporter = Exporter()
    reported = ReportedExporter(exporter)
    with caplog.at_level(logging.INFO, "talaria.spans"):
        for result in (SpanExportResult.SUCCESS, *[SpanExportResult.FAILURE] * 3, *[SpanExportResult.SUCCESS] * 2):
            exporter.result = result
            assert reported.export(BATCH) is result
    assert [(record.levelname, vars(record).get("lost")) for record in caplog.records] == [
        ("WARNING", None),
        ("INFO", 6),
    ]


def test_at_the_end_the_first_failure_ends_the_sending() -> None:
    exporter = Exporter()
    reported = ReportedExporter(exporter)
    exporter.result = SpanExportResult.FAILURE
    reported.closing = True
    assert [reported.export(BATCH) for _ in range(3)] == [SpanExportResult.FAILURE] * 3
    assert exporter.asked == 1

"""[tracing]: where spans go, how many, and that the libraries which send them are there."""

import sys
from typing import Any

import pytest

from tests.unit.entrypoints.config.conftest import Bench

COLLECTOR = {"tracing.endpoint": "http://127.0.0.1:4318/"}


def test_without_a_collector_nothing_is_sent(bench: Bench) -> None:
    tracing = bench.load({}).tracing
    assert (tracing.endpoint, tracing.sample, tracing.baggage) == ("", 0.01, "drop")


@pytest.mark.parametrize(("sample", "kept"), [(0, 0.0), (1, 1.0), (0.25, 0.25)])
def test_what_is_said_is_kept(bench: Bench, sample: float, kept: float) -> None:
    tracing = bench.load({**COLLECTOR, "tracing.sample": sample, "tracing.baggage": "pass"}).tracing
    assert (tracing.endpoint, tracing.sample, tracing.baggage) == ("http://127.0.0.1:4318", kept, "pass")
    assert type(tracing.sample) is float


@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [
        ("endpoint", "127.0.0.1:4318", '"" for none'),
        ("endpoint", "http://c:4318/?a=1", '"" for none'),
        ("sample", 1.1, "a number from 0 to 1"),
        ("sample", -0.1, "a number from 0 to 1"),
        ("sample", True, "a number from 0 to 1"),
        ("sample", "1%", "a number from 0 to 1"),
        ("baggage", "keep", "drop, pass"),
    ],
)
def test_what_it_can_not_be_is_a_problem(bench: Bench, key: str, value: Any, hint: str) -> None:
    problems = bench.problems({f"tracing.{key}": value})
    assert hint in problems[f"tracing.{key}"].hint


@pytest.mark.parametrize("missing", ["opentelemetry", "opentelemetry.exporter"])
def test_a_collector_needs_the_extra(bench: Bench, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    for name in [name for name in sys.modules if name.startswith(f"{missing}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    problem = bench.problems(COLLECTOR)["tracing.endpoint"]
    assert "pip install 'talaria-proxy[otel]'" in problem.hint
    bench.load({})

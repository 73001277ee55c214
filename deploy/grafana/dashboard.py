"""The Grafana dashboard as code: `python -m deploy.grafana.dashboard` writes talaria.dashboard.json beside this file.

A panel is a title, a unit and queries; where it stands follows from its place in the list. The model is Grafana's own
(schema 39, since Grafana 10.4); nothing of it names a data source, a host or an installation.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("talaria.dashboard.json")

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH = 24
_TAG = 'tag=~"$tag"'
_RATE = "[$__rate_interval]"


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL, and what its series are called."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """A number (`stat`) or a graph over time (`timeseries`)."""

    title: str
    unit: str
    queries: tuple[Query, ...]
    description: str = ""
    kind: str = "timeseries"

    @property
    def size(self) -> tuple[int, int]:
        """Width, of 24, and height."""
        return (6, 4) if self.kind == "stat" else (12, 8)


@dataclass(frozen=True, slots=True)
class Row:
    """A headline and the panels below it."""

    title: str
    panels: tuple[Panel, ...]


def number(title: str, unit: str, expr: str, description: str = "") -> Panel:
    """A panel of one number."""
    return Panel(title, unit, (Query(expr),), description, "stat")


def graph(title: str, unit: str, *queries: Query, description: str = "") -> Panel:
    """A panel of lines."""
    return Panel(title, unit, queries, description)


def rate(metric: str, *selectors: str, by: str = "") -> str:
    """The sum of a counter's rates."""
    grouping = f" by ({by}) " if by else ""
    return f"sum{grouping}(rate({metric}{{{', '.join(selectors)}}}{_RATE}))"


def quantile(share: float, metric: str, *selectors: str, by: str = "") -> str:
    """A quantile of a histogram."""
    labels = ", ".join(filter(None, ("le", by)))
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', *selectors, by=labels)})"


_CALLS = "talaria_dependency_requests_total"
_NOT_OK = 'outcome!="ok"'
_EXCHANGES = "talaria_exchange_total"
_HIT = 'result="hit"'
_DURATION = "talaria_request_duration_seconds"

ROWS = (
    Row(
        "Is it well?",
        (
            number(
                "5xx of all",
                "percentunit",
                f"({rate('talaria_5xx_total', _TAG)} or vector(0)) / {rate('talaria_requests_total', _TAG)}",
            ),
            number("Requests a second", "reqps", rate("talaria_requests_total", _TAG)),
            number(
                "Avoided 5xx a second",
                "reqps",
                f"{rate('talaria_5xx_avoided_total', _TAG)} or vector(0)",
                "By a retry, another url, or a pair that was past its age or exchanged anew.",
            ),
            number(
                "Identity cache hits",
                "percentunit",
                f"({rate(_EXCHANGES, _HIT)} or vector(0)) / {rate(_EXCHANGES)}",
            ),
        ),
    ),
    Row(
        "Which system is it?",
        (
            graph(
                "5xx by origin and reason",
                "reqps",
                Query(rate("talaria_5xx_total", _TAG, by="origin, reason"), "{{origin}} {{reason}}"),
                description="The same words as in docs/refusals.md and in the access lines.",
            ),
            graph(
                "Calls to dependencies that failed",
                "percentunit",
                Query(
                    f"{rate(_CALLS, _NOT_OK, by='dependency')} / {rate(_CALLS, by='dependency')}",
                    "{{dependency}}",
                ),
            ),
            graph(
                "Time of a request",
                "s",
                Query(quantile(0.5, _DURATION, _TAG), "p50"),
                Query(quantile(0.99, _DURATION, _TAG), "p99"),
            ),
            graph(
                "Time of a call, p99",
                "s",
                Query(quantile(0.99, "talaria_dependency_request_duration_seconds", by="dependency"), "{{dependency}}"),
            ),
            graph(
                "Refusals of 4xx by reason",
                "reqps",
                Query(rate("talaria_requests_total", _TAG, 'status=~"4.."', by="reason"), "{{reason}}"),
                description="Without a reason: the upstream's own answers.",
            ),
            graph(
                "Circuits",
                "short",
                Query("max by (dependency) (talaria_circuit_state)", "{{dependency}}"),
                description="0: closed. 1: half-open. 2: open. The worst instance.",
            ),
        ),
    ),
    Row(
        "Identities",
        (
            graph("Exchanges by result", "reqps", Query(rate(_EXCHANGES, by="result"), "{{result}}")),
            graph(
                "Kept identities",
                "short",
                Query("sum by (instance) (talaria_identity_cache_entries)", "{{instance}}"),
                description="At identities.max_entries persons are forgotten before their pair's age is over.",
            ),
        ),
    ),
    Row(
        "The gateway",
        (
            graph(
                "Requests under way",
                "short",
                Query("sum by (instance) (talaria_requests_in_flight)", "{{instance}}"),
            ),
            graph(
                "Connections",
                "short",
                Query("sum by (dependency, state) (talaria_connections)", "{{dependency}} {{state}}"),
                Query("sum by (dependency) (talaria_connection_waiters)", "{{dependency}} waiting"),
            ),
            graph(
                "Certificates: until they end",
                "s",
                Query(
                    "min by (kind, dependency) (talaria_certificate_expiry_timestamp_seconds) - time()",
                    "{{kind}} {{dependency}}",
                ),
                description="The listener's, ours as a client, and a server's as it was shown last.",
            ),
            graph(
                "Configurations in force",
                "short",
                Query("sum by (hash) (talaria_config_hash == 1)", "{{hash}}"),
                description="More than one for longer than a rollout: see the alert TalariaConfigurationsDiffer.",
            ),
        ),
    ),
)


def dashboard() -> dict[str, Any]:
    """The whole model."""
    return {
        "uid": "talaria",
        "title": "Talaria proxy",
        "tags": ["talaria"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "utc",
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": _variables()},
        "annotations": {"list": []},
        "panels": [{"id": number, **panel} for number, panel in enumerate(_placed(), 1)],
    }


def _variables() -> list[dict[str, Any]]:
    source = {"type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus"}
    tag = {
        "type": "query",
        "name": "tag",
        "label": "Route",
        "datasource": _SOURCE,
        "query": {"query": "label_values(talaria_requests_total, tag)", "refId": "tag"},
        "refresh": 2,  # when the time range changes
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }
    return [source, tag]


def _placed() -> Iterator[dict[str, Any]]:
    """Rows and panels from left to right and from top to bottom. The panels of a row have one size."""
    top = 0
    for row in ROWS:
        yield {"type": "row", "title": row.title, "collapsed": False, "panels": [], "gridPos": _at(0, top, _WIDTH, 1)}
        top += 1
        left = 0
        for panel in row.panels:
            width, height = panel.size
            yield {**_model(panel), "gridPos": _at(left, top, width, height)}
            left += width
            if left == _WIDTH:
                left, top = 0, top + height


def _model(panel: Panel) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + place), "datasource": _SOURCE, "expr": query.expr, "legendFormat": query.legend}
        for place, query in enumerate(panel.queries)
    ]
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


def _at(x: int, y: int, w: int, h: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": w, "h": h}


def text() -> str:
    """What the file holds."""
    return json.dumps(dashboard(), indent=2) + "\n"


def main() -> None:
    """Write the file."""
    FILE.write_text(text())


if __name__ == "__main__":
    main()

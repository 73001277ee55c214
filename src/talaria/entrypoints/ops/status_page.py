"""The operators' front page: for a human at 3 a.m. Plain HTML, nothing fetched from anywhere."""

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from urllib.parse import quote

from talaria.adapters.telemetry.failure_log import FailureRecord
from talaria.entrypoints.ops.readiness import Dependency, Readiness

SHOWN = 20
REFRESH_SECONDS = 10

HEADERS = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'", "cache-control": "no-store"}

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .2rem 1.2rem .2rem 0; }
th { border-bottom: 1px solid #999; } .good { color: #176b2c; } .bad { color: #b00020; font-weight: 600; }
@media (prefers-color-scheme: dark) { body { background: #111; color: #ddd; } .good { color: #6fce84; }
.bad { color: #ff7b87; } a { color: #8ab4f8; } }
"""


def render(version: str, readiness: Readiness, failures: Sequence[FailureRecord]) -> str:
    """The page: is it ready, what does each route depend on, what went wrong last. `failures`: newest first."""
    return "\n".join(
        [
            "<!doctype html>",
            f'<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="{REFRESH_SECONDS}">',
            f"<title>talaria: {_headline(readiness)}</title><style>{_STYLE}</style></head><body>",
            f"<h1>talaria {escape(version)}: {_marked(_headline(readiness), readiness.ready)}</h1>",
            *_configuration(readiness),
            *_workers(readiness),
            _links(),
            "<h2>Routes</h2>",
            _table(("route", "depends on", "state"), _route_rows(readiness)),
            "<h2>The last answers of 500 and above</h2>",
            *_failures(failures),
            "</body></html>",
        ]
    )


def _headline(readiness: Readiness) -> str:
    if readiness.draining:
        return "draining"
    return "ready" if readiness.ready else "not ready"


def _configuration(readiness: Readiness) -> Iterable[str]:
    now = readiness.configuration
    if now is not None:
        taken = "the last reload was taken" if now.last_reload_ok else "the last reload was refused: see the log"
        text = f"Configuration <code>{escape(now.digest)}</code> since {escape(now.since)}"
        yield f"<p>{text}: {_marked(taken, now.last_reload_ok)}</p>"


def _workers(readiness: Readiness) -> Iterable[str]:
    if readiness.answered < readiness.workers:
        yield f"<p>{_marked(f'{readiness.answered} of {readiness.workers} workers answered', good=False)}</p>"


def _links() -> str:
    paths = ("readyz", "metrics", "5xx", "keys", "schema")
    return "<p>" + " &middot; ".join(f'<a href="/{path}">/{path}</a>' for path in paths) + "</p>"


def _route_rows(readiness: Readiness) -> Iterable[Sequence[str]]:
    for route in readiness.routes:
        for dependency in route.dependencies:
            state = _marked(_state(dependency), not dependency.severity)
            yield escape(route.tag), escape(dependency.name), state


def _state(dependency: Dependency) -> str:
    """Such as "open in 1 of 2 workers since 21:30:05: connection refused; asked again in 4 s"."""
    text = dependency.state
    if dependency.of_workers > 1:
        text += f" in {dependency.affected_workers} of {dependency.of_workers} workers"
    if dependency.since:
        text += f" since {dependency.since}: {dependency.cause or 'no cause is known'}"
    if dependency.retry_in_seconds:
        text += f"; asked again in {dependency.retry_in_seconds:.0f} s"
    return text


def _failures(failures: Sequence[FailureRecord]) -> Iterable[str]:
    if not failures:
        yield '<p class="good">None is remembered.</p>'
        return
    counts = Counter((failure.reason or str(failure.status), failure.origin) for failure in failures)
    rows = [(escape(reason), escape(origin), str(count)) for (reason, origin), count in counts.most_common()]
    yield _table(("reason", "origin", f"of {len(failures)}"), rows)
    headings = ("time (UTC)", "status", "reason", "origin", "cause", "route", "ended in", "request id")
    yield _table(headings, [_failure_row(failure) for failure in failures[:SHOWN]])
    yield "<p>More about one of them: <code>talaria explain REQUEST-ID --config FILE</code></p>"


def _failure_row(failure: FailureRecord) -> Sequence[str]:
    link = f'<a href="/5xx/{escape(quote(failure.request_id, safe=""))}">{escape(failure.request_id)}</a>'
    status, reason, cause, tag = str(failure.status), failure.reason, failure.cause, failure.tag
    texts = (failure.time, status, reason or "-", failure.origin, cause or "-", tag or "-", failure.phase)
    return (*map(escape, texts), link)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{heading}</th>" for heading in headings)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _marked(text: str, good: bool) -> str:
    return f'<span class="{"good" if good else "bad"}">{escape(text)}</span>'

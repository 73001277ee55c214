"""The pages: the whole gateway, still or live, and one failure.

Each is made of a template beside this file. However many look at the page, it is made once for all of them.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from talaria import __version__
from talaria.adapters.telemetry.failure_log import KEPT, PASSED_ON, REFUSALS, FailureRecord
from talaria.entrypoints.ops import timeline
from talaria.entrypoints.ops.admin import GatewayAdmin
from talaria.entrypoints.ops.figures import ALL, LATELY, SAMPLE_SECONDS, Figures, History
from talaria.entrypoints.ops.page import view, words
from talaria.entrypoints.ops.page.curve import HEIGHT, curve

REFRESH_SECONDS = 1.0
_FRESH_SECONDS = 0.5

HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


def source(name: str) -> str:
    """The style or the script."""
    return files(__package__).joinpath(name).read_text("utf-8")


@cache
def template(name: str) -> Template:
    """A template, with the words of `words.py` as its filters."""
    return _environment().get_template(f"{name}.html")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__, ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = ("rate", "duration", "span", "moment", "day", "megabytes")
    environment.filters |= {name: getattr(words, name) for name in filters}
    environment.globals |= {"version": __version__, "curve": curve, "curve_height": HEIGHT, "PASSED_ON": PASSED_ON}
    return environment


class Made(NamedTuple):
    """The page's title, and the part of it that changes."""

    title: str
    main: str


class Pages:
    """What people look at. `keep_sampling` has to run for rates and curves; `close` ends every live page."""

    def __init__(self, admin: GatewayAdmin) -> None:
        self._admin = admin
        self._history = History()
        self._closed = asyncio.Event()
        self._made = Made("", "")
        self._made_at = float("-inf")
        self._making = asyncio.Lock()

    async def keep_sampling(self) -> None:
        """Take samples for the rates and curves, for ever."""
        while True:
            self._history.add((await self._admin.overview()).tallies)
            await asyncio.sleep(SAMPLE_SECONDS)

    def close(self) -> None:
        """The gateway ends: so does what is live."""
        self._closed.set()

    async def whole(self) -> str:
        """The page as it is now."""
        made = await self._fresh()
        return template("shell").render(title=made.title, main=made.main, live=True)

    async def live(self) -> AsyncIterator[str]:
        """The part of the page that changes, once a second."""
        while not self._closed.is_set():
            yield (await self._fresh()).main
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), REFRESH_SECONDS)

    def failure(self, record: FailureRecord) -> str:
        """One failure: what happened when, and what to do."""
        main = template("timeline").render(
            record=record,
            origin=timeline.origin(record),
            facts=timeline.facts_of(record),
            steps=timeline.steps(record),
            advice=timeline.advice(record),
        )
        return template("shell").render(title=f"{record.status} {record.reason}", main=main, live=False)

    async def _fresh(self) -> Made:
        """At most half a second old."""
        async with self._making:
            if time.monotonic() - self._made_at >= _FRESH_SECONDS:
                self._made, self._made_at = await self._render(), time.monotonic()
            return self._made

    async def _render(self) -> Made:
        overview = await self._admin.overview()
        figures, now = self._history.figures(overview.tallies), time.time()
        truth = view.truth(overview, self._history.figures(overview.tallies, LATELY))
        failures, refusals = overview.records.last(KEPT), overview.records.last(KEPT, REFUSALS)
        main = template("main").render(
            truth=truth,
            all=figures.get(ALL, Figures()),
            routes=view.routes(overview, figures),
            dependencies=view.dependencies(overview, figures),
            configuration=overview.readiness.configuration,
            workers=view.workers(overview, now),
            replaced=view.replaced(overview.tallies),
            amounts=view.amounts(overview.tallies, figures),
            certificates=view.certificates(overview.tallies, now),
            failures=failures[: view.SHOWN],
            reasons=view.by_reason(failures),
            refusals=view.by_reason(refusals),
            now=now,
            clock=time.strftime("%H:%M:%S", time.gmtime(now)),
        )
        return Made(truth.text, main)

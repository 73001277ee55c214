"""The pages over a gateway that lives in memory."""

import asyncio
import re

import pytest
from msgspec.structs import replace

from talaria.entrypoints.ops.admin import Overview
from talaria.entrypoints.ops.page.pages import Pages, source
from talaria.entrypoints.ops.readiness import Configured, Dependency
from tests.unit.entrypoints.ops.support_ops import MemoryAdmin, failure_record

ELSEWHERE = re.compile(r"""(?:src|href|url)\s*[=(]\s*["']?(?:https?:|//)""")


@pytest.fixture
def admin() -> MemoryAdmin:
    return MemoryAdmin()


async def test_what_is_wrong_stands_on_the_page(admin: MemoryAdmin) -> None:
    admin.trouble = Dependency("wind", "open", "2026-11-18T12:00:00Z", "connection refused", 4.4, 1, 2)
    admin.failures = [failure_record("<script>r-1"), replace(failure_record("r-2"), status=401, reason="invalid-token")]
    text = await Pages(admin).whole()
    for said in (
        "<title>talaria: serving, wind failing</title>",
        "<h1>serving, wind failing</h1>",
        "open in 1 of 2 workers since 2026-11-18T12:00:00Z: connection refused; asked again in 4 s",
        '<a href="/timeline/%3Cscript%3Er-1">&lt;script&gt;r-1</a>',
        '<a href="/timeline/r-2">r-2</a>',
        "<b>1</b> partner-unreachable <span>(partner), last at 2026-11-18 12:00:00</span>",
        'href="/keys"',
    ):
        assert said in text, said
    assert "<script>r-1" not in text


@pytest.mark.parametrize(
    ("taken", "at", "said"),
    [
        (True, "", "none since the start"),
        (True, "2026-11-18T12:00:05Z", "2026-11-18 12:00:05, taken"),
        (False, "2026-11-18T12:00:05Z", "2026-11-18 12:00:05, refused: the log says why"),
    ],
)
async def test_the_last_reload_is_told(admin: MemoryAdmin, taken: bool, at: str, said: str) -> None:
    admin.configured = Configured("aaaa", "2026-11-18T11:00:00Z", taken, at)
    tone = "good" if taken else "bad"
    assert f'<dt>last reload</dt><dd class="{tone}">{said}</dd>' in await Pages(admin).whole()


async def test_rates_come_with_the_samples(admin: MemoryAdmin) -> None:
    pages = Pages(admin)
    sampling = asyncio.create_task(pages.keep_sampling())
    await asyncio.sleep(0)
    admin.requests = 5
    text = await pages.whole()
    sampling.cancel()
    assert "<b>0</b> requests/s" not in text
    assert '<script src="/page.js" defer>' in text


async def test_nothing_is_fetched_from_elsewhere(admin: MemoryAdmin) -> None:
    pages = Pages(admin)
    for text in (await pages.whole(), pages.failure(failure_record()), source("page.css"), source("page.js")):
        assert not ELSEWHERE.search(text)
        assert "style=" not in text


async def test_a_page_is_made_once_for_all_that_look_at_it(admin: MemoryAdmin) -> None:
    pages = Pages(admin)
    first = await pages.whole()
    admin.draining = True
    assert await pages.whole() == first


class Asking(MemoryAdmin):
    """Has to ask workers. `asked`: how often it did."""

    asked = 0

    async def overview(self) -> Overview:
        """Once they have answered."""
        self.asked += 1
        await asyncio.sleep(0)
        return await super().overview()


async def test_those_that_look_while_it_is_made_get_the_same() -> None:
    admin = Asking()
    pages = Pages(admin)
    assert len(set(await asyncio.gather(*[pages.whole() for _ in range(5)]))) == admin.asked == 1


async def test_what_is_live_goes_on_until_the_gateway_ends(admin: MemoryAdmin) -> None:
    pages = Pages(admin)
    live = pages.live()
    assert '<section id="now"' in await anext(live)
    pages.close()
    assert [one async for one in live] == []


async def test_a_failure_is_told_as_a_timeline(admin: MemoryAdmin) -> None:
    text = Pages(admin).failure(failure_record("r&1"))
    for said in (
        "502 partner-unreachable",
        "Origin: the partner. Ended in: exchange.",
        "250.0 ms",
        "Look whether it runs",
        "<dd>r&amp;1</dd>",
        '<a href="/5xx/r%261">',
    ):
        assert said in text, said
    assert "page.js" not in text


async def test_nothing_of_a_failure_is_taken_for_markup(admin: MemoryAdmin) -> None:
    record = failure_record()
    hostile = dict.fromkeys(("caller", "tag", "cause", "reason", "trace_id", "person", "origin"), "<img src=x>")
    assert "<img" not in Pages(admin).failure(replace(record, **hostile))


async def test_a_worker_that_does_not_answer_is_named(admin: MemoryAdmin) -> None:
    admin.answered = 1
    text = await Pages(admin).whole()
    assert "serving, 1 of 2 workers silent" in text
    assert text.count("does not answer") == 1


@pytest.mark.parametrize(("draining", "headline"), [(False, "serving"), (True, "draining")])
async def test_where_nothing_is_wrong_it_says_so(admin: MemoryAdmin, draining: bool, headline: str) -> None:
    admin.draining = draining
    text = await Pages(admin).whole()
    assert f"<title>talaria: {headline}</title>" in text
    assert text.count("None is remembered.") == 2

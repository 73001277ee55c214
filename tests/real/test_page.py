"""The operators' page in Chromium, of a gateway of two workers: live, accessible, narrow, dark, and without script."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import httpx
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from talaria.sandbox import fixtures
from talaria.sandbox.faults import Faults
from tests.real.support_browser import chromium
from tests.real.support_gateway_process import GatewayProcess, gateway_process

SEEN_WITHIN = 3000
"""Milliseconds in which a failing dependency has to be seen."""
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running_browser:
        yield running_browser


@pytest_asyncio.fixture(loop_scope="module")
async def gateway(tmp_path: Path) -> AsyncIterator[GatewayProcess]:
    async with gateway_process(tmp_path, workers="2") as running:
        yield running


async def ask(gateway: GatewayProcess, person: str = fixtures.ANNA) -> httpx.Response:
    """One request, on a connection of its own."""
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(f"{gateway.url}/echo", headers=gateway.sandbox.headers(person))


async def in_trouble(gateway: GatewayProcess) -> str:
    """Each kind of row: an answer, a refusal, a failure; the failure's request id."""
    await ask(gateway)
    await ask(gateway, fixtures.GHOST)
    gateway.sandbox.personal.faults = Faults(error_rate=1.0)
    return (await ask(gateway, fixtures.BORIS)).headers["x-request-id"]


def watched(page: Page) -> list[str]:
    """What goes wrong on a page from now on: errors of scripts, what its policy refuses, what is asked elsewhere."""
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
    page.on("response", lambda got: wrong.append(f"{got.status} {got.url}") if got.status >= 400 else None)
    page.on(
        "request",
        lambda asked: None if asked.url.startswith(("http://127.0.0.1", "data:")) else wrong.append(asked.url),
    )
    return wrong


async def test_a_failing_dependency_is_seen_at_once_and_without_a_reload(
    gateway: GatewayProcess, browser: Browser
) -> None:
    page = await browser.new_page()
    wrong = watched(page)
    await page.goto(gateway.ops)
    headline = page.locator("h1")
    await expect(headline).to_have_text("serving")
    loaded = await page.evaluate("performance.timeOrigin")
    request_id = await in_trouble(gateway)
    await expect(headline).to_have_text(re.compile("^serving, personal failing"), timeout=SEEN_WITHIN)
    await expect(page).to_have_title(re.compile("^talaria: serving, personal failing"))
    await expect(page.locator("#dependencies tr", has_text="personal")).to_contain_text("failing in 1 of 2 workers")
    await expect(page.locator("#failures")).to_contain_text(request_id)
    assert await page.evaluate("performance.timeOrigin") == loaded
    await page.get_by_role("link", name=request_id).click()
    await expect(page.locator("h1")).to_have_text("503 personal-overloaded")
    assert wrong == []
    await page.close()


async def test_rates_and_curves_come_by_themselves(gateway: GatewayProcess, browser: Browser) -> None:
    page = await browser.new_page()
    await page.goto(gateway.ops)
    await ask(gateway)
    await expect(page.locator("#routes tr", has_text="wind").locator("path.all")).to_have_count(1, timeout=15_000)
    await page.close()


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_pages_are_accessible_and_never_wider_than_the_screen(
    gateway: GatewayProcess, browser: Browser, scheme: Literal["light", "dark"], width: int
) -> None:
    request_id = await in_trouble(gateway)
    page = await browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    for path in ("/", f"/timeline/{request_id}"):
        await page.goto(f"{gateway.ops}{path}")
        found = await Axe().run(page)
        assert [(path, one["id"], one["nodes"][0]["html"]) for one in found.response["violations"]] == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await page.close()


async def test_without_script_the_page_is_whole_and_comes_anew(gateway: GatewayProcess, browser: Browser) -> None:
    request_id = await in_trouble(gateway)
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(gateway.ops)
    await expect(page.locator("h1")).to_have_text(re.compile("^serving, personal failing"))
    await expect(page.locator("#workers tbody tr")).to_have_count(2)
    await expect(page.get_by_role("link", name=request_id)).to_be_visible()
    gateway.sandbox.personal.faults = Faults()
    async with page.expect_navigation(timeout=15_000):
        pass
    await context.close()


async def test_a_page_of_a_gateway_that_is_gone_says_so(gateway: GatewayProcess, browser: Browser) -> None:
    page = await browser.new_page()
    await page.goto(gateway.ops)
    await gateway.served.stop()
    await expect(page.locator("#clock")).to_have_text(re.compile("does not answer"), timeout=15_000)
    await page.close()

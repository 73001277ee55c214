"""The site of `make docs` in Chromium: every page is whole, fetches nothing from elsewhere, and is accessible."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser

from tests.real.support_browser import chromium
from tests.real.support_programs import VENV
from tests.real.support_running import free_port, output_of, running

ROOT = Path(__file__).parents[2]
SITE = ROOT / "build" / "site"
"""Where zensical.toml has it built."""
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The url of the site, built a moment ago."""
    folder, port = tmp_path_factory.mktemp("site"), free_port()
    said = await output_of(VENV / "zensical", "build", "--strict", folder=ROOT)
    assert "Build finished" in said
    serve = ["-m", "http.server", "--bind", "127.0.0.1", "--directory", str(SITE), str(port)]
    async with running("site", sys.executable, *serve, folder=folder, port=port):
        yield f"http://127.0.0.1:{port}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running_browser:
        yield running_browser


async def problems(site: str, browser: Browser, pages: list[str], scheme: Literal["light", "dark"]) -> list[str]:
    """What axe finds, what is missing, what is asked of elsewhere, and errors of scripts."""
    page = await browser.new_page(color_scheme=scheme)
    wrong: list[str] = []
    page.on("response", lambda got: wrong.append(f"{got.status} {got.url}") if got.status >= 400 else None)
    page.on("request", lambda asked: None if asked.url.startswith((site, "data:")) else wrong.append(asked.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    for path in pages:
        await page.goto(f"{site}/{path}", wait_until="load")
        found = await Axe().run(page)
        wrong += [f"{path}: {violation['id']}" for violation in found.response["violations"]]
    return wrong


async def test_every_page_is_whole_and_accessible(site: str, browser: Browser) -> None:
    pages = sorted(str(path.relative_to(SITE)) for path in SITE.rglob("*.html") if path.name != "404.html")
    assert len(pages) == len(list((ROOT / "docs").rglob("*.md")))
    assert await problems(site, browser, pages, "light") == []


async def test_the_dark_scheme_is_accessible(site: str, browser: Browser) -> None:
    assert await problems(site, browser, ["index.html", "contracts/service-token.html"], "dark") == []


async def test_a_page_fits_a_narrow_screen(site: str, browser: Browser) -> None:
    page = await browser.new_page(viewport={"width": 400, "height": 800})
    for path in ("index.html", "deploy.html", "contracts/service-token.html"):
        await page.goto(f"{site}/{path}", wait_until="load")
        assert await page.evaluate("document.documentElement.scrollWidth") <= 400

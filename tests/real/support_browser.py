"""Chromium as Debian has it, driven by Playwright, without a word to any network but loopback."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

from tests.real.support_programs import program

_QUIET = [
    "--no-sandbox",  # as root, which CI is, Chromium starts in no other way
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A running one, without a window."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program("chromium"), args=_QUIET)
        try:
            yield browser
        finally:
            await browser.close()

"""A headless Chromium that may reach this machine only."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, Route, async_playwright

CANDIDATES: Final = ("/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome")
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str | None:
    """Find the browser; `CHROMIUM` names another one."""
    for candidate in (os.environ.get("CHROMIUM", ""), *CANDIDATES):
        found = shutil.which(candidate) if candidate else None
        if found:
            return found
    return None


@pytest.fixture
def chromium() -> str:
    """The path of Chromium; skips without one, and fails where services are required."""
    path = find_chromium()
    if path is None:
        reason = "no Chromium on PATH; install it or name it in CHROMIUM"
        if os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


class Watched:
    """A page, with what went wrong on it and which other hosts it asked for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                self.complaints.append(message.text)
                if message.type in ("error", "warning")
                else None
            ),
        )

    async def guard(self, route: Route) -> None:
        """Let loopback through and note everything else."""
        if urlsplit(route.request.url).hostname in ("127.0.0.1", None):
            await route.continue_()
        else:
            self.strangers.append(route.request.url)
            await route.abort()


@pytest.fixture
async def browser_page(chromium: str, tmp_path: Path) -> AsyncIterator[Watched]:
    """A fresh page of 1280 by 900 pixels."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(10_000)
        watched = Watched(page)
        await page.route("**/*", watched.guard)
        yield watched
        await browser.close()

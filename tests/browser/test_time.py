"""A week of reminders in a minute: the phones page moves the time of a real service."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Watched
from tests.flow.service import Service
from tests.flow.travelling import Travelling

pytestmark = pytest.mark.browser

REFUSED = "409"
SLOW_MS = 40_000
"""The first jump waits for what the service says to Telegram at its start."""


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Travelling]:
    async with Travelling(tmp_path) as running:
        yield running


async def _ask(page: Page, *, due_in_days: int) -> None:
    form = page.get_by_role("form", name="New payment")
    await form.get_by_label("Due in days").fill(str(due_in_days))
    await form.get_by_role("button", name="Ask for payment").click()
    await expect(page.locator("#whatsapp a.card-button")).to_have_count(1)


async def _next(page: Page) -> None:
    await page.get_by_role("button", name="To the next reminder").click()


async def _pay(page: Page) -> None:
    await page.locator("#whatsapp a.card-button").last.click()
    checkout = page.frame_locator("#browser-frame")
    await checkout.locator("button.pay").click()
    await expect(checkout.locator("[data-status=approved]")).to_be_visible()
    await page.locator("#browser-close").click()


async def test_reminders_come_until_it_is_paid(browser_page: Watched, service: Travelling) -> None:
    page, bubbles = browser_page.page, browser_page.page.locator("#whatsapp .bubble.theirs")
    await page.goto(service.sandbox.base_url)
    started = service.sandbox.clock()
    await _ask(page, due_in_days=3)
    await _next(page)
    await expect(bubbles).to_have_count(2, timeout=SLOW_MS)
    assert service.sandbox.clock() > started
    await expect(page.locator(".now-date")).to_have_text(re.compile(r"^\w{3},? \d{1,2} \w{3}"))
    await _pay(page)
    await expect(bubbles).to_have_count(3)
    await expect(bubbles.last).to_contain_text(re.compile("recibi", re.IGNORECASE))
    after = service.sandbox.clock()
    await _next(page)
    await expect(page.locator("#toast")).to_have_text("no reminder is planned")
    assert (service.sandbox.clock() - after).total_seconds() < 60
    await page.get_by_role("button", name="+1 day").click()
    await expect(page.locator("#journal")).to_contain_text("the time is")
    await expect(bubbles).to_have_count(3)
    assert [text for text in browser_page.complaints if REFUSED not in text] == []
    assert browser_page.strangers == []


@pytest.mark.parametrize("width", [1280, 390])
async def test_the_time_fits_the_window(
    browser_page: Watched, service: Travelling, width: int
) -> None:
    page = browser_page.page
    await page.set_viewport_size({"width": width, "height": 800})
    await page.goto(service.sandbox.base_url)
    await expect(page.get_by_role("button", name="+1 h")).to_be_visible()
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await page.evaluate(overflow) == 0


async def test_no_button_without_a_service_on_this_clock(
    browser_page: Watched, tmp_path: Path
) -> None:
    async with Service(tmp_path) as apart:
        await browser_page.page.goto(apart.sandbox.base_url)
        await expect(browser_page.page.locator(".now-date")).to_be_visible()
        await expect(browser_page.page.get_by_role("button", name="+1 h")).to_be_hidden()

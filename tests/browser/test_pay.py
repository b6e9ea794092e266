"""A person pays on the phones page what the real service sent, on every channel."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import FrameLocator, Page, expect

from tests.browser.conftest import Watched
from tests.flow.service import PHONE, Service

pytestmark = pytest.mark.browser

RECEIPT = re.compile(r"recibi(ó|mos)", re.IGNORECASE)
SLOW_MS = 30_000
"""The first Telegram message waits for aiogram to be imported."""


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with Service(tmp_path) as running:
        yield running


async def _pay(page: Page) -> None:
    checkout = page.frame_locator("#browser-frame")
    await expect(checkout.locator(".amount")).to_contain_text("Q150.00")
    await checkout.locator("button.pay").click()
    await expect(checkout.locator("[data-status=approved]")).to_be_visible()
    await page.locator("#browser-close").click()


async def _by_whatsapp(page: Page) -> None:
    await page.locator("#whatsapp a.card-button").click()
    await _pay(page)
    await expect(page.locator("#whatsapp .bubble.theirs").last).to_contain_text(RECEIPT)


async def _by_sms(page: Page) -> None:
    await page.locator("#sms .bubble a").click()
    await _pay(page)
    await expect(page.locator("#sms .bubble.theirs").last).to_contain_text(RECEIPT)


async def _by_email(page: Page) -> None:
    mail: FrameLocator = page.frame_locator("#email iframe")
    await mail.get_by_role("link", name="Pagar").first.click()
    await _pay(page)
    await expect(mail.locator("body")).to_contain_text(RECEIPT)


async def _by_telegram(page: Page) -> None:
    await page.locator("#telegram .start").click()
    await page.locator("#telegram .key-row button").click(timeout=SLOW_MS)
    link = page.locator("#telegram a.inline-button")
    await link.click(timeout=SLOW_MS)
    await _pay(page)
    await expect(page.locator("#telegram .bubble.theirs").last).to_contain_text(RECEIPT)


WAYS: dict[str, Callable[[Page], Awaitable[None]]] = {
    "whatsapp": _by_whatsapp,
    "sms": _by_sms,
    "email": _by_email,
    "telegram": _by_telegram,
}


@pytest.mark.parametrize("channel", list(WAYS))
async def test_a_person_reads_taps_pays_and_sees_the_receipt(
    browser_page: Watched, service: Service, channel: str
) -> None:
    page = browser_page.page
    await page.goto(service.sandbox.base_url)
    await service.create(channel, customer={"phone": PHONE})
    await WAYS[channel](page)
    assert browser_page.strangers == []
